//! A fresh database for each test, on the throw-away server that the test command starts.

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use url::Url;
use uuid::Uuid;

/// The server of the test run: `CHANCERY_TEST_DATABASE_URL`, with the right to create databases.
pub fn server() -> PgConnectOptions {
    server_url().as_str().parse().unwrap()
}

/// See [`server`].
pub fn server_url() -> Url {
    let url = std::env::var("CHANCERY_TEST_DATABASE_URL");
    let url = url.expect("CHANCERY_TEST_DATABASE_URL is not set: run the tests with `make test`");
    url.parse().expect("CHANCERY_TEST_DATABASE_URL is a Postgres URL")
}

/// The URL of a database that [`fresh_database`] made.
pub fn url_of(database: &PgConnectOptions) -> Url {
    let mut url = server_url();
    url.set_path(database.get_database().unwrap());
    url
}

/// An empty database.
pub async fn fresh_database() -> PgConnectOptions {
    let name = format!("test_{}", Uuid::new_v4().simple());
    let server = server();
    let mut connection = PgConnection::connect_with(&server).await.unwrap();
    sqlx::query(&format!("CREATE DATABASE {name}")).execute(&mut connection).await.unwrap();
    server.database(&name)
}

/// Runs one of the programs that come with Postgres on a database, and returns what it printed.
pub async fn run(program: &str, database: &PgConnectOptions, arguments: &[&str]) -> String {
    let folder = std::env::var_os("POSTGRES_BIN_DIR").map(PathBuf::from).or_else(newest_postgres);
    let path = folder.map_or_else(|| PathBuf::from(program), |folder| folder.join(program));
    let mut command = tokio::process::Command::new(path);
    let output = command.arg("--dbname").arg(url_of(database).as_str()).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Where Debian keeps them, outside the search path.
fn newest_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let versions = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    Some(PathBuf::from(format!("/usr/lib/postgresql/{}/bin", versions.max()?)))
}

/// Copies a database as it is now, as a backup would, and lets whoever uses it reconnect.
pub async fn back_up(database: &PgConnectOptions) -> String {
    let copy = format!("backup_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect_with(&server()).await.unwrap();
    let name = shut(&mut connection, database).await;
    sqlx::query(&format!("CREATE DATABASE {copy} TEMPLATE {name}")).execute(&mut connection).await.unwrap();
    open(&mut connection, &name).await;
    copy
}

/// Puts the backup in the place of the database.
pub async fn restore(database: &PgConnectOptions, backup: &str) {
    let mut connection = PgConnection::connect_with(&server()).await.unwrap();
    let name = shut(&mut connection, database).await;
    sqlx::query(&format!("DROP DATABASE {name}")).execute(&mut connection).await.unwrap();
    sqlx::query(&format!("CREATE DATABASE {name} TEMPLATE {backup}")).execute(&mut connection).await.unwrap();
}

/// Ends all connections and lets nobody in.
async fn shut(connection: &mut PgConnection, database: &PgConnectOptions) -> String {
    let name = database.get_database().unwrap();
    sqlx::query(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).execute(&mut *connection).await.unwrap();
    let users = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1";
    while sqlx::query_scalar::<_, i64>(users).bind(name).fetch_one(&mut *connection).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    name.to_owned()
}

async fn open(connection: &mut PgConnection, name: &str) {
    sqlx::query(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).execute(connection).await.unwrap();
}
