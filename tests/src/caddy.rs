//! Caddy in front of one or several nodes, as `deploy/Caddyfile` and `compose.yaml` set it up.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::port::free_port;

pub struct Caddy {
    _process: Child,
    pub base: String,
    work: PathBuf,
}

impl Caddy {
    /// `nodes`: their addresses, `http://host:port`.
    pub async fn in_front_of(nodes: &[&str]) -> Self {
        Self::at(free_port(), nodes).await
    }

    pub async fn at(port: u16, nodes: &[&str]) -> Self {
        let base = format!("http://127.0.0.1:{port}");
        let work = std::env::temp_dir().join(format!("chancery-caddy-{port}"));
        std::fs::create_dir_all(&work).unwrap();
        let nodes: Vec<&str> = nodes.iter().map(|node| node.trim_start_matches("http://")).collect();
        let mut command = Command::new("caddy");
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/Caddyfile"))
            .env("DOMAIN", format!("http://localhost:{port}, {base}"))
            .env("CHANCERY", nodes.join(" "))
            .env("GOMAXPROCS", "1")
            .env("CADDY_ADMIN", format!("unix/{}/admin", work.display()))
            .env("XDG_DATA_HOME", &work)
            .env("XDG_CONFIG_HOME", &work)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(work.join("log")).unwrap())
            .kill_on_drop(true);
        let process = command.spawn().unwrap_or_else(|error| panic!("caddy: {error}; run `make test`"));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let log = || std::fs::read_to_string(work.join("log")).unwrap_or_default();
            assert!(std::time::Instant::now() < deadline, "caddy did not start: {}", log());
            tokio::task::yield_now().await;
        }
        Self { _process: process, base, work }
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.work).ok();
    }
}
