//! A unit of work: commands on one or several streams, recorded in one append or not at all.

use std::sync::Arc;

use chancery_domain::context::Context;
use chancery_domain::{Decider, Root};
use cqrs_es::persist::{PersistedEventStore, PersistenceError};
use cqrs_es::{AggregateError, CqrsFramework, EventStore as _};
use sqlx::PgPool;

use super::append::Appender;
use super::repository::{Staged, StagingRepository, Stream, read_stream};
use super::row::NewEvent;
use super::{ExecuteError, StoreError};
use crate::vault::Vault;

/// Commands whose events belong together.
pub struct Unit {
    pool: PgPool,
    vault: Vault,
    appender: Appender,
    context: Context,
    staged: Staged,
}

impl Unit {
    pub(super) fn new(pool: PgPool, vault: Vault, appender: Appender, context: Context) -> Self {
        Self { pool, vault, appender, context, staged: Staged::default() }
    }

    /// Decides a command on a stream as it is, with what this unit added. Nothing is recorded yet.
    ///
    /// # Errors
    /// The domain's refusal, or that the stream could not be read.
    pub async fn execute<D: Decider>(
        &mut self,
        id: &str,
        command: D::Command,
    ) -> Result<Vec<D::Event>, ExecuteError<D::Refusal>> {
        self.decide::<D>(id, command, None).await
    }

    /// The same on a stream as it was read before; if it has moved on since, the commit conflicts.
    ///
    /// # Errors
    /// The domain's refusal.
    pub async fn execute_on<D: Decider>(
        &mut self,
        loaded: &Loaded<D>,
        command: D::Command,
    ) -> Result<Vec<D::Event>, ExecuteError<D::Refusal>> {
        self.decide::<D>(&loaded.id, command, Some(loaded.stream.clone())).await
    }

    /// The same for a stream whose id was drawn at random just now.
    ///
    /// # Errors
    /// The domain's refusal.
    pub async fn create<D: Decider>(
        &mut self,
        id: &str,
        command: D::Command,
    ) -> Result<Vec<D::Event>, ExecuteError<D::Refusal>> {
        self.decide::<D>(id, command, Some(Arc::new([]))).await
    }

    async fn decide<D: Decider>(
        &mut self,
        id: &str,
        command: D::Command,
        known: Option<Stream>,
    ) -> Result<Vec<D::Event>, ExecuteError<D::Refusal>> {
        let already = self.staged().len();
        let store = event_store::<D>(&self.pool, &self.vault, &self.staged, known);
        let metadata = self.context.to_metadata();
        CqrsFramework::new(store, Vec::new(), ())
            .execute_with_metadata(id, command, metadata)
            .await
            .map_err(execute_error)?;
        let staged = self.staged();
        staged[already..].iter().map(|event| read::<D>(&event.payload).map_err(ExecuteError::Store)).collect()
    }

    /// Records what was gathered, and returns the position of its last event, or 0 if there is nothing to record.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if one of the streams moved on, [`StoreError::Claimed`] if another holds a claim: then
    /// nothing was recorded.
    pub async fn commit(self) -> Result<i64, StoreError> {
        let staged = std::mem::take(&mut *self.staged());
        if staged.is_empty() {
            return Ok(0);
        }
        let mut events = Vec::with_capacity(staged.len());
        for event in staged {
            events.push(NewEvent::seal(event, &self.context, &self.vault).await?);
        }
        self.appender.append(events).await
    }

    fn staged(&self) -> std::sync::MutexGuard<'_, Vec<cqrs_es::persist::SerializedEvent>> {
        self.staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A stream's present state, with the stream it follows from.
pub struct Loaded<D> {
    pub(super) id: String,
    stream: Stream,
    pub state: D,
}

pub(super) async fn load<D: Decider>(pool: &PgPool, vault: &Vault, id: &str) -> Result<Loaded<D>, StoreError> {
    let unreadable = |error: PersistenceError| StoreError::Unavailable(error.to_string());
    let stream: Stream = read_stream::<Root<D>>(pool, vault, id).await.map_err(unreadable)?.into();
    let store = event_store::<D>(pool, vault, &Staged::default(), Some(stream.clone()));
    match store.load_aggregate(id).await {
        Ok(context) => Ok(Loaded { id: id.to_owned(), stream, state: context.aggregate.0 }),
        Err(error) => Err(store_error(error)),
    }
}

fn event_store<D: Decider>(
    pool: &PgPool,
    vault: &Vault,
    staged: &Staged,
    known: Option<Stream>,
) -> PersistedEventStore<StagingRepository, Root<D>> {
    let repository = StagingRepository { pool: pool.clone(), vault: vault.clone(), staged: staged.clone(), known };
    PersistedEventStore::new_event_store(repository)
}

fn read<D: Decider>(payload: &serde_json::Value) -> Result<D::Event, StoreError> {
    serde::Deserialize::deserialize(payload)
        .map_err(|error: serde_json::Error| StoreError::Unavailable(error.to_string()))
}

fn execute_error<R: std::error::Error>(error: AggregateError<R>) -> ExecuteError<R> {
    match error {
        AggregateError::UserError(refusal) => ExecuteError::Refused(refusal),
        other => ExecuteError::Store(store_error(other)),
    }
}

fn store_error<R: std::error::Error>(error: AggregateError<R>) -> StoreError {
    match error {
        AggregateError::AggregateConflict => StoreError::Conflict,
        other => StoreError::Unavailable(other.to_string()),
    }
}
