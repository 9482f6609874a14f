//! How views are handed recorded events; the store knows no view.

use std::future::Future;
use std::pin::Pin;

use chancery_domain::Recorded;
use sqlx::PgConnection;

/// What [`Projection::apply`] returns.
pub type ProjectionFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ProjectionError>> + Send + 'a>>;

/// A view of the log: the same code runs in the append's transaction, behind it, and in a rebuild.
///
/// `apply` sees each event exactly once, in order of position, and writes through the given connection only, naming its
/// tables without a schema. It depends on nothing but the events and its own tables, so that a rebuild comes out equal.
pub trait Projection: Send + Sync {
    /// The stable name, as in the checkpoints table and in metrics.
    fn name(&self) -> &'static str;

    fn apply<'a>(&'a self, connection: &'a mut PgConnection, events: &'a [Recorded]) -> ProjectionFuture<'a>;
}

/// Why a view could not take an event.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The event contradicts what the view knows: a defect or tampering, never skipped.
    #[error("event {position}: {reason}")]
    Contradiction { position: i64, reason: String },
}
