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
        Self::made_with(&[], settings).await
    }

    /// One that writes its log in files of a megabyte.
    pub async fn with_small_files() -> Self {
        Self::made_with(&["--wal-segsize=1"], &[]).await
    }

    async fn made_with(options: &[&str], settings: &[&str]) -> Self {
        let server = Self::new();
        let data = server.data();
        let usual = ["-D", &data, "-A", "trust", "-E", "UTF8", "-U", "postgres"];
        server.run("initdb", &[&usual[..], options].concat()).await;
        server.resume(settings).await;
        server
    }

    /// From now on no file of those who are served grows beyond so many bytes, as if the disk were full; or it does again.
    pub async fn limit_files(&self, bytes: Option<u64>) {
        let postmaster = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let postmaster = postmaster.lines().next().unwrap();
        let limit = format!("--fsize={}:unlimited", bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string()));
        let list = ["-o", "pid=,args=", "--ppid", postmaster];
        let listed = std::process::Command::new("ps").args(list).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        // "postgres: user database [local] idle"; those who write for all, its own log among it, serve nobody.
        let serving = listed.lines().filter(|line| line.contains("[local]"));
        let serving = serving.filter_map(|line| line.split_whitespace().next());
        // Whoever is to serve next takes after the postmaster.
        for pid in std::iter::once(postmaster).chain(serving) {
            self.execute(Path::new("prlimit"), &["--pid", pid, &limit]).await;
        }
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

    async fn run(&self, program: &str, arguments: &[&str]) {
        self.execute(&binaries().join(program), arguments).await;
    }

    /// Postgres refuses to run as root.
    async fn execute(&self, program: &Path, arguments: &[&str]) {
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
                command
            }
            false => Command::new(program),
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
