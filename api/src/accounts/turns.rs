//! What is read and decided upon by one at a time on all nodes, since it depends on more than one stream.

use std::future::Future;

use tracing::Instrument;

use crate::app::App;
use crate::http::error::ApiError;

/// A node that stands still with it loses it, but not before its append has had its time.
const LOCK: &str =
    "SELECT set_config('idle_in_transaction_session_timeout', '20s', true), pg_advisory_xact_lock(4207849486)";

/// Does this while nobody does anything of the kind, here or on another node.
///
/// # Errors
/// Its own, and those of the database.
pub async fn one_at_a_time<T: Send + 'static>(
    app: &App,
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let app = app.clone();
    let alone = async move {
        // Of this node's requests one waits for the other nodes, so that the others hold no connection meanwhile.
        let _turn = app.turn.acquire().await.map_err(|_| ApiError::unavailable())?;
        let mut lock = app.pool.begin().await?;
        sqlx::query(LOCK).execute(&mut *lock).await?;
        let done = work.await;
        if let Err(error) = lock.commit().await {
            tracing::warn!(%error, "the lock was lost");
        }
        done
    };
    // Whoever hangs up must not take the lock from an append that is under way.
    tokio::spawn(alone.in_current_span()).await.unwrap_or_else(|_| Err(ApiError::internal()))
}
