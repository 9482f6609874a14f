//! A fresh database for each test, on the throw-away server that the test command starts.

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// The server of the test run: `CHANCERY_TEST_DATABASE_URL`, with the right to create databases.
pub fn server() -> PgConnectOptions {
    let url = std::env::var("CHANCERY_TEST_DATABASE_URL");
    let url = url.expect("CHANCERY_TEST_DATABASE_URL is not set: run the tests with `make test`");
    url.parse().expect("CHANCERY_TEST_DATABASE_URL is a Postgres URL")
}

/// An empty database.
pub async fn fresh_database() -> PgConnectOptions {
    let name = format!("test_{}", Uuid::new_v4().simple());
    let server = server();
    let mut connection = PgConnection::connect_with(&server).await.unwrap();
    sqlx::query(&format!("CREATE DATABASE {name}")).execute(&mut connection).await.unwrap();
    server.database(&name)
}
