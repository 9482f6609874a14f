//! cqrs-es's event store for one unit: streams are read by postgres-es, new events are gathered until the commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chancery_domain::event::StoredEvent;
use chancery_domain::{Decider, Event, Root};
use cqrs_es::persist::{PersistedEventRepository, PersistenceError, SerializedEvent};
use cqrs_es::{AggregateContext, AggregateError, EventEnvelope, EventStore};
use postgres_es::PostgresEventRepository;
use sqlx::PgPool;

use super::memory::{State, StreamKey};
use crate::vault::{Binding, Vault};

/// An event that is decided, but not recorded.
pub(super) struct Decided {
    pub aggregate_id: String,
    pub sequence: i64,
    pub version: u16,
    pub event: Event,
    pub payload: serde_json::Value,
}

/// A stream's present state.
#[derive(Clone)]
pub struct Loaded<D: Decider> {
    id: String,
    sequence: usize,
    root: Root<D>,
}

impl<D: Decider> Loaded<D> {
    /// A stream that has no events yet.
    pub(super) fn new(id: &str) -> Self {
        Self { id: id.to_owned(), sequence: 0, root: Root::default() }
    }

    /// Reads a stream from the log.
    pub(super) async fn read(pool: &PgPool, vault: &Vault, id: &str) -> Result<Self, PersistenceError> {
        let mut loaded = Self::new(id);
        for row in read_stream::<D>(pool, vault, id).await? {
            loaded.sequence = row.sequence;
            loaded.root.0.evolve(serde_json::from_value(row.payload)?);
        }
        Ok(loaded)
    }

    /// How many events the stream had.
    pub fn sequence(&self) -> usize {
        self.sequence
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub fn state(&self) -> &D {
        &self.root.0
    }

    pub fn into_state(self) -> D {
        self.root.0
    }
}

impl<D: Decider> AggregateContext<Root<D>> for Loaded<D> {
    fn aggregate(&mut self) -> &mut Root<D> {
        &mut self.root
    }
}

async fn read_stream<D: Decider>(
    pool: &PgPool,
    vault: &Vault,
    id: &str,
) -> Result<Vec<SerializedEvent>, PersistenceError> {
    let mut events = PostgresEventRepository::new(pool.clone()).get_events::<Root<D>>(id).await?;
    unseal(vault, &mut events).await?;
    Ok(events)
}

/// What a unit has decided so far: the events in order, and the states that they led to.
#[derive(Clone, Default)]
pub(super) struct Gathered {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    events: Vec<Decided>,
    /// A [`Loaded`] for each stream.
    streams: HashMap<StreamKey, State>,
}

/// What a unit leaves behind for its commit.
#[derive(Default)]
pub(super) struct Outcome {
    pub events: Vec<Decided>,
    /// The states that this node keeps in memory from here on.
    pub remembered: Vec<(StreamKey, State)>,
}

impl Gathered {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, decided: Decided) {
        self.inner().events.push(decided);
    }

    pub fn take(&self) -> Outcome {
        let Inner { events, streams } = std::mem::take(&mut *self.inner());
        let remembered = streams.into_iter().filter(|(key, _)| key.is_remembered()).collect();
        Outcome { events, remembered }
    }

    pub fn stream<D: Decider>(&self, id: &str) -> Option<Loaded<D>> {
        let inner = self.inner();
        inner.streams.get(&StreamKey::of::<D>(id))?.downcast_ref::<Loaded<D>>().cloned()
    }

    pub fn keep<D: Decider>(&self, loaded: Loaded<D>) {
        self.inner().streams.insert(StreamKey::of::<D>(&loaded.id), Arc::new(loaded));
    }
}

/// One command's side of a unit.
pub(super) struct UnitStore<D: Decider> {
    pub pool: PgPool,
    pub vault: Vault,
    pub gathered: Gathered,
    /// What the command led to.
    pub outcome: Arc<Mutex<Vec<D::Event>>>,
}

impl<D: Decider> EventStore<Root<D>> for UnitStore<D> {
    type AC = Loaded<D>;

    async fn load_events(&self, id: &str) -> Result<Vec<EventEnvelope<Root<D>>>, AggregateError<D::Refusal>> {
        let events = read_stream::<D>(&self.pool, &self.vault, id).await?;
        Ok(events.into_iter().map(EventEnvelope::try_from).collect::<Result<_, _>>()?)
    }

    async fn load_aggregate(&self, id: &str) -> Result<Loaded<D>, AggregateError<D::Refusal>> {
        match self.gathered.stream::<D>(id) {
            Some(loaded) => Ok(loaded),
            None => Ok(Loaded::read(&self.pool, &self.vault, id).await?),
        }
    }

    /// Gathers the events; the unit's own commit records them, with the metadata of its context.
    async fn commit(
        &self,
        events: Vec<D::Event>,
        mut loaded: Loaded<D>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<Root<D>>>, AggregateError<D::Refusal>> {
        let mut envelopes = Vec::with_capacity(events.len());
        for event in &events {
            loaded.sequence += 1;
            self.gathered.push(Decided {
                aggregate_id: loaded.id.clone(),
                sequence: i64::try_from(loaded.sequence).unwrap_or(i64::MAX),
                version: event.version(),
                payload: serde_json::to_value(event).map_err(PersistenceError::from)?,
                event: event.clone().into(),
            });
            envelopes.push(EventEnvelope {
                aggregate_id: loaded.id.clone(),
                sequence: loaded.sequence,
                payload: event.clone(),
                metadata: metadata.clone(),
            });
        }
        // The state has taken the events as they were decided.
        self.gathered.keep(loaded);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = events;
        Ok(envelopes)
    }
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
