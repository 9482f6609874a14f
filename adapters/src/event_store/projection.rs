//! How views are handed recorded events; the store knows no view.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chancery_domain::Recorded;
use sqlx::PgConnection;

use super::together::Together;

/// What [`Projection::apply`] returns.
pub type ProjectionFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ProjectionError>> + Send + 'a>>;

/// A view of the log: the same code runs in the append's transaction, behind it, and in a rebuild.
///
/// `apply` sees each event exactly once, in order of position, and depends on nothing but the events and its own tables,
/// which it names without a schema, so that a rebuild comes out equal.
pub trait Projection: Send + Sync {
    /// The stable name, as in the checkpoints table and in metrics.
    fn name(&self) -> &'static str;

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a>;
}

/// The views' tables, in the transaction that brings them further.
pub struct Tables<'c> {
    pub connection: &'c mut PgConnection,
    /// Sent when every view has seen the events.
    pub together: Together,
}

impl Tables<'_> {
    /// Sends what is to be written together now, since what follows rests on it.
    ///
    /// # Errors
    /// See [`Together::send`].
    pub async fn send(&mut self) -> Result<(), sqlx::Error> {
        self.together.send(self.connection).await
    }
}

/// Has views take events, one view after the other.
///
/// # Errors
/// That of the first view that could not take one; nothing of it may be committed.
pub async fn project(
    views: &[Arc<dyn Projection>],
    connection: &mut PgConnection,
    events: &[Recorded],
) -> Result<(), ProjectionError> {
    let mut tables = Tables { connection, together: Together::default() };
    for view in views {
        view.apply(&mut tables, events).await?;
    }
    Ok(tables.send().await?)
}

/// Why a view could not take an event.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// Names the table, where a row of it is at fault.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The event contradicts what the view knows: a defect or tampering, never skipped.
    #[error("event {position}: {reason}")]
    Contradiction { position: i64, reason: String },
}
