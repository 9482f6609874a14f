//! A unit of work: commands on one or several streams, recorded in one append or not at all.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use chancery_domain::context::Context;
use chancery_domain::{Decider, Root};
use cqrs_es::{AggregateError, CqrsFramework};
use sqlx::PgPool;
use tracing::Instrument;

use super::append::Appender;
use super::gathered::{Gathered, Loaded, Outcome, UnitStore};
use super::row::NewEvent;
use super::{ExecuteError, StoreError};
use crate::vault::Vault;

/// Commands whose events belong together.
pub struct Unit {
    pool: PgPool,
    vault: Vault,
    appender: Appender,
    context: Context,
    gathered: Gathered,
}

impl Unit {
    pub(super) fn new(pool: PgPool, vault: Vault, appender: Appender, context: Context) -> Self {
        Self { pool, vault, appender, context, gathered: Gathered::default() }
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
        let (pool, vault, gathered) = (self.pool.clone(), self.vault.clone(), self.gathered.clone());
        let store = UnitStore::<D> { pool, vault, gathered, outcome: Arc::default() };
        let outcome = store.outcome.clone();
        let framework = CqrsFramework::<Root<D>, _>::new(store, Vec::new(), ());
        let executing = framework.execute_with_metadata(id, command, HashMap::new());
        executing.instrument(tracing::debug_span!("command", aggregate = D::TYPE)).await.map_err(execute_error)?;
        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *outcome))
    }

    /// Decides from here on upon a stream as it was read before; if it has moved on since, the commit conflicts.
    pub(super) fn keep<D: Decider>(&self, loaded: &Loaded<D>) {
        self.gathered.keep(loaded.clone());
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
        self.keep(loaded);
        self.execute::<D>(loaded.id(), command).await
    }

    /// The same for a stream whose id was drawn at random just now: it is not read.
    ///
    /// # Errors
    /// The domain's refusal.
    pub async fn create<D: Decider>(
        &mut self,
        id: &str,
        command: D::Command,
    ) -> Result<Vec<D::Event>, ExecuteError<D::Refusal>> {
        self.execute_on::<D>(&Loaded::new(id), command).await
    }

    /// Records what was gathered, and returns the position of its last event, or 0 if there is nothing to record. In either
    /// case what was decided on is safe from a crash then.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if one of the streams moved on, [`StoreError::Claimed`] if another holds a claim: then
    /// nothing was recorded.
    pub async fn commit(self) -> Result<i64, StoreError> {
        let Outcome { events: decided, remembered } = self.gathered.take();
        let mut events = Vec::with_capacity(decided.len());
        for event in decided {
            events.push(NewEvent::seal(event, &self.context, &self.vault).await?);
        }
        self.appender.append(events, remembered).await
    }
}

fn execute_error<R: std::error::Error>(error: AggregateError<R>) -> ExecuteError<R> {
    match error {
        AggregateError::UserError(refusal) => ExecuteError::Refused(refusal),
        AggregateError::AggregateConflict => ExecuteError::Store(StoreError::Conflict),
        AggregateError::DeserializationError(error) => ExecuteError::Store(StoreError::unreadable(error)),
        other => ExecuteError::Store(StoreError::Unavailable(other.to_string())),
    }
}
