//! `make bench`: what Chancery carries, as ratios to what a plain Postgres client measures in the same run.
//!
//! Postgres, the server and the load generator share the machine's cores, as they would on a small one.

mod drive;
mod http;
mod machine;
mod operations;
mod page;
mod proxied;
mod site;
mod table;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use chancery_adapters::event_store::EventStore;
use chancery_adapters::postgres;
use chancery_adapters::vault::Vault;
use chancery_domain::ids::ClientId;
use chancery_domain::secret::Secret;
use chancery_tests::node::ENCRYPTION_KEY;
use sqlx::PgConnection;
use tokio::process::Command;
use tokio::runtime::Builder;

use drive::{Report, drive};
use operations::{Append, Insert, PAYLOAD};
use site::Site;
use table::Table;

const CONNECTIONS: usize = 64;

fn main() {
    // What writes by itself gets the runtime that the server has; the load generator one thread.
    let server_like = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let generator = Builder::new_current_thread().enable_all().build().unwrap();
    generator.block_on(prepare());
    println!("pgbench, the same inserts: {:.0}/s", generator.block_on(pgbench()));
    let first = server_like.block_on(inserts());
    let mut table = Table { inserts: first.per_second, reports: Vec::new() };
    if wanted("append") {
        table.add("three-event commands with views, 64 writers", 0.7, server_like.block_on(appends()));
    }
    generator.block_on(requests(&mut table));
    let last = server_like.block_on(inserts());
    table.inserts = (first.per_second + last.per_second) / 2.0;
    table.add("single-row inserts (I), before", 1.0, first);
    table.add("single-row inserts (I), after", 1.0, last);
    table.print();
    if wanted("proxied") {
        generator.block_on(proxied::beside_direct());
        generator.block_on(proxied::caddy_alone());
    }
    if wanted("start") {
        generator.block_on(start_from_the_readme());
    }
}

/// Whether this part was asked for: all are, unless some are named on the command line.
fn wanted(name: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|part| part == name)
}

async fn prepare() {
    let mut connection = statistics().await;
    sqlx::raw_sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").execute(&mut connection).await.unwrap();
    let plain = "DROP TABLE IF EXISTS plain;
                 CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text)";
    sqlx::raw_sql(plain).execute(&mut connection).await.unwrap();
}

async fn statistics() -> PgConnection {
    postgres::connect(&chancery_tests::postgres::server()).await.unwrap()
}

async fn inserts() -> Report {
    let mut workers = Vec::new();
    for _ in 0..CONNECTIONS {
        workers.push(Insert { connection: statistics().await });
    }
    drive(&mut statistics().await, None, workers).await
}

/// The same with the client that comes with the server, to see how much the plain client itself takes.
async fn pgbench() -> f64 {
    let script = std::env::temp_dir().join(format!("chancery-bench-{}.sql", std::process::id()));
    std::fs::write(&script, format!("INSERT INTO plain (payload) VALUES ('{PAYLOAD}');\n")).unwrap();
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

async fn requests(table: &mut Table) {
    let mut site = Site::start(&[]).await;
    if wanted("client_credentials") {
        table.add("client_credentials, ES256", 0.4, site.client_credentials().await);
    }
    if wanted("refresh") {
        table.add("refresh, ES256 ID token", 0.3, site.refresh(site.es256.clone()).await);
        table.add("refresh, RS256 ID token", 0.3, site.refresh(site.rs256.clone()).await);
    }
    if wanted("introspection") {
        table.add("introspection", 0.8, site.introspect().await);
    }
    if wanted("sign_in") {
        table.add("whole sign-in, RS256", 0.05, site.sign_in().await);
    }
    if wanted("idle") {
        site.idle("").await;
    }
    site.weigh().await;
    drop(site);
    if wanted("sign_in") || wanted("telemetry") {
        table.add("whole sign-in, RS256, all exported", 0.045, exported_sign_in().await);
    }
}

/// With traces, metrics and logs on their way to a collector that throws them away.
async fn exported_sign_in() -> Report {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = axum::Router::new().fallback(|_: axum::body::Bytes| async {});
    let collector = collector.layer(axum::extract::DefaultBodyLimit::disable());
    tokio::spawn(async move { axum::serve(listener, collector).await.unwrap() });
    let exporters = ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"];
    let mut settings: Vec<_> = exporters.map(|exporter| (exporter, "otlp")).into();
    settings.push(("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint));
    let mut site = Site::start(&settings).await;
    let report = site.sign_in().await;
    if wanted("idle") {
        site.idle(", all exported").await;
    }
    report
}

/// `make run` on a data folder that has a cluster already, until it is usable.
async fn start_from_the_readme() {
    let folder = std::env::temp_dir().join(format!("chancery-bench-{}", std::process::id()));
    let port = chancery_tests::port::free_port();
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
