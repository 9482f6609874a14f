//! Failed attempts at a secret, counted by all nodes together; kept for minutes, never an event.

use chancery_domain::policy::allowance::Allowance;
use sqlx::{FromRow, PgPool};
use time::OffsetDateTime;

/// The table of allowances that have been used.
#[derive(Clone)]
pub struct Attempts {
    pool: PgPool,
}

/// Who tried what, as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Tried {
    /// What was guessed at.
    pub secret: String,
    pub network: String,
    /// The client or account in question; empty where none is known.
    pub about: String,
}

impl Attempts {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Counts one more under `key` and answers when all of the allowance is available again, at most a window from now:
    /// [`Allowance::take`] of it fails once nothing is left.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count(
        &self,
        key: &[u8; 32],
        tried: &Tried,
        allowance: Allowance,
        now: OffsetDateTime,
    ) -> Result<OffsetDateTime, sqlx::Error> {
        sqlx::query_scalar(
            "INSERT INTO attempts (key, restored_at, secret, network, about)
             VALUES ($1, $2::timestamptz + $3::interval, $5, $6, $7)
             ON CONFLICT (key) DO UPDATE
             SET restored_at = least(greatest(attempts.restored_at, $2) + $3, $2 + $4::interval)
             RETURNING restored_at",
        )
        .bind(key)
        .bind(now)
        .bind(allowance.every)
        .bind(allowance.window())
        .bind(&tried.secret)
        .bind(&tried.network)
        .bind(&tried.about)
        .fetch_one(&self.pool)
        .await
    }

    /// Who failed of late, and when all of their allowance is available again; those who have used most of it first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn of_late(&self, now: OffsetDateTime, limit: i64) -> Result<Vec<(Tried, OffsetDateTime)>, sqlx::Error> {
        #[derive(FromRow)]
        struct Row {
            #[sqlx(flatten)]
            tried: Tried,
            restored_at: OffsetDateTime,
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT secret, network, about, restored_at FROM attempts WHERE restored_at > $1 AND secret IS NOT NULL
             ORDER BY restored_at DESC LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.tried, row.restored_at)).collect())
    }

    /// Removes what says nothing any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sweep(&self, now: OffsetDateTime) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM attempts WHERE restored_at <= $1").bind(now).execute(&self.pool).await?;
        Ok(())
    }
}
