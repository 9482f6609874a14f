//! Requests and ceremonies in flight: kept for minutes, used once, never an event.

use chancery_domain::digest::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgPool;
use sqlx::types::Json;
use time::{Duration, OffsetDateTime};

/// The table of what is in flight. Identifiers are kept as digests.
#[derive(Clone)]
pub struct ShortLived {
    pool: PgPool,
}

impl ShortLived {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Keeps `content` under `id`, replacing what was there.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put(
        &self,
        kind: &str,
        id: &str,
        content: &impl Serialize,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO short_lived (kind, id, content, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (kind, id) DO UPDATE SET content = excluded.content, expires_at = excluded.expires_at",
        )
        .bind(kind)
        .bind(Digest::of(id).as_bytes())
        .bind(Json(serde_json::to_value(content).unwrap_or_default()))
        .bind(now + lifetime)
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
        kind: &str,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<Option<T>, sqlx::Error> {
        let sql = "DELETE FROM short_lived WHERE kind = $1 AND id = $2 RETURNING content, expires_at";
        self.found(sql, kind, id, now).await
    }

    /// Looks at what is kept under `id` without using it up.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn look<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<Option<T>, sqlx::Error> {
        let sql = "SELECT content, expires_at FROM short_lived WHERE kind = $1 AND id = $2";
        self.found(sql, kind, id, now).await
    }

    /// Removes what has expired.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sweep(&self, now: OffsetDateTime) -> Result<u64, sqlx::Error> {
        let swept = sqlx::query("DELETE FROM short_lived WHERE expires_at <= $1").bind(now).execute(&self.pool).await?;
        Ok(swept.rows_affected())
    }

    async fn found<T: DeserializeOwned>(
        &self,
        sql: &str,
        kind: &str,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<Option<T>, sqlx::Error> {
        let row: Option<(Json<serde_json::Value>, OffsetDateTime)> =
            sqlx::query_as(sql).bind(kind).bind(Digest::of(id).as_bytes()).fetch_optional(&self.pool).await?;
        let content = row.filter(|(_, expires_at)| now < *expires_at).map(|(content, _)| content.0);
        Ok(content.and_then(|content| serde_json::from_value(content).ok()))
    }
}
