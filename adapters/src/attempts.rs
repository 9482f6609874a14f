//! Failed attempts at a secret, counted by all nodes together; kept for minutes, never an event.

use chancery_domain::policy::allowance::Allowance;
use sqlx::PgPool;
use time::OffsetDateTime;

/// The table of allowances that have been used.
#[derive(Clone)]
pub struct Attempts {
    pool: PgPool,
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
        allowance: Allowance,
        now: OffsetDateTime,
    ) -> Result<OffsetDateTime, sqlx::Error> {
        sqlx::query_scalar(
            "INSERT INTO attempts (key, restored_at) VALUES ($1, $2::timestamptz + $3::interval)
             ON CONFLICT (key) DO UPDATE
             SET restored_at = least(greatest(attempts.restored_at, $2) + $3, $2 + $4::interval)
             RETURNING restored_at",
        )
        .bind(key)
        .bind(now)
        .bind(allowance.every)
        .bind(allowance.window())
        .fetch_one(&self.pool)
        .await
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
