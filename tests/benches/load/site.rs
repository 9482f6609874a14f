//! A running server, and the loads that are put on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chancery_adapters::postgres;
use chancery_tests::node::{Client, Person};
use chancery_tests::process::Process;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use crate::drive::{Report, Worker, drive};
use crate::http::Connection;
use crate::machine::{Work, memory_mib};
use crate::operations::{ClientCredentials, Introspect, Refresh, SignIn};
use crate::{CONNECTIONS, page, statistics};

/// Grants for each connection that refreshes.
const GRANTS: usize = 8;

/// A running server with a client of each algorithm and some people.
pub struct Site {
    process: Process,
    database: PgConnectOptions,
    statistics: PgConnection,
    pub es256: Arc<Client>,
    pub rs256: Arc<Client>,
    people: Vec<Person>,
}

impl Site {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let database = chancery_tests::postgres::fresh_database().await;
        let mut process = Process::new(env!("CARGO_BIN_EXE_chancery_node"), &database).with(settings);
        process.start().await;
        process.kill().await;
        let begin = Instant::now();
        process.start().await;
        println!("start to ready on a migrated database: {:.0} ms (at most 500)", begin.elapsed().as_secs_f64() * 1e3);
        page::weigh(&process.node.base).await;
        println!("memory idle: {:.1} MiB (at most 40)", memory_mib(process.pid(), "VmRSS"));
        let node = &process.node;
        let es256 = Arc::new(node.client(&json!({ "skipConsent": true, "idTokenSigningAlg": "ES256" })).await);
        let rs256 = Arc::new(node.client(&json!({ "skipConsent": true })).await);
        let mut people = Vec::new();
        for n in 0..16 {
            people.push(node.person(&format!("person{n}")).await);
        }
        Self { process, database, statistics: statistics().await, es256, rs256, people }
    }

    async fn drive<W: Worker>(&mut self, workers: Vec<W>) -> Report {
        drive(&mut self.statistics, Some(self.process.pid()), workers).await
    }

    async fn connection(&self) -> Connection {
        Connection::open(&self.process.node.base).await
    }

    pub async fn client_credentials(&mut self) -> Report {
        let mut workers = Vec::new();
        for _ in 0..CONNECTIONS {
            workers.push(ClientCredentials { http: self.connection().await, client: self.es256.clone() });
        }
        self.drive(workers).await
    }

    pub async fn refresh(&mut self, client: Arc<Client>) -> Report {
        let mut workers = Vec::new();
        for n in 0..CONNECTIONS {
            let mut tokens = Vec::new();
            for _ in 0..GRANTS {
                let person = &mut self.people[n % 16];
                let code = person.authorize(&client, &[("scope", "openid offline_access")]).await;
                let code = code.parameter("code").unwrap();
                let answer = client.redeem(&self.process.node, &code).await.expect(200).json();
                tokens.push(answer["refresh_token"].as_str().unwrap().to_owned());
            }
            workers.push(Refresh { http: self.connection().await, client: client.clone(), tokens, next: 0 });
        }
        self.drive(workers).await
    }

    pub async fn introspect(&mut self) -> Report {
        let grant = [("grant_type", "client_credentials")];
        let token = self.es256.token(&self.process.node, &grant).await.expect(200).json();
        let token = token["access_token"].as_str().unwrap();
        let mut workers = Vec::new();
        for _ in 0..CONNECTIONS {
            let (http, client) = (self.connection().await, self.es256.clone());
            workers.push(Introspect { http, client, token: token.to_owned() });
        }
        self.drive(workers).await
    }

    pub async fn sign_in(&mut self) -> Report {
        let mut workers = Vec::new();
        for n in 0..CONNECTIONS {
            workers.push(SignIn::new(self.connection().await, self.rs256.clone(), &self.people[n % 16]));
        }
        self.drive(workers).await
    }

    /// What is done while nobody asks for anything.
    pub async fn idle(&mut self, how: &str) {
        // With the upkeep of one minute in it.
        const WATCHED: Duration = Duration::from_secs(60);
        let pid = Some(self.process.pid());
        tokio::time::sleep(Duration::from_secs(5)).await;
        let before = Work::so_far(&mut self.statistics, pid).await;
        tokio::time::sleep(WATCHED).await;
        let work = Work::so_far(&mut self.statistics, pid).await.since(&before);
        println!(
            "idle{how}: {:.2} % of a core (at most 0.5), {:.2} statements/s (at most 2)",
            work.chancery_micros as f64 / WATCHED.as_secs_f64() / 1e4,
            work.statements as f64 / WATCHED.as_secs_f64(),
        );
    }

    /// What the loads so far took of memory, and what a sign-in leaves in the log.
    pub async fn weigh(&self) {
        println!("memory at most, under that load: {:.1} MiB (at most 120)", memory_mib(self.process.pid(), "VmHWM"));
        println!("events of a sign-in, an authorization, a token response: {:?} (at most 1 each)", self.events().await);
    }

    /// The events that one sign-in, one authorization and one token response leave.
    async fn events(&self) -> Vec<i64> {
        let mut log = postgres::connect(&self.database).await.unwrap();
        let mut heads = Vec::new();
        let mut person = Person { visitor: self.process.node.visitor(), ..self.people[0].clone() };
        heads.push(head(&mut log).await);
        person.sign_in().await.expect(200);
        heads.push(head(&mut log).await);
        let code = person.authorize(&self.rs256, &[]).await.parameter("code").unwrap();
        heads.push(head(&mut log).await);
        self.rs256.redeem(&self.process.node, &code).await.expect(200);
        heads.push(head(&mut log).await);
        heads.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

async fn head(log: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(log).await.unwrap()
}
