//! The roles and the database inside the server, and how to connect as each.
//!
//! Three roles, so that a flaw in the application cannot rewrite the log: the superuser only for what is in this file,
//! the owner for migrations, the application's for everything else.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::EmbeddedError;

pub const SUPERUSER: &str = "postgres";
pub const OWNER: &str = "chancery_owner";
pub const APP: &str = "chancery";
pub const DATABASE: &str = "chancery";

pub fn options(socket_dir: &Path, role: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(5432)
        .username(role)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
        .application_name("chancery")
}

/// Whether a server that is set up answers here.
pub async fn answers(socket_dir: &Path) -> bool {
    match options(socket_dir, APP, DATABASE).connect().await {
        Ok(connection) => connection.close().await.is_ok(),
        Err(_) => false,
    }
}

/// Waits for the server, asserts that it is durable, and makes what is missing of roles and database.
pub async fn set_up(socket_dir: &Path) -> Result<(), EmbeddedError> {
    let mut maintenance = connect_when_ready(socket_dir).await?;
    assert_durable(&mut maintenance).await?;
    for role in [OWNER, APP] {
        let exists = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
        if !sqlx::query_scalar::<_, bool>(exists).bind(role).fetch_one(&mut maintenance).await? {
            maintenance.execute(format!("CREATE ROLE {role} LOGIN").as_str()).await?;
        }
        let rights = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";
        maintenance.execute(format!("ALTER ROLE {role} {rights}").as_str()).await?;
    }
    let exists = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    if !sqlx::query_scalar::<_, bool>(exists).bind(DATABASE).fetch_one(&mut maintenance).await? {
        maintenance.execute(format!("CREATE DATABASE {DATABASE} OWNER {OWNER}").as_str()).await?;
    }
    maintenance.close().await?;

    let mut inside = options(socket_dir, SUPERUSER, DATABASE).connect().await?;
    // Before version 15, everyone may create in `public`, and it is not the database owner's.
    for statement in [
        format!("REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC"),
        format!("GRANT CONNECT ON DATABASE {DATABASE} TO {APP}"),
        format!("ALTER SCHEMA public OWNER TO {OWNER}"),
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC".to_owned(),
    ] {
        inside.execute(statement.as_str()).await?;
    }
    inside.close().await?;
    Ok(())
}

/// Recovery after a crash may take a while, and says so; only silence ends the wait.
async fn connect_when_ready(socket_dir: &Path) -> Result<PgConnection, EmbeddedError> {
    let mut deadline = Instant::now() + SILENCE;
    let mut told = Instant::now();
    loop {
        let error = match options(socket_dir, SUPERUSER, "postgres").connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        // 57P03 cannot_connect_now: it starts, recovers or stops.
        let busy = error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("57P03"));
        if busy {
            deadline = Instant::now() + SILENCE;
        }
        if matches!(&error, sqlx::Error::Database(_)) && !busy {
            return Err(error.into());
        }
        if Instant::now() > deadline {
            return Err(EmbeddedError::NotReady(error.to_string()));
        }
        if told.elapsed() > Duration::from_secs(5) {
            tracing::info!(%error, "waiting for the embedded Postgres");
            told = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn assert_durable(connection: &mut PgConnection) -> Result<(), EmbeddedError> {
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&mut *connection).await?;
        if value != "on" {
            return Err(EmbeddedError::NotDurable(setting));
        }
    }
    Ok(())
}

const SILENCE: Duration = Duration::from_secs(60);
