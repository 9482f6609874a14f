//! Removes rows of views that no decision can depend on any more: sessions, links and grants that ended long ago.
//!
//! How far this went is noted (`pruned`), and a rebuild removes as much from what it made, so that both come out equal:
//! whether a row goes depends on nothing that a later event changes. The log and the history stay as they are.

use sqlx::{Connection, Executor, FromRow, PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

/// How long what has ended is kept: clocks of nodes differ, and a mail about a link may wait for its server.
const AFTERWARDS: Duration = Duration::days(7);
/// How much more there must be before anything is removed.
const PACE: Duration = Duration::HOUR;
/// Rows of each view, and positions of the log, in one transaction.
const ROWS: i64 = 10_000;
/// Transactions of one run: what is left waits for the next one.
const STEPS: usize = 100;

/// What a run removed, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub sessions: u64,
    pub enrollments: u64,
    pub grants: u64,
}

/// How far rows are gone.
#[derive(Clone, Copy, Debug, FromRow)]
struct Noted {
    ended_before: OffsetDateTime,
    position: i64,
}

/// Removes what ended more than a week ago, in small transactions. Of several nodes one does; the others go on.
///
/// # Errors
/// Those of the database; what was removed until then is noted.
pub async fn run(pool: &PgPool, now: OffsetDateTime) -> Result<Pruned, sqlx::Error> {
    let cutoff = now - AFTERWARDS;
    let mut connection = pool.acquire().await?;
    let noted: Noted = sqlx::query_as("SELECT * FROM pruned").fetch_one(&mut *connection).await?;
    let mut all = Pruned::default();
    if noted.ended_before + PACE > cutoff {
        return Ok(all);
    }
    for _ in 0..STEPS {
        let Some(removed) = step(&mut connection, cutoff).await? else { break };
        all = Pruned {
            sessions: all.sessions + removed.sessions,
            enrollments: all.enrollments + removed.enrollments,
            grants: all.grants + removed.grants,
        };
    }
    if all != Pruned::default() {
        let Pruned { sessions, enrollments, grants } = all;
        tracing::debug!(sessions, enrollments, grants, "rows that ended long ago were removed");
    }
    Ok(all)
}

/// One transaction; None once there is nothing more to do, or another node is at it.
async fn step(connection: &mut PgConnection, cutoff: OffsetDateTime) -> Result<Option<Pruned>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let lock = "SELECT * FROM pruned FOR UPDATE SKIP LOCKED";
    let Some(before) = sqlx::query_as::<_, Noted>(lock).fetch_optional(&mut *transaction).await? else {
        return Ok(None);
    };
    let position = ended_grants(&mut transaction, before.position, cutoff).await?;
    let noted = Noted { ended_before: before.ended_before.max(cutoff), position };
    sqlx::query("UPDATE pruned SET ended_before = $1, position = $2")
        .bind(noted.ended_before)
        .bind(noted.position)
        .execute(&mut *transaction)
        .await?;
    let removed = remove(&mut transaction, "views", ROWS).await?;
    transaction.commit().await?;
    let done = removed == Pruned::default() && position == before.position;
    Ok((!done).then_some(removed))
}

/// Removes from what a rebuild made as much as is gone from the live views. Nothing is removed elsewhere until the transaction
/// ends.
///
/// # Errors
/// Those of the database.
pub(crate) async fn level(transaction: &mut PgConnection, shadow: &str) -> Result<(), sqlx::Error> {
    transaction.execute("SELECT FROM public.pruned FOR UPDATE").await?;
    remove(transaction, shadow, i64::MAX).await.map(drop)
}

/// Which rows of a view are gone, or go next: what a rebuild makes of them is no difference.
pub(crate) fn ended(table: &str) -> Option<&'static str> {
    match table {
        "sessions" | "enrollments" => Some("expires_at < (SELECT ended_before FROM public.pruned)"),
        "grants" | "grant_cutoffs" => Some("position <= (SELECT position FROM public.pruned)"),
        _ => None,
    }
}

/// Up to which position no grant can be of use any more: the longest that any app's tokens were ever allowed to live is
/// over. A refresh token lives to the end of its grant, and the last access token that it gives as long as such tokens do.
async fn ended_grants(connection: &mut PgConnection, after: i64, cutoff: OffsetDateTime) -> Result<i64, sqlx::Error> {
    let longest: i64 = sqlx::query_scalar(
        "SELECT coalesce(max(greatest(refresh, access) + access), 0)
         FROM events,
              LATERAL (SELECT coalesce(payload->'client.registered'->'settings', payload->'client.changed'->'after'))
                  AS s(settings),
              LATERAL (SELECT (settings->>'refresh_token_seconds')::bigint, (settings->>'access_token_seconds')::bigint)
                  AS l(refresh, access)
         WHERE aggregate_type = 'client' AND event_type IN ('client.registered', 'client.changed')",
    )
    .fetch_one(&mut *connection)
    .await?;
    // Positions and times grow together.
    sqlx::query_scalar(
        "SELECT coalesce(max(position), $1)
         FROM (SELECT position, recorded_at FROM events WHERE position > $1 ORDER BY position LIMIT $2) AS next
         WHERE recorded_at < $3",
    )
    .bind(after)
    .bind(ROWS)
    .bind(cutoff - Duration::seconds(longest))
    .fetch_one(connection)
    .await
}

/// Rows that an append is changing are passed over, so that neither waits for the other; they go next time.
async fn remove(connection: &mut PgConnection, schema: &str, rows: i64) -> Result<Pruned, sqlx::Error> {
    let sessions = remove_from(connection, schema, "sessions", "session_id", rows).await?;
    let enrollments = remove_from(connection, schema, "enrollments", "enrollment_id", rows).await?;
    let grants = remove_from(connection, schema, "grants", "grant_id", rows).await?;
    // What ended those grants ends no other.
    remove_from(connection, schema, "grant_cutoffs", "aggregate_type, aggregate_id", rows).await?;
    Ok(Pruned { sessions, enrollments, grants })
}

async fn remove_from(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
    key: &str,
    rows: i64,
) -> Result<u64, sqlx::Error> {
    let Some(ended) = ended(table) else { return Ok(0) };
    let sql = format!(
        "DELETE FROM {schema}.{table} WHERE ({key}) IN
         (SELECT {key} FROM {schema}.{table} WHERE {ended} LIMIT $1 FOR UPDATE SKIP LOCKED)"
    );
    Ok(sqlx::query(&sql).bind(rows).execute(connection).await?.rows_affected())
}
