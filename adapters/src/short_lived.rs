//! Requests and ceremonies in flight: kept for minutes, used once, never an event.

use std::collections::HashMap;

use chancery_domain::digest::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::batched::{Batched, Statement};

/// The table of what is in flight. Identifiers are kept as digests.
#[derive(Clone)]
pub struct ShortLived {
    pool: PgPool,
    puts: Batched<Put>,
    takes: Batched<Take>,
}

impl ShortLived {
    pub fn new(pool: PgPool) -> Self {
        let (puts, takes) = (Batched::new(Put(pool.clone())), Batched::new(Take(pool.clone())));
        Self { pool, puts, takes }
    }

    /// Keeps `content` under an `id` that nobody has used yet.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put(
        &self,
        kind: &'static str,
        id: &str,
        content: &impl Serialize,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<(), sqlx::Error> {
        let content = serde_json::to_value(content).unwrap_or_default();
        self.puts.ask(Kept { key: key(kind, id), content, expires_at: now + lifetime }).await
    }

    /// Changes what is kept under `id`, for as long as it was to be kept. What is gone stays gone.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn change(&self, kind: &'static str, id: &str, content: &impl Serialize) -> Result<(), sqlx::Error> {
        let (kind, id) = key(kind, id);
        sqlx::query("UPDATE short_lived SET content = $3 WHERE kind = $1 AND id = $2")
            .bind(kind)
            .bind(id)
            .bind(serde_json::to_value(content).unwrap_or_default())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes what is kept under `id`, which then is gone for everyone, on every node.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn take<T: DeserializeOwned>(
        &self,
        kind: &'static str,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<Option<T>, sqlx::Error> {
        Ok(content(self.takes.ask(key(kind, id)).await?, now))
    }

    /// Looks at what is kept under `id` without using it up.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn look<T: DeserializeOwned>(
        &self,
        kind: &'static str,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<Option<T>, sqlx::Error> {
        let row = sqlx::query_as("SELECT content, expires_at FROM short_lived WHERE kind = $1 AND id = $2");
        let (kind, id) = key(kind, id);
        Ok(content(row.bind(kind).bind(id).fetch_optional(&self.pool).await?, now))
    }

    /// Removes what has expired.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sweep(&self, now: OffsetDateTime) -> Result<u64, sqlx::Error> {
        let swept = sqlx::query("DELETE FROM short_lived WHERE expires_at <= $1").bind(now).execute(&self.pool).await?;
        Ok(swept.rows_affected())
    }
}

/// A kind, and the digest of an identifier.
type Key = (&'static str, [u8; 32]);

fn key(kind: &'static str, id: &str) -> Key {
    (kind, *Digest::of(id).as_bytes())
}

/// A row's content and when it expires.
type Found = (Value, OffsetDateTime);

fn content<T: DeserializeOwned>(found: Option<Found>, now: OffsetDateTime) -> Option<T> {
    let (content, _) = found.filter(|(_, expires_at)| now < *expires_at)?;
    serde_json::from_value(content).ok()
}

struct Kept {
    key: Key,
    content: Value,
    expires_at: OffsetDateTime,
}

struct Put(PgPool);

impl Statement for Put {
    type Question = Kept;
    type Answer = ();

    async fn run(&self, questions: &[Kept]) -> Result<Vec<()>, sqlx::Error> {
        sqlx::query(
            "INSERT INTO short_lived (kind, id, content, expires_at)
             SELECT * FROM unnest($1::text[], $2::bytea[], $3::jsonb[], $4::timestamptz[])",
        )
        .bind(questions.iter().map(|kept| kept.key.0).collect::<Vec<_>>())
        .bind(questions.iter().map(|kept| kept.key.1.as_slice()).collect::<Vec<_>>())
        .bind(questions.iter().map(|kept| &kept.content).collect::<Vec<_>>())
        .bind(questions.iter().map(|kept| kept.expires_at).collect::<Vec<_>>())
        .execute(&self.0)
        .await?;
        Ok(vec![(); questions.len()])
    }
}

struct Take(PgPool);

impl Statement for Take {
    type Question = Key;
    type Answer = Option<Found>;

    async fn run(&self, questions: &[Key]) -> Result<Vec<Option<Found>>, sqlx::Error> {
        let rows: Vec<(String, [u8; 32], Value, OffsetDateTime)> = sqlx::query_as(
            "DELETE FROM short_lived WHERE (kind, id) IN (SELECT * FROM unnest($1::text[], $2::bytea[]))
             RETURNING kind, id, content, expires_at",
        )
        .bind(questions.iter().map(|(kind, _)| *kind).collect::<Vec<_>>())
        .bind(questions.iter().map(|(_, id)| id.as_slice()).collect::<Vec<_>>())
        .fetch_all(&self.0)
        .await?;
        let mut taken: HashMap<_, _> =
            rows.into_iter().map(|(kind, id, content, expires_at)| ((kind, id), (content, expires_at))).collect();
        // Of two who take the same, the first has it.
        Ok(questions.iter().map(|(kind, id)| taken.remove(&((*kind).to_owned(), *id))).collect())
    }
}
