//! The embedded default: a private Postgres in the data folder, run as a child of this process.
//!
//! It listens on a unix socket in a folder of its own and nowhere else, and is durable: that is asserted at each start.
//! One process owns the server; others on the same data folder (a command line beside `serve`) are its guests.
//! Migrations and grants are `postgres`'s; a server named by `DATABASE_URL` never comes here.

mod account;
mod binaries;
mod child;
mod cluster;
mod error;
mod folder;
mod orphan;
mod roles;
mod server;

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use error::EmbeddedError;
use folder::Folder;
use server::Server;
use sqlx::postgres::PgConnectOptions;

/// Where the server keeps its data, and where its programs are.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    /// `POSTGRES_BIN_DIR`; without it the usual places are searched.
    pub bin_dir: Option<PathBuf>,
}

/// A running server. It stops when this is dropped, and when the process dies, however it dies.
pub struct EmbeddedPostgres {
    socket_dir: PathBuf,
    /// What only the owner has. The lock is given back after the server has stopped.
    owned: Option<(Server, File)>,
}

impl EmbeddedPostgres {
    /// Starts the server of this data folder, which is made on first use, or joins the one that another process runs.
    ///
    /// # Errors
    /// What keeps the server from running, with the remedy.
    pub async fn start(settings: Settings) -> Result<Self, EmbeddedError> {
        let folder = Folder::open(&settings.data_dir)?;
        let deadline = Instant::now() + OTHER_OWNER_TIMEOUT;
        loop {
            if let Some(lock) = folder.lock()? {
                return Self::own(folder, lock, settings.bin_dir).await;
            }
            if let Some(socket_dir) = folder.owners_socket_dir()
                && roles::answers(&socket_dir).await
            {
                tracing::debug!("another process runs the embedded Postgres; joining it");
                return Ok(Self { socket_dir, owned: None });
            }
            if Instant::now() > deadline {
                return Err(EmbeddedError::OtherOwner { folder: folder.path });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn own(folder: Folder, lock: File, bin_dir: Option<PathBuf>) -> Result<Self, EmbeddedError> {
        let prepare = move || -> Result<_, EmbeddedError> {
            let place = folder.place()?;
            orphan::settle(&place.cluster)?;
            let launch = cluster::prepare(&place, bin_dir.as_deref())?;
            folder.name_socket_dir(&lock, &place)?;
            Ok((place.socket_dir, launch, lock))
        };
        let (socket_dir, launch, lock) =
            tokio::task::spawn_blocking(prepare).await.map_err(|error| EmbeddedError::Ended(error.to_string()))??;
        let server = Server::start(launch)?;
        // Dropping the server on an error here stops it.
        server.unless_it_ends(roles::set_up(&socket_dir)).await?;
        server.is_ready();
        Ok(Self { socket_dir, owned: Some((server, lock)) })
    }

    /// As the role that owns the schema: for migrations and rebuilds.
    pub fn owner_options(&self) -> PgConnectOptions {
        roles::options(&self.socket_dir, roles::OWNER, roles::DATABASE)
    }

    /// As the role that the application works with: no superuser, and owner of nothing.
    pub fn app_options(&self) -> PgConnectOptions {
        roles::options(&self.socket_dir, roles::APP, roles::DATABASE)
    }

    /// The name of the application's role, for grants.
    pub fn app_role(&self) -> &'static str {
        roles::APP
    }

    /// Whether this process runs the server, rather than being a guest of the one that does.
    pub fn is_owner(&self) -> bool {
        self.owned.is_some()
    }

    /// Disconnects everyone, writes a checkpoint and waits for the server's end. A guest leaves it running.
    ///
    /// # Errors
    /// The server did not end in time, and was stopped without a checkpoint: the next start recovers.
    pub async fn stop(&self) -> Result<(), EmbeddedError> {
        match &self.owned {
            Some((server, _lock)) => server.stop().await,
            None => Ok(()),
        }
    }
}

const POLL: Duration = Duration::from_millis(100);
const OTHER_OWNER_TIMEOUT: Duration = Duration::from_secs(60);
