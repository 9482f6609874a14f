//! cqrs-es's persistence behind our append: streams are read by postgres-es, new events wait in their unit.

use std::sync::{Arc, Mutex, PoisonError};

use cqrs_es::Aggregate;
use cqrs_es::persist::{PersistedEventRepository, PersistenceError, ReplayStream, SerializedEvent, SerializedSnapshot};
use postgres_es::PostgresEventRepository;
use serde_json::Value;
use sqlx::PgPool;

use crate::vault::{Binding, Vault};

/// The events that a unit has gathered so far.
pub(super) type Staged = Arc<Mutex<Vec<SerializedEvent>>>;
/// A stream as it was read, personal values opened.
pub(super) type Stream = Arc<[SerializedEvent]>;

/// One unit's view of one stream: what the log holds, then what the unit has added.
pub(super) struct StagingRepository {
    pub pool: PgPool,
    pub vault: Vault,
    pub staged: Staged,
    /// What the log holds, if that is known already.
    pub known: Option<Stream>,
}

impl StagingRepository {
    fn staged(&self) -> std::sync::MutexGuard<'_, Vec<SerializedEvent>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PersistedEventRepository for StagingRepository {
    async fn get_events<A: Aggregate>(&self, aggregate_id: &str) -> Result<Vec<SerializedEvent>, PersistenceError> {
        let mut events = match &self.known {
            Some(stream) => stream.to_vec(),
            None => read_stream::<A>(&self.pool, &self.vault, aggregate_id).await?,
        };
        let staged = self.staged();
        events.extend(staged.iter().filter(|e| e.aggregate_type == A::TYPE && e.aggregate_id == aggregate_id).cloned());
        Ok(events)
    }

    async fn get_last_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
        last_sequence: usize,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        let events = self.get_events::<A>(aggregate_id).await?;
        Ok(events.into_iter().filter(|event| event.sequence > last_sequence).collect())
    }

    /// Streams stay short; there are no snapshots.
    async fn get_snapshot<A: Aggregate>(&self, _: &str) -> Result<Option<SerializedSnapshot>, PersistenceError> {
        Ok(None)
    }

    async fn persist<A: Aggregate>(
        &self,
        events: &[SerializedEvent],
        _: Option<(String, Value, usize)>,
    ) -> Result<(), PersistenceError> {
        self.staged().extend_from_slice(events);
        Ok(())
    }

    async fn stream_events<A: Aggregate>(&self, aggregate_id: &str) -> Result<ReplayStream, PersistenceError> {
        PostgresEventRepository::new(self.pool.clone()).stream_events::<A>(aggregate_id).await
    }

    /// postgres-es would replay by sequence within a type, and end silently on an error: the log is read by `Feed`.
    async fn stream_all_events<A: Aggregate>(&self) -> Result<ReplayStream, PersistenceError> {
        Err(PersistenceError::UnknownError("the log is replayed by position only".into()))
    }
}

/// A stream from the log.
pub(super) async fn read_stream<A: Aggregate>(
    pool: &PgPool,
    vault: &Vault,
    aggregate_id: &str,
) -> Result<Vec<SerializedEvent>, PersistenceError> {
    let mut events = PostgresEventRepository::new(pool.clone()).get_events::<A>(aggregate_id).await?;
    unseal(vault, &mut events).await?;
    Ok(events)
}

/// Opens the personal values of the payloads. Metadata stays sealed: no decision reads it.
async fn unseal(vault: &Vault, events: &mut [SerializedEvent]) -> Result<(), PersistenceError> {
    let mut documents: Vec<_> = events
        .iter_mut()
        .map(|event| {
            let binding = Binding {
                aggregate_type: &event.aggregate_type,
                aggregate_id: &event.aggregate_id,
                sequence: i64::try_from(event.sequence).unwrap_or(i64::MAX),
                event_type: &event.event_type,
                event_version: &event.event_version,
                part: "payload",
            };
            (binding, &mut event.payload)
        })
        .collect();
    vault.unseal(&mut documents).await.map_err(|error| PersistenceError::DeserializationError(error.into()))
}
