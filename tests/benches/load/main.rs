//! `make bench`: what Chancery carries, as ratios to what a plain Postgres client measures in the same run.
//!
//! Postgres, the server and the load generator share the machine's cores, as they would on a small one.

mod drive;
mod http;
mod machine;
mod operations;
mod page;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chancery_adapters::event_store::EventStore;
use chancery_adapters::postgres;
use chancery_adapters::vault::Vault;
use chancery_domain::ids::ClientId;
use chancery_domain::secret::Secret;
use chancery_tests::node::{Client, ENCRYPTION_KEY};
use chancery_tests::process::Process;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::process::Command;
use tokio::runtime::Builder;

use drive::{Report, drive};
use http::Connection;
use machine::{Work, memory_mib};
use operations::{Append, ClientCredentials, Introspect, Refresh, SignIn, text};

const CONNECTIONS: usize = 64;
/// Grants for each connection that refreshes.
const GRANTS: usize = 8;

fn main() {
    // The in-process writer gets the runtime that the server has; the load generator one thread.
    let server_like = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let generator = Builder::new_current_thread().enable_all().build().unwrap();
    let database = generator.block_on(prepare());
    let inserts = generator.block_on(single_inserts(&database));

    let mut table = Table { inserts, lines: Vec::new() };
    table.add("three-event commands with views, 64 writers", 0.7, server_like.block_on(appends()));
    generator.block_on(requests(&database, &mut table));
    let again = generator.block_on(single_inserts(&database));
    table.inserts = (inserts + again) / 2.0;
    table.print(inserts, again);
    generator.block_on(start_from_the_readme());
}

async fn prepare() -> PgConnectOptions {
    let database = chancery_tests::postgres::fresh_database().await;
    let mut connection = postgres::connect(&chancery_tests::postgres::server()).await.unwrap();
    sqlx::raw_sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").execute(&mut connection).await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    database
}

async fn statistics() -> PgConnection {
    postgres::connect(&chancery_tests::postgres::server()).await.unwrap()
}

/// I: single-row inserts with commit per second, by pgbench, which comes with the server.
async fn single_inserts(database: &PgConnectOptions) -> f64 {
    let script = std::env::temp_dir().join(format!("{}.sql", database.get_database().unwrap()));
    let payload = "x".repeat(250);
    std::fs::write(&script, format!("INSERT INTO plain (payload) VALUES ('{payload}');\n")).unwrap();
    let clients = CONNECTIONS.to_string();
    let program = Path::new(&std::env::var("POSTGRES_BIN_DIR").unwrap()).join("pgbench");
    let mut command = Command::new(program);
    command.args(["-n", "-M", "prepared", "-T", "6", "-c", &clients, "-j", "2", "-f"]).arg(&script);
    let output = command.arg(chancery_tests::postgres::server_url().as_str()).output().await.unwrap();
    std::fs::remove_file(script).unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let tps = told.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    tps.unwrap_or_else(|| panic!("{told}{}", String::from_utf8_lossy(&output.stderr)))
}

async fn appends() -> Report {
    let options = chancery_tests::postgres::fresh_database().await;
    postgres::migrate(&options).await.unwrap();
    let pool = postgres::pool(options.clone(), 16);
    let vault = Vault::new(pool.clone(), &Secret::new(ENCRYPTION_KEY.as_bytes().to_vec())).unwrap();
    let store = EventStore::start(pool, options, vault, chancery_projections::transactional());
    let client = "the-client".parse::<ClientId>().unwrap();
    let writer = |_| Append { store: store.clone(), client: client.clone() };
    drive(&mut statistics().await, None, (0..CONNECTIONS).map(writer).collect()).await
}

async fn requests(database: &PgConnectOptions, table: &mut Table) {
    let mut process = Process::new(env!("CARGO_BIN_EXE_chancery_node"), database);
    process.start().await;
    process.kill().await;
    let begin = Instant::now();
    process.start().await;
    println!("start to ready on a migrated database: {:.0} ms (at most 500)", begin.elapsed().as_secs_f64() * 1e3);
    let (node, pid) = (process.node.clone(), process.pid());
    page::weigh(&node.base).await;
    println!("memory idle: {:.1} MiB (at most 40)", memory_mib(pid, "VmRSS"));

    let mut statistics = statistics().await;
    let client = Arc::new(node.client(&json!({ "skipConsent": true })).await);
    let mut people = Vec::new();
    for n in 0..16 {
        people.push(node.person(&format!("person{n}")).await);
    }

    let mut workers = Vec::new();
    for _ in 0..CONNECTIONS {
        workers.push(ClientCredentials { http: Connection::open(&node.base).await, client: client.clone() });
    }
    table.add("client_credentials, ES256", 0.4, drive(&mut statistics, Some(pid), workers).await);

    let mut workers = Vec::new();
    for n in 0..CONNECTIONS {
        let mut tokens = Vec::new();
        for _ in 0..GRANTS {
            let code = people[n % 16].authorize(&client, &[("scope", "openid offline_access")]).await;
            let code = code.parameter("code").unwrap();
            let answer = client.redeem(&node, &code).await.expect(200).json();
            tokens.push(text(&answer, "refresh_token").to_owned());
        }
        workers.push(Refresh { http: Connection::open(&node.base).await, client: client.clone(), tokens, next: 0 });
    }
    let report = drive(&mut statistics, Some(pid), workers).await;
    let length = report.count as f64 / (CONNECTIONS * GRANTS) as f64;
    println!("refreshes of each grant while it was measured: {length:.0}");
    table.add("refresh, with an RS256 ID token", 0.3, report);

    let token = client.token(&node, &[("grant_type", "client_credentials")]).await.expect(200).json();
    let mut workers = Vec::new();
    for _ in 0..CONNECTIONS {
        let (http, token) = (Connection::open(&node.base).await, text(&token, "access_token").to_owned());
        workers.push(Introspect { http, client: client.clone(), token });
    }
    table.add("introspection", 0.8, drive(&mut statistics, Some(pid), workers).await);

    let mut workers = Vec::new();
    for n in 0..CONNECTIONS {
        workers.push(SignIn::new(Connection::open(&node.base).await, client.clone(), &people[n % 16]));
    }
    table.add("whole sign-in, RS256", 0.05, drive(&mut statistics, Some(pid), workers).await);
    println!("memory at most, under that load: {:.1} MiB (at most 120)", memory_mib(pid, "VmHWM"));
    events_of(&node, &client, &mut people[0], database).await;
}

/// The events that one sign-in, one authorization and one token response leave.
async fn events_of(
    node: &chancery_tests::node::Node,
    client: &Client,
    person: &mut chancery_tests::node::Person,
    database: &PgConnectOptions,
) {
    let mut connection = postgres::connect(database).await.unwrap();
    let mut counts = Vec::new();
    let mut count = async || {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut connection).await.unwrap();
        counts.push(count);
    };
    count().await;
    let mut person = chancery_tests::node::Person { visitor: node.visitor(), ..person.clone() };
    person.sign_in().await.expect(200);
    count().await;
    let code = person.authorize(client, &[]).await.parameter("code").unwrap();
    count().await;
    client.redeem(node, &code).await.expect(200);
    count().await;
    let each: Vec<_> = counts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!("events of a sign-in, an authorization, a token response: {each:?} (at most 1 each)");
}

/// `make run` on a data folder that has a cluster already, until it is usable.
async fn start_from_the_readme() {
    let folder = std::env::temp_dir().join(format!("chancery-bench-{}", std::process::id()));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut took = Duration::ZERO;
    for _ in 0..2 {
        let begin = Instant::now();
        let mut make = Command::new("make");
        make.arg("run").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        make.env("PORT", port.to_string()).env("APP_URL", format!("http://localhost:{port}")).env("DATA_DIR", &folder);
        let mut child = make.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        chancery_tests::process::ready(&format!("http://localhost:{port}")).await;
        took = begin.elapsed();
        let group = format!("-{}", child.id().unwrap());
        Command::new("kill").args(["-TERM", "--", &group]).status().await.unwrap();
        child.wait().await.unwrap();
    }
    std::fs::remove_dir_all(folder).unwrap();
    println!("make run, warm, to usable: {:.1} s (at most 5)", took.as_secs_f64());
}

struct Table {
    inserts: f64,
    lines: Vec<(&'static str, f64, Report)>,
}

impl Table {
    fn add(&mut self, name: &'static str, target: f64, report: Report) {
        println!("{name}: {:.0}/s, {:.2} of I", report.per_second, report.per_second / self.inserts);
        self.lines.push((name, target, report));
    }

    fn print(&self, first: f64, last: f64) {
        println!(
            "\nI = {:.0} single-row inserts a second at 64 connections ({first:.0} and {last:.0})\n",
            self.inserts
        );
        println!(
            "| operation | a second | of I | target | p50 ms | p99 ms | statements | transactions | flushes | CPU µs: \
             Chancery | Postgres | generator |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
        );
        for (name, target, report) in &self.lines {
            let each = |count: u64| count as f64 / report.count as f64;
            let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
            let Work { chancery_micros, postgres_micros, generator_micros, statements, transactions, flushes } =
                report.work;
            println!(
                "| {name} | {:.0} | {:.2} | {target} | {:.1} | {:.1} | {:.2} | {:.2} | {:.3} | {:.0} | {:.0} | {:.0} |",
                report.per_second,
                report.per_second / self.inserts,
                millis(report.p50),
                millis(report.p99),
                each(statements),
                each(transactions),
                each(flushes),
                each(chancery_micros),
                each(postgres_micros),
                each(generator_micros),
            );
        }
        println!();
    }
}
