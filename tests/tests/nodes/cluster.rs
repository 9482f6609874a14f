//! Nodes as processes on one database, each through a network of its own, behind Caddy.

use std::time::Duration;

use chancery_adapters::postgres;
use chancery_tests::caddy::Caddy;
use chancery_tests::ledger::Ledger;
use chancery_tests::load::Load;
use chancery_tests::node::{Client, Node};
use chancery_tests::port::free_port;
use chancery_tests::postgres_server::PostgresServer;
use chancery_tests::process::Process;
use chancery_tests::relay::{Relay, Target};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{Mutex, MutexGuard};

/// Two experiments at once would measure each other.
static ALONE: Mutex<()> = Mutex::const_new(());

pub struct Cluster {
    pub nodes: Vec<Process>,
    /// Between each node and the database.
    pub networks: Vec<Relay>,
    /// What people and apps reach.
    pub front: Node,
    /// To look at the database past all networks.
    pub pool: PgPool,
    _caddy: Caddy,
    _alone: MutexGuard<'static, ()>,
}

impl Cluster {
    /// On a fresh database of the test run.
    pub async fn start(nodes: usize) -> Self {
        Self::with(nodes, &[]).await
    }

    /// The same with further settings.
    pub async fn with(nodes: usize, settings: &[(&str, &str)]) -> Self {
        let database = chancery_tests::postgres::fresh_database().await;
        Self::build(nodes, database, None, settings).await
    }

    /// On another server.
    pub async fn on(nodes: usize, server: &PostgresServer) -> Self {
        Self::build(nodes, server.options(), Some(server.target()), &[]).await
    }

    async fn build(
        count: usize,
        database: PgConnectOptions,
        server: Option<Target>,
        settings: &[(&str, &str)],
    ) -> Self {
        let alone = ALONE.lock().await;
        let port = free_port();
        let issuer = format!("http://localhost:{port}");
        let (mut nodes, mut networks) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let network = match &server {
                Some(target) => Relay::to(target.clone()).await,
                None => Relay::to_test_server().await,
            };
            let process = Process::new(env!("CARGO_BIN_EXE_chancery_node"), &database).behind(&issuer);
            let mut process = process.through(&network).with(&[("SHUTDOWN_DELAY", "3"), ("TRUST_PROXY", "127.0.0.1")]);
            process = process.with(settings);
            process.start().await;
            nodes.push(process);
            networks.push(network);
        }
        let bases: Vec<&str> = nodes.iter().map(|node| node.node.base.as_str()).collect();
        let caddy = Caddy::at(port, &bases).await;
        let front = Node::new(&caddy.base, &issuer);
        Self { nodes, networks, front, pool: postgres::pool(database, 4), _caddy: caddy, _alone: alone }
    }

    /// Ordinary use, at about 100 requests a second.
    pub async fn load(&self) -> Load {
        Load::start(&[&self.front], Duration::from_millis(100)).await
    }

    /// All that was acknowledged is there, and the views are what the log says.
    pub async fn assert_sound(&self, ledger: &Ledger, client: &Client) {
        for process in &self.nodes {
            assert_eq!(ledger.faults(&self.pool, &process.node, client).await, Vec::<String>::new());
        }
        self.nodes[0].views_equal_a_replay().await;
    }
}

/// How often an experiment is repeated: once in the test run.
pub fn rounds() -> usize {
    std::env::var("CHANCERY_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}
