//! A node in a process of its own, which can be killed.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use tokio::process::{Child, Command};

use crate::node::{ENCRYPTION_KEY, Node, STATIC_API_KEY};
use crate::port::free_port;
use crate::relay::Relay;

/// Longer than any start takes, a first build aside; beyond it the node hangs.
const STARTING: Duration = Duration::from_secs(30);

/// How to start the same node again and again.
pub struct Process {
    program: String,
    port: u16,
    child: Option<Child>,
    settings: Vec<(String, String)>,
    log: Option<PathBuf>,
    pub node: Node,
}

impl Process {
    /// A node that does not run yet, on a port that was free just now.
    pub fn new(program: &str, database: &PgConnectOptions) -> Self {
        let database = crate::postgres::url_of(database);
        Self::on(program).with(&[("DATABASE_URL", database.as_str()), ("ENCRYPTION_KEY", ENCRYPTION_KEY)])
    }

    /// The same with a Postgres of its own in this folder.
    pub fn embedded(program: &str, folder: &Path) -> Self {
        Self::on(program).with(&[("DATA_DIR", &folder.display().to_string())])
    }

    fn on(program: &str) -> Self {
        let port = free_port();
        let base = format!("http://localhost:{port}");
        let node = Node::new(&base, &base);
        let (child, settings, log) = (None, Vec::new(), None);
        Self { program: program.to_owned(), port, child, settings, log, node }
    }

    /// The same with further settings.
    pub fn with(mut self, settings: &[(&str, &str)]) -> Self {
        self.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    /// The same, reached by people and apps at this address.
    pub fn behind(mut self, issuer: &str) -> Self {
        self.node = Node::new(&self.node.base, issuer);
        self
    }

    /// The same, reaching its database through this stretch of network.
    pub fn through(self, relay: &Relay) -> Self {
        let (_, url) = self.settings.iter().rev().find(|(name, _)| name == "DATABASE_URL").unwrap();
        let mut url: url::Url = url.parse().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(relay.port)).unwrap();
        self.with(&[("DATABASE_URL", url.as_str())])
    }

    /// The same, writing its log lines to this file.
    pub fn logging_to(self, log: &Path) -> Self {
        Self { log: Some(log.to_owned()), ..self }
    }

    /// Starts it, and returns when it says that it is ready.
    pub async fn start(&mut self) {
        self.child = Some(self.command().kill_on_drop(true).spawn().unwrap());
        ready(&self.node.base).await;
    }

    /// Of the running node.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).unwrap()
    }

    /// SIGKILL: no destructor runs, nothing is flushed.
    pub async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// SIGTERM, as an orderly stop is asked for; returns when it has ended.
    pub async fn stop(&mut self) {
        self.signal("TERM").await;
        assert!(self.child.take().unwrap().wait().await.unwrap().success());
    }

    /// Sends it a signal, such as `STOP`, and does not wait for what comes of it.
    pub async fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().await.unwrap().success());
    }

    /// Another node on the same database, at an address of its own but for the same issuer.
    pub fn second(&self) -> Self {
        self.second_as(&self.program)
    }

    /// The same by another program.
    pub fn second_as(&self, program: &str) -> Self {
        let mut second = Self::on(program);
        second.settings = self.settings.clone();
        second.settings.push(("APP_URL".to_owned(), self.node.issuer().to_owned()));
        second.node = Node::new(&second.node.base, self.node.issuer());
        second
    }

    /// Stops it and starts it again with further settings.
    pub async fn restart_with(self, settings: &[(&str, &str)]) -> Self {
        let mut process = self.with(settings);
        process.stop().await;
        process.start().await;
        process
    }

    /// Runs one of the other commands of the binary, to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).stdout(Stdio::piped()).output().await.unwrap()
    }

    /// Starts one of the other commands of the binary, to be watched by what it prints, and killed.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    }

    /// Rebuilds every view from the log and compares: no event was skipped, and none applied twice.
    pub async fn views_equal_a_replay(&self) {
        let rebuilt = self.run(&["rebuild"]).await;
        let told = String::from_utf8_lossy(&rebuilt.stdout);
        assert!(rebuilt.status.success() && told.contains("All views equal a replay"), "{told}");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("STATIC_API_KEY", STATIC_API_KEY)
            .env("APP_URL", self.node.issuer())
            .env("HOST", "127.0.0.1")
            .env("PORT", self.port.to_string())
            .env("LOG_LEVEL", "error")
            .env("DISABLE_RATE_LIMITING", "true")
            .env("SHUTDOWN_DELAY", "0")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null());
        if let Some(log) = &self.log {
            command.stderr(std::fs::File::create(log).unwrap());
        }
        command
    }
}

/// Waits until the node there says that it is ready.
pub async fn ready(base: &str) {
    let (http, url) = (reqwest::Client::new(), format!("{base}/readyz"));
    let deadline = Instant::now() + STARTING;
    loop {
        if let Ok(answer) = http.get(&url).send().await
            && answer.status() == 204
        {
            return;
        }
        assert!(Instant::now() < deadline, "the node did not get ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
