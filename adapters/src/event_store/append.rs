//! Group commit: one writer a node takes the units that have queued and commits them in one transaction.
//!
//! Within it: `begin_append` (the lock, conflicts, claims), the events, then the transactional views. There is no
//! artificial delay: a batch is what queued while the previous one was being flushed. Order and locks are explained in the
//! migration of `begin_append`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use chancery_domain::Recorded;
use chancery_domain::claim::ClaimKind;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::horizon::{Horizon, Mark};
use super::leaf::leaf_hash;
use super::measures::Measures;
use super::memory::{State, StreamKey};
use super::projection::{Projection, ProjectionError};
use super::row::NewEvent;
use super::{StoreError, wakeup};

/// Units that may wait before callers are told to come back later.
const QUEUE: usize = 1024;
/// Units committed together at most.
const BATCH: usize = 256;
/// How long the outcome of a broken commit is asked for.
const SETTLING: std::time::Duration = std::time::Duration::from_secs(5);

/// Hands units to the writer.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Append>,
}

struct Append {
    events: Vec<NewEvent>,
    remembered: Vec<(StreamKey, State)>,
    reply: oneshot::Sender<Result<i64, StoreError>>,
    /// The command that waits, which the batch's span is linked with.
    span: Span,
}

impl Appender {
    /// Starts the writer, which ends when the last handle is dropped and the queue is empty.
    pub(super) fn start(
        options: PgConnectOptions,
        projections: Vec<Arc<dyn Projection>>,
        horizon: Arc<Horizon>,
    ) -> (Self, watch::Receiver<i64>) {
        let (queue, appends) = mpsc::channel(QUEUE);
        let (head, watcher) = watch::channel(0);
        let measures = Measures::new();
        let writer = Writer { options, projections, connection: None, head, horizon, measures };
        // A thread of its own: among the tasks that serve requests, the writer would wait for its turn after each of its
        // round trips, and with it everybody who waits for the batch.
        std::thread::Builder::new()
            .name("append".to_owned())
            .spawn(move || writer.run_alone(appends))
            .map(drop)
            .unwrap_or_else(|error| tracing::error!(%error, "the writer of events could not be started"));
        (Self { queue }, watcher)
    }

    /// # Errors
    /// See [`super::Unit::commit`].
    pub(super) async fn append(
        &self,
        events: Vec<NewEvent>,
        remembered: Vec<(StreamKey, State)>,
    ) -> Result<i64, StoreError> {
        let (reply, outcome) = oneshot::channel();
        let full = |_| StoreError::Unavailable("too much is waiting to be recorded".to_owned());
        let span = tracing::debug_span!("append", events = events.len());
        self.queue.try_send(Append { events, remembered, reply, span: span.clone() }).map_err(full)?;
        let outcome = outcome.instrument(span).await;
        outcome.unwrap_or_else(|_| Err(StoreError::Unavailable("the writer stopped".to_owned())))
    }
}

struct Writer {
    options: PgConnectOptions,
    projections: Vec<Arc<dyn Projection>>,
    connection: Option<PgConnection>,
    head: watch::Sender<i64>,
    horizon: Arc<Horizon>,
    measures: Measures,
}

/// What became of a batch.
struct Outcome {
    /// For each unit: the position of its last event, or its refusal.
    units: Vec<Result<i64, StoreError>>,
    /// The log's head before the batch and after it.
    base: i64,
    head: i64,
}

/// Where a batch broke.
enum BatchError {
    /// Before the commit: nothing was recorded.
    RolledBack(String),
    /// In the commit: nobody knows yet.
    Unknown(String),
}

impl Writer {
    fn run_alone(self, appends: mpsc::Receiver<Append>) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.run(appends)),
            Err(error) => tracing::error!(%error, "the writer of events could not be started"),
        }
    }

    async fn run(mut self, mut appends: mpsc::Receiver<Append>) {
        let mut waiting = Vec::new();
        while appends.recv_many(&mut waiting, BATCH).await > 0 {
            let asked = waiting.len();
            let batch = refuse_rivals(std::mem::take(&mut waiting));
            self.measures.conflicts(asked - batch.len());
            if !batch.is_empty() {
                let span = tracing::debug_span!(parent: None, "append batch", units = batch.len());
                for append in &batch {
                    span.follows_from(&append.span);
                }
                self.write(batch).instrument(span).await;
            }
        }
    }

    async fn write(&mut self, batch: Vec<Append>) {
        let units: Vec<&Append> = batch.iter().collect();
        let begun = Instant::now();
        let results = match self.commit(&units).await {
            Ok(results) => results,
            Err(BatchError::Unknown(error)) => self.settle(&units, &error).await,
            // One unit may have poisoned the batch: the others must not suffer for it.
            Err(BatchError::RolledBack(error)) if batch.len() > 1 && self.connection.is_some() => {
                tracing::warn!(error, units = batch.len(), "a batch was rolled back; writing its units one by one");
                let mut results = Vec::with_capacity(units.len());
                for unit in units {
                    results.push(self.write_alone(unit).await);
                }
                results
            }
            Err(BatchError::RolledBack(error)) => {
                tracing::error!(error, "events could not be recorded");
                units.iter().map(|_| Err(StoreError::Unavailable(error.clone()))).collect()
            }
        };
        self.measures.batch(begun, &results);
        for (append, result) in batch.into_iter().zip(results) {
            // The caller may have gone; what is recorded is recorded.
            drop(append.reply.send(result));
        }
    }

    async fn write_alone(&mut self, unit: &Append) -> Result<i64, StoreError> {
        let mut results = match self.commit(&[unit]).await {
            Ok(results) => results,
            Err(BatchError::RolledBack(error)) => {
                tracing::error!(error, "events could not be recorded");
                return Err(StoreError::Unavailable(error));
            }
            Err(BatchError::Unknown(error)) => self.settle(&[unit], &error).await,
        };
        results.pop().unwrap_or(Err(StoreError::Conflict))
    }

    /// For each unit: the position of its last event, or its refusal.
    async fn commit(&mut self, units: &[&Append]) -> Result<Vec<Result<i64, StoreError>>, BatchError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => wakeup::connect_writer(&self.options).await.map_err(rolled_back)?,
        };
        let mark = self.horizon.mark();
        match commit(&mut connection, &self.projections, units, self.horizon.node()).await {
            Ok(outcome) => {
                self.connection = Some(connection);
                Ok(self.tell(&mark, units, outcome))
            }
            Err(BatchError::RolledBack(error)) => {
                // A connection that still answers has rolled back and is used again.
                if connection.ping().await.is_ok() {
                    self.connection = Some(connection);
                }
                Err(BatchError::RolledBack(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Lets this node know what is recorded, before any caller does.
    fn tell(&self, mark: &Mark, units: &[&Append], outcome: Outcome) -> Vec<Result<i64, StoreError>> {
        let Outcome { base, head, units: results } = outcome;
        let recorded = || units.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(unit, _)| *unit);
        let news = recorded().flat_map(|unit| &unit.events).map(NewEvent::news);
        let states = recorded().flat_map(|unit| unit.remembered.iter().cloned());
        self.horizon.appended(mark, base..head, news, states);
        self.head.send_if_modified(|known| {
            let moved = head > *known;
            *known = head.max(*known);
            moved
        });
        results
    }

    /// The connection died in COMMIT: ask the log whether the events are there.
    async fn settle(&mut self, units: &[&Append], error: &str) -> Vec<Result<i64, StoreError>> {
        tracing::warn!(error, "a commit's outcome is unknown; asking the log");
        self.horizon.doubt();
        let settled = tokio::time::timeout(SETTLING, positions(&self.options, units)).await;
        settled.unwrap_or_else(|_| {
            let unknown = || Err(StoreError::Unavailable("the commit's outcome is unknown".to_owned()));
            units.iter().map(|_| unknown()).collect()
        })
    }
}

/// Of two units in a batch that want the same place in a stream or the same claim, the second one conflicts at once.
fn refuse_rivals(appends: Vec<Append>) -> Vec<Append> {
    let mut places = HashSet::new();
    let mut claims = HashSet::new();
    let mut batch = Vec::with_capacity(appends.len());
    for append in appends {
        let rival_place = append.events.iter().any(|event| places.contains(&place(event)));
        let rival_claim =
            append.events.iter().flat_map(|event| &event.claims).any(|(_, digest)| claims.contains(digest));
        if rival_place || rival_claim {
            drop(append.reply.send(Err(StoreError::Conflict)));
            continue;
        }
        places.extend(append.events.iter().map(place));
        claims.extend(append.events.iter().flat_map(|event| &event.claims).map(|(_, digest)| *digest));
        batch.push(append);
    }
    batch
}

fn place(event: &NewEvent) -> (&'static str, String, i64) {
    (event.aggregate_type, event.aggregate_id.clone(), event.sequence)
}

async fn commit(
    connection: &mut PgConnection,
    projections: &[Arc<dyn Projection>],
    units: &[&Append],
    node: &str,
) -> Result<Outcome, BatchError> {
    let mut transaction = connection.begin().await.map_err(rolled_back)?;
    let batch = begin_append(&mut transaction, units, node).await.map_err(rolled_back)?;
    let events: Vec<&NewEvent> = batch.kept(units).collect();
    insert(&mut transaction, &batch, &events).await.map_err(rolled_back)?;
    let recorded: Vec<Recorded> = batch.placed(&events).map(|(event, at)| event.recorded(at, batch.at)).collect();
    for projection in projections {
        projection
            .apply(&mut transaction, &recorded)
            .await
            .map_err(|error: ProjectionError| BatchError::RolledBack(format!("view {}: {error}", projection.name())))?;
    }
    transaction.commit().await.map_err(|error| BatchError::Unknown(error.to_string()))?;
    Ok(Outcome { base: batch.base, head: batch.base + events.len() as i64, units: batch.results(units) })
}

fn rolled_back(error: sqlx::Error) -> BatchError {
    BatchError::RolledBack(error.to_string())
}

/// The answer of `begin_append`.
struct Batch {
    /// The head before the batch; positions follow it densely.
    base: i64,
    at: OffsetDateTime,
    /// For each unit, why it is left out.
    refusals: Vec<Option<String>>,
}

impl Batch {
    fn kept<'a>(&self, units: &[&'a Append]) -> impl Iterator<Item = &'a NewEvent> {
        units.iter().zip(&self.refusals).filter(|(_, refusal)| refusal.is_none()).flat_map(|(unit, _)| &unit.events)
    }

    fn placed<'a>(&self, events: &[&'a NewEvent]) -> impl Iterator<Item = (&'a NewEvent, i64)> {
        events.iter().copied().zip(self.base + 1..)
    }

    fn results(&self, units: &[&Append]) -> Vec<Result<i64, StoreError>> {
        let mut position = self.base;
        let result = |(unit, refusal): (&&Append, &Option<String>)| match refusal {
            None => {
                position += unit.events.len() as i64;
                Ok(position)
            }
            Some(refusal) => Err(refusal_of(refusal)),
        };
        units.iter().zip(&self.refusals).map(result).collect()
    }
}

fn refusal_of(refusal: &str) -> StoreError {
    match refusal.strip_prefix("claim:").and_then(ClaimKind::parse) {
        Some(kind) => StoreError::Claimed(kind),
        None => StoreError::Conflict,
    }
}

/// Takes the lock, and learns where the log ends and which units may not follow.
async fn begin_append(connection: &mut PgConnection, units: &[&Append], node: &str) -> Result<Batch, sqlx::Error> {
    let events = || units.iter().enumerate().flat_map(|(at, unit)| unit.events.iter().map(move |event| (at, event)));
    let claims = || events().flat_map(|(unit, event)| event.claims.iter().map(move |claim| (unit, event, claim)));
    let places: Vec<_> = units.iter().enumerate().flat_map(|(at, unit)| first_places(at, &unit.events)).collect();
    let (base, at, refused, refusals): (i64, OffsetDateTime, Option<Vec<i32>>, Option<Vec<String>>) = sqlx::query_as(
        "SELECT base, at, refused_units, refusals FROM begin_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(places.iter().map(|(unit, _)| *unit as i32).collect::<Vec<_>>())
    .bind(places.iter().map(|(_, e)| e.aggregate_type).collect::<Vec<_>>())
    .bind(places.iter().map(|(_, e)| e.aggregate_id.as_str()).collect::<Vec<_>>())
    .bind(places.iter().map(|(_, e)| e.sequence).collect::<Vec<_>>())
    .bind(claims().map(|(unit, ..)| unit as i32).collect::<Vec<_>>())
    .bind(claims().map(|(_, _, (claim, _))| claim.kind.as_str()).collect::<Vec<_>>())
    .bind(claims().map(|(_, _, (_, digest))| digest.as_slice()).collect::<Vec<_>>())
    .bind(claims().map(|(_, e, _)| e.aggregate_type).collect::<Vec<_>>())
    .bind(claims().map(|(_, e, _)| e.aggregate_id.as_str()).collect::<Vec<_>>())
    .bind(node)
    .fetch_one(connection)
    .await?;
    let mut refusal_of_unit = vec![None; units.len()];
    for (unit, refusal) in refused.unwrap_or_default().into_iter().zip(refusals.unwrap_or_default()) {
        if let Some(entry) = usize::try_from(unit).ok().and_then(|unit| refusal_of_unit.get_mut(unit)) {
            *entry = Some(refusal);
        }
    }
    Ok(Batch { base, at, refusals: refusal_of_unit })
}

/// The first event of a unit in each of its streams.
fn first_places(unit: usize, events: &[NewEvent]) -> impl Iterator<Item = (usize, &NewEvent)> {
    let opens = move |at: &usize| {
        let stream = |event: &NewEvent| (event.aggregate_type, event.aggregate_id.clone());
        !events[..*at].iter().any(|earlier| stream(earlier) == stream(&events[*at]))
    };
    (0..events.len()).filter(opens).map(move |at| (unit, &events[at]))
}

async fn insert(connection: &mut PgConnection, batch: &Batch, events: &[&NewEvent]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let positions: Vec<i64> = batch.placed(events).map(|(_, position)| position).collect();
    let leaves: Vec<_> = batch.placed(events).map(|(event, at)| leaf_hash(event, at, batch.at)).collect();
    sqlx::query(
        "INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                             event_id, salt, position, recorded_at, leaf_hash)
         SELECT type, id, sequence, event_type, version, payload::json, metadata::json, event_id, salt, position, $12, leaf
         FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[],
                     $9::bytea[], $10::bigint[], $11::bytea[])
              AS n(type, id, sequence, event_type, version, payload, metadata, event_id, salt, position, leaf)",
    )
    .bind(events.iter().map(|e| e.aggregate_type).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.aggregate_id.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.sequence).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.event_type).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.event_version.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.payload.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.metadata.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.event_id).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.salt.as_slice()).collect::<Vec<_>>())
    .bind(positions)
    .bind(leaves.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
    .bind(batch.at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The positions that the log gave to these units, by the place and id of their last event.
async fn positions(options: &PgConnectOptions, units: &[&Append]) -> Vec<Result<i64, StoreError>> {
    let last: Vec<&NewEvent> = units.iter().filter_map(|unit| unit.events.last()).collect();
    let found = loop {
        if let Ok(found) = find(options, &last).await {
            break found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let position_of = |id: Uuid| found.iter().find(|(found, _)| *found == id).map(|(_, position)| *position);
    let lost = || StoreError::Unavailable("the commit failed".to_owned());
    last.iter().map(|event| position_of(event.event_id).ok_or_else(lost)).collect()
}

async fn find(options: &PgConnectOptions, events: &[&NewEvent]) -> Result<Vec<(Uuid, i64)>, sqlx::Error> {
    let mut connection = crate::postgres::connect(options).await?;
    let mut transaction = connection.begin().await?;
    // The dead connection's transaction may still be committing: its lock must be free before the log is asked.
    sqlx::query("SELECT pg_advisory_xact_lock(4207849484)").execute(&mut *transaction).await?;
    // Whoever else has the place has another id there.
    sqlx::query_as(
        "SELECT event_id, position
         FROM events JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS n(type, id, place)
              ON aggregate_type = n.type AND aggregate_id = n.id AND sequence = n.place",
    )
    .bind(events.iter().map(|e| e.aggregate_type).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.aggregate_id.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.sequence).collect::<Vec<_>>())
    .fetch_all(&mut *transaction)
    .await
}
