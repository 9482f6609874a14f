//! Connections to Postgres.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool};

/// Views are named without their schema, so that a rebuild can put a shadow schema first.
const SEARCH_PATH: &str = "views,public";

/// Connection options with the search path that the views need.
pub fn with_search_path(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("search_path", SEARCH_PATH)])
}

/// Longer than a connection waits under load.
const IDLE: Duration = Duration::from_secs(1);

/// A pool for reading. Appends have a connection of their own.
///
/// A connection that was idle is pinged before use, so that those that a restart of the server broke fail no request,
/// however much later it comes. Under load none is: that would cost a round trip each time.
pub fn pool(options: PgConnectOptions, max_connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_secs(5))
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for > IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(with_search_path(options))
}

/// One connection outside any pool.
///
/// # Errors
/// What the driver says when the server cannot be reached.
pub async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(&with_search_path(options.clone())).await
}

/// Migrations of a newer release are left alone: they only add, so that nodes of both releases work on the same schema.
static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("../migrations") };

/// How the description of a migration begins that takes away what the release before it used (decision 19).
const CONTRACTION: &str = "contract";

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer release has taken something away since.
    #[error("this release is older than the database: migration {0} needs a newer one")]
    TooOld(i64),
    #[error(transparent)]
    Migration(#[from] MigrateError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Brings the schema up to date, as its owner. Several nodes may try at once: one does, the others wait.
///
/// # Errors
/// A server that cannot be reached, a migration that failed or was changed since it ran, or one of a newer release that
/// this one cannot live with.
pub async fn migrate(owner: &PgConnectOptions) -> Result<(), SchemaError> {
    // Not with the search path of the views: the list of applied migrations would be looked for in their schema.
    let mut connection = PgConnection::connect_with(&owner.clone().options([("search_path", "public")])).await?;
    MIGRATIONS.run_direct(&mut connection).await?;
    let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    let contraction = sqlx::query_scalar(
        "SELECT max(version) FROM _sqlx_migrations WHERE version <> ALL ($1) AND starts_with(description, $2)",
    );
    match contraction.bind(known).bind(CONTRACTION).fetch_one(&mut connection).await? {
        Some(version) => Err(SchemaError::TooOld(version)),
        None => Ok(()),
    }
}

/// Gives the application's role what it needs and no more: it may read and extend the log, never change it.
///
/// # Errors
/// Those of the database.
pub async fn grant(connection: &mut PgConnection, role: &str) -> Result<(), sqlx::Error> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    for grant in [
        "USAGE ON SCHEMA public, views",
        "SELECT, INSERT ON events",
        "SELECT, INSERT, UPDATE ON subject_keys, vault_check",
        "SELECT, INSERT, UPDATE, DELETE ON short_lived, attempts, mails, sealed_pictures",
        "SELECT, UPDATE ON outbox_checkpoints, pruned",
        "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA views",
    ] {
        connection.execute(format!("GRANT {grant} TO {role}").as_str()).await?;
    }
    Ok(())
}
