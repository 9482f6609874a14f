//! Mails that wait, are being sent, were sent or were given up.

use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

/// A mail that this node is to send now.
#[derive(Clone, Debug, FromRow)]
pub struct Waiting {
    pub position: i64,
    pub recipient: String,
    pub event_id: Uuid,
    pub letter: Json<Value>,
    /// This one included.
    pub attempts: i32,
    pub user_id: Uuid,
    pub name: String,
    pub locale: Option<String>,
    /// Of the request that caused the event.
    pub traceparent: Option<String>,
}

/// A mail as administrators see it.
#[derive(Clone, Debug, FromRow)]
pub struct MailRow {
    pub kind: String,
    pub user_id: Uuid,
    /// None once the person is gone.
    pub name: Option<String>,
    pub recipient: String,
    pub queued_at: OffsetDateTime,
    pub attempts: i32,
    pub next_attempt_at: Option<OffsetDateTime>,
    pub sent_at: Option<OffsetDateTime>,
    pub given_up_at: Option<OffsetDateTime>,
    pub failure: Option<String>,
}

/// Takes the next mail that is due, unless `hourly` were sent within an hour; nodes that look at the same moment may send
/// one more each. Nobody else gets it before its next attempt is
/// due, a minute from now at first and then twice as long each time, up to an hour: a node that dies meanwhile does not
/// lose it.
///
/// # Errors
/// Those of the database, here and below.
pub async fn take(pool: &PgPool, now: OffsetDateTime, hourly: i64) -> Result<Option<Waiting>, sqlx::Error> {
    sqlx::query_as(
        "UPDATE mails SET attempts = attempts + 1,
                          next_attempt_at = $1 + least(power(2, attempts), 60) * interval '1 minute'
         FROM users
         WHERE users.user_id = mails.user_id AND (position, recipient) = (
             SELECT position, recipient FROM mails JOIN users USING (user_id)
             WHERE sent_at IS NULL AND given_up_at IS NULL AND (next_attempt_at IS NULL OR next_attempt_at <= $1)
             AND NOT EXISTS (SELECT FROM mails WHERE sent_at > $1 - interval '1 hour' OFFSET $2 - 1)
             ORDER BY next_attempt_at NULLS FIRST, position LIMIT 1 FOR UPDATE OF mails SKIP LOCKED)
         RETURNING position, recipient, event_id, letter, attempts, mails.user_id, display_name AS name, locale,
                   (SELECT metadata->>'traceparent' FROM events WHERE events.position = mails.position) AS traceparent",
    )
    .bind(now)
    .bind(hourly)
    .fetch_optional(pool)
    .await
}

/// The server took it. What it said is no longer needed.
pub async fn sent(pool: &PgPool, mail: &Waiting, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    close(pool, mail, "sent_at", now, None).await
}

/// It will not be tried again; without a reason, because nobody needs it any more.
pub async fn give_up(pool: &PgPool, mail: &Waiting, now: OffsetDateTime, why: Option<&str>) -> Result<(), sqlx::Error> {
    close(pool, mail, "given_up_at", now, why).await
}

async fn close(
    pool: &PgPool,
    mail: &Waiting,
    column: &str,
    now: OffsetDateTime,
    failure: Option<&str>,
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "UPDATE mails SET {column} = $3, failure = $4, letter = jsonb_build_object('kind', letter->'kind')
         WHERE position = $1 AND recipient = $2"
    );
    sqlx::query(&sql).bind(mail.position).bind(&mail.recipient).bind(now).bind(failure).execute(pool).await?;
    Ok(())
}

/// It did not work; it will be tried again.
pub async fn failed(pool: &PgPool, mail: &Waiting, why: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE mails SET failure = $3 WHERE position = $1 AND recipient = $2")
        .bind(mail.position)
        .bind(&mail.recipient)
        .bind(why)
        .execute(pool)
        .await?;
    Ok(())
}

/// The newest mails first.
pub async fn latest(pool: &PgPool, limit: i64) -> Result<Vec<MailRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT letter->>'kind' AS kind, mails.user_id, users.display_name AS name, recipient, queued_at, attempts,
                next_attempt_at, sent_at, given_up_at, failure
         FROM mails LEFT JOIN users USING (user_id) ORDER BY position DESC, recipient LIMIT $1",
    )
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// How many were given up since a moment, though somebody still needed them.
pub async fn given_up_since(pool: &PgPool, since: OffsetDateTime) -> Result<i64, sqlx::Error> {
    let sql = "SELECT count(*) FROM mails WHERE given_up_at > $1 AND failure IS NOT NULL";
    sqlx::query_scalar(sql).bind(since).fetch_one(pool).await
}

/// How many were sent since a moment.
pub async fn sent_since(pool: &PgPool, since: OffsetDateTime) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM mails WHERE sent_at > $1").bind(since).fetch_one(pool).await
}

/// Whether anybody has tried to send the mails of an event.
pub async fn was_tried(pool: &PgPool, position: i64) -> Result<bool, sqlx::Error> {
    let tried = "SELECT EXISTS (SELECT FROM mails WHERE position = $1
                                AND (sent_at IS NOT NULL OR given_up_at IS NOT NULL OR failure IS NOT NULL))";
    sqlx::query_scalar(tried).bind(position).fetch_one(pool).await
}

/// Forgets mails of people who have been erased, and those of more than 30 days ago.
pub async fn sweep(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM mails WHERE queued_at < now() - interval '30 days'
         OR NOT EXISTS (SELECT FROM users WHERE users.user_id = mails.user_id)",
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Where mail is off: what happens now is not mailed later, when somebody turns it on.
pub async fn pass_over(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE outbox_checkpoints SET position = head.position
         FROM (SELECT coalesce(max(position), 0) AS position FROM events) AS head
         WHERE outbox = 'mails' AND outbox_checkpoints.position < head.position",
    )
    .execute(pool)
    .await?;
    Ok(())
}
