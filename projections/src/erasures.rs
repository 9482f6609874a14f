//! Erasures that were recorded and whose second half has yet to be done.

use chancery_domain::ids::UserId;
use sqlx::PgExecutor;
use uuid::Uuid;

/// People who were erased and whose data key is still there: a node died in between, or its database was away (decision 5).
/// The history has an index by what happened.
///
/// # Errors
/// Those of the database.
pub async fn unfinished(executor: impl PgExecutor<'_>) -> Result<Vec<UserId>, sqlx::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT a.aggregate_id::uuid FROM audit a JOIN subject_keys k ON k.subject = 'user:' || a.aggregate_id
         WHERE a.event_name = 'user.erased' AND k.wrapped IS NOT NULL",
    )
    .fetch_all(executor)
    .await?;
    Ok(ids.into_iter().map(UserId).collect())
}
