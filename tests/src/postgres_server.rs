//! A Postgres server of an experiment's own, which it may kill, replicate and promote.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnectOptions;
use tokio::process::Command;
use uuid::Uuid;

use crate::relay::{Relay, Target};

pub struct PostgresServer {
    /// Data and socket; gone with it.
    folder: PathBuf,
}

impl PostgresServer {
    /// A running server with flushes as in production and these further settings.
    pub async fn start(settings: &[&str]) -> Self {
        let server = Self::new();
        server.run("initdb", &["-D", &server.data(), "-A", "trust", "-E", "UTF8", "-U", "postgres"]).await;
        server.resume(settings).await;
        server
    }

    /// A running standby of this server, which streams from it over this network under the name `standby`.
    pub async fn standby(&self, network: &Relay) -> Self {
        let standby = Self::new();
        let source = format!("host=127.0.0.1 port={} user=postgres application_name=standby", network.port);
        // -R writes where to stream from.
        standby.run("pg_basebackup", &["-D", &standby.data(), "-d", &source, "-R", "-X", "stream", "-c", "fast"]).await;
        standby.resume(&[]).await;
        standby
    }

    /// Starts it again.
    pub async fn resume(&self, settings: &[&str]) {
        let usual = ["listen_addresses=", "max_connections=200", "wal_level=replica"];
        let options: Vec<String> =
            usual.iter().chain(settings).map(|setting| format!("-c {}", setting.replace(' ', "\\ "))).collect();
        let options = format!("-k {} {}", self.folder.display(), options.join(" "));
        let log = self.folder.join("log").display().to_string();
        self.run("pg_ctl", &["-D", &self.data(), "-w", "-l", &log, "-o", &options, "start"]).await;
    }

    /// As if the machine lost its power: nobody is asked, nothing is flushed.
    pub async fn crash(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]).await;
    }

    /// Returns when it takes writes.
    pub async fn promote(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-w", "promote"]).await;
    }

    pub fn target(&self) -> Target {
        Target::Unix(self.folder.join(".s.PGSQL.5432"))
    }

    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(&self.folder).username("postgres").database("postgres")
    }

    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("chancery-pg-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        if is_root() {
            assert!(std::process::Command::new("chown").arg("postgres").arg(&folder).status().unwrap().success());
        }
        Self { folder }
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    /// Postgres refuses to run as root.
    async fn run(&self, program: &str, arguments: &[&str]) {
        let program = binaries().join(program);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(&program);
                command
            }
            false => Command::new(&program),
        };
        // A server that is started inherits what its starter writes to, and nobody would ever see its end.
        let said = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("said")).unwrap();
        command.args(arguments).current_dir(&self.folder).stdout(said.try_clone().unwrap()).stderr(said);
        let status = command.status().await.unwrap();
        let said = || std::fs::read_to_string(self.folder.join("said")).unwrap_or_default();
        assert!(status.success(), "{} {arguments:?}: {}", program.display(), said());
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next() {
            // SIGQUIT: an immediate stop.
            std::process::Command::new("kill").args(["-QUIT", pid]).status().ok();
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Where the server's programs are: named by `POSTGRES_BIN_DIR`, or Debian's newest.
fn binaries() -> PathBuf {
    if let Ok(named) = std::env::var("POSTGRES_BIN_DIR") {
        return named.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let versions = versions.map(|version| version.unwrap().path().join("bin"));
    versions.filter(|bin| Path::new(bin).join("pg_ctl").exists()).max().unwrap()
}
