//! The time.

use time::OffsetDateTime;

/// Tells the time in UTC, in whole microseconds, as Postgres keeps it. Read at the edge only; it enters decisions inside
/// commands.
pub trait Clock: Send + Sync {
    fn now(&self) -> OffsetDateTime;
}
