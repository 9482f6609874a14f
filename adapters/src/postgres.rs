//! Connections to Postgres.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
/// How long a server that can be reached takes to answer at most.
pub const ANSWER: Duration = Duration::from_secs(2);
/// How long anybody waits for a connection: beyond it there are more requests than the server can serve, and it is better to
/// say so.
const LENDING: Duration = Duration::from_secs(3);
/// How long a transaction may wait for its node. A node that was stopped or cut off holds the log's lock, or a checkpoint's;
/// the server then takes it back, sooner than anybody who waits for it gives up (decision 14).
pub const ABANDONED: &str = "3s";

/// A pool for reading. Appends have a connection of their own.
pub fn pool(options: PgConnectOptions, max_connections: u32) -> PgPool {
    Trust::default().pool(options, max_connections)
}

/// Whether connections are still believed to lead somewhere: only those made since the server last failed to answer.
///
/// A network that is cut says nothing, and the driver waits on it for as long as TCP does: a quarter of an hour. So what
/// does not answer in time condemns everything that is older. Nothing is ever asked twice for that.
#[derive(Clone, Debug, Default)]
pub struct Trust(Arc<Mutex<Option<Instant>>>);

impl Trust {
    /// [`pool`], whose connections are given up when trust in them is withdrawn.
    ///
    /// A connection that was idle is pinged before use, so that those that a restart of the server broke fail no request,
    /// however much later it comes. Under load none is: that would cost a round trip each time.
    pub fn pool(&self, options: PgConnectOptions, max_connections: u32) -> PgPool {
        let (taken, returned) = (self.clone(), self.clone());
        PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(LENDING)
            .test_before_acquire(false)
            .before_acquire(move |connection, known| {
                let trust = taken.clone();
                Box::pin(async move {
                    if trust.covers(known.age) && known.idle_for > IDLE && !answers(connection).await {
                        trust.withdraw();
                    }
                    Ok(trust.covers(known.age))
                })
            })
            // The pool looks after what comes back before it lends it again, and would wait for an answer.
            .after_release(move |_, known| {
                let covered = returned.covers(known.age);
                Box::pin(async move { Ok(covered) })
            })
            .connect_lazy_with(with_search_path(options).options([("idle_in_transaction_session_timeout", ABANDONED)]))
    }

    /// No connection that is there now is used again.
    pub fn withdraw(&self) {
        *self.withdrawn() = Some(Instant::now());
    }

    fn covers(&self, age: Duration) -> bool {
        self.withdrawn().is_none_or(|withdrawn| age < withdrawn.elapsed())
    }

    fn withdrawn(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server was not there, or went: what passes when it is back.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        // 57P01 admin_shutdown and its like, 25P03 for a transaction that waited too long for us.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || code == "25P03")
        }
        _ => false,
    }
}

/// A query that ends transactions of ours that wait for the rows of a COPY for longer than [`ABANDONED`], and counts them.
/// Their node fell silent; but they are not idle, no time limit of the server reaches them, and they would hold what they hold
/// for as long as TCP hopes.
pub fn ending_stuck_copies() -> String {
    format!(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND usename = current_user AND state = 'active'
           AND wait_event = 'ClientRead' AND state_change < clock_timestamp() - interval '{ABANDONED}'
           AND query LIKE 'COPY % FROM STDIN (FORMAT binary)'"
    )
}

/// Says how many were ended.
pub fn tell_of_stuck_copies(ended: i64) {
    if ended > 0 {
        tracing::warn!(ended, "a node fell silent while it was writing; its transaction was ended");
    }
}

async fn answers(connection: &mut PgConnection) -> bool {
    matches!(tokio::time::timeout(ANSWER, connection.ping()).await, Ok(Ok(())))
}

/// One connection outside any pool.
///
/// # Errors
/// What the driver says when the server cannot be reached.
pub async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(&with_search_path(options.clone())).await
}

/// SQLSTATE `protocol_violation`: how a pooler refuses connection options.
const PROTOCOL_VIOLATION: &str = "08P01";

/// Whether the search path reaches Postgres. A pooler such as PgBouncer refuses it or keeps it to itself.
///
/// # Errors
/// What the driver says when the server cannot be reached.
pub async fn takes_search_path(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut connection = match connect(options).await {
        Ok(connection) => connection,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(PROTOCOL_VIOLATION) => return Ok(false),
        Err(error) => return Err(error),
    };
    let path: String = sqlx::query_scalar("SHOW search_path").fetch_one(&mut connection).await?;
    Ok(path == SEARCH_PATH)
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
