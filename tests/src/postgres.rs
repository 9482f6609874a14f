//! A fresh database for each test, on the throw-away server that the test command starts.

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
