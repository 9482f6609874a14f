//! The connections of those who write: given up as soon as their server is lost, however long TCP would hope (decision 14).

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::watch;
use tokio::time::timeout;

use super::horizon::Horizon;
use crate::postgres::ANSWER;

/// How long a new connection may take.
const CONNECTING: Duration = Duration::from_secs(5);

pub(super) struct Held {
    pub connection: PgConnection,
    /// A server that crashes loses all its connections: while this one lives, it has not since then.
    pub since: Instant,
    losses: watch::Receiver<()>,
}

impl Held {
    /// # Errors
    /// Those of the database, and that it does not answer.
    pub async fn make(options: &PgConnectOptions, horizon: &Horizon, settings: &str) -> Result<Self, sqlx::Error> {
        let losses = horizon.losses();
        let connecting = async {
            let mut connection = crate::postgres::connect(options).await?;
            connection.execute(settings).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        let connection = timeout(CONNECTING, connecting).await.map_err(|_| no_answer()).flatten()?;
        Ok(Self { connection, since: Instant::now(), losses })
    }

    /// Whether its server has not been lost since.
    pub fn counts(&self) -> bool {
        matches!(self.losses.has_changed(), Ok(false))
    }

    /// Does something, unless it takes too long or the server is lost meanwhile: then nobody knows how far it came.
    pub async fn within<T>(
        &mut self,
        limit: Duration,
        act: impl AsyncFnOnce(&mut PgConnection) -> T,
    ) -> Result<T, sqlx::Error> {
        tokio::select! {
            done = act(&mut self.connection) => Ok(done),
            Ok(()) = self.losses.changed() => Err(no_answer()),
            () = tokio::time::sleep(limit) => Err(no_answer()),
        }
    }

    pub async fn answers(&mut self) -> bool {
        matches!(self.within(ANSWER, async |connection: &mut PgConnection| connection.ping().await).await, Ok(Ok(())))
    }
}

fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer"))
}
