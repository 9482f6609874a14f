//! Figures about the whole instance, for metrics.

use sqlx::{FromRow, PgExecutor, PgPool};
use time::OffsetDateTime;

/// What is counted when somebody asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The position of the last event.
    pub head: i64,
    /// Sessions that are neither ended nor expired.
    pub sessions: i64,
    /// Mails that are to be sent, or tried again.
    pub mails_waiting: i64,
    pub projections: Vec<Lag>,
    pub signing_keys: Vec<ActiveKey>,
}

/// How far a catch-up projection is behind the log.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Lag {
    pub projection: String,
    /// Events it has not taken.
    pub events: i64,
    /// Seconds since the first of them was recorded.
    pub seconds: f64,
    /// It met an event that it cannot take.
    pub stopped: bool,
}

/// The key that signs for an algorithm.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct ActiveKey {
    pub algorithm: String,
    pub activated_at: OffsetDateTime,
}

/// # Errors
/// Those of the database.
pub async fn read(pool: &PgPool, now: OffsetDateTime) -> Result<Figures, sqlx::Error> {
    let (head, sessions, mails_waiting) = totals(pool, now).await?;
    let projections = lags(pool).await?;
    let signing_keys = sqlx::query_as(
        "SELECT algorithm, activated_at FROM signing_keys WHERE status = 'active' AND activated_at IS NOT NULL",
    );
    Ok(Figures { head, sessions, mails_waiting, projections, signing_keys: signing_keys.fetch_all(pool).await? })
}

async fn totals(executor: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<(i64, i64, i64), sqlx::Error> {
    let totals = sqlx::query_as(
        "SELECT (SELECT coalesce(max(position), 0) FROM events),
                (SELECT count(*) FROM sessions
                 WHERE ended IS NULL AND expires_at > $1 AND used_at + make_interval(secs => idle_seconds) > $1),
                (SELECT count(*) FROM mails WHERE sent_at IS NULL AND given_up_at IS NULL)",
    );
    totals.bind(now).fetch_one(executor).await
}

async fn lags(executor: impl PgExecutor<'_>) -> Result<Vec<Lag>, sqlx::Error> {
    sqlx::query_as(
        "SELECT projection,
                greatest((SELECT coalesce(max(position), 0) FROM events) - position, 0) AS events,
                coalesce((SELECT greatest(extract(epoch FROM clock_timestamp() - recorded_at), 0)::double precision
                          FROM events WHERE events.position = checkpoints.position + 1), 0) AS seconds,
                failure IS NOT NULL AS stopped
         FROM checkpoints",
    )
    .fetch_all(executor)
    .await
}
