//! Group commit: one writer a node takes the units that have queued and commits them in one transaction.
//!
//! Within it: `append_events` (positions, conflicts, claims), then the transactional views. There is no artificial
//! delay: a batch is what queued while the previous one was being flushed. Order and locks are explained in the
//! migration of `append_events`.

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

use super::measures::Measures;
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
    reply: oneshot::Sender<Result<i64, StoreError>>,
    /// The command that waits, which the batch's span is linked with.
    span: Span,
}

impl Appender {
    /// Starts the writer, which ends when the last handle is dropped and the queue is empty.
    pub fn start(options: PgConnectOptions, projections: Vec<Arc<dyn Projection>>) -> (Self, watch::Receiver<i64>) {
        let (queue, appends) = mpsc::channel(QUEUE);
        let (head, watcher) = watch::channel(0);
        let measures = Measures::new();
        tokio::spawn(Writer { options, projections, connection: None, head, measures }.run(appends));
        (Self { queue }, watcher)
    }

    /// # Errors
    /// See [`super::Unit::commit`].
    pub(super) async fn append(&self, events: Vec<NewEvent>) -> Result<i64, StoreError> {
        let (reply, outcome) = oneshot::channel();
        let full = |_| StoreError::Unavailable("too much is waiting to be recorded".to_owned());
        let span = tracing::debug_span!("append", events = events.len());
        self.queue.try_send(Append { events, reply, span: span.clone() }).map_err(full)?;
        let outcome = outcome.instrument(span).await;
        outcome.unwrap_or_else(|_| Err(StoreError::Unavailable("the writer stopped".to_owned())))
    }
}

struct Writer {
    options: PgConnectOptions,
    projections: Vec<Arc<dyn Projection>>,
    connection: Option<PgConnection>,
    head: watch::Sender<i64>,
    measures: Measures,
}

/// What became of a batch.
struct Outcome {
    /// For each unit: the position of its last event, or its refusal.
    units: Vec<Result<i64, StoreError>>,
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
        let begun = Instant::now();
        let units: Vec<&[NewEvent]> = batch.iter().map(|append| append.events.as_slice()).collect();
        let results = match self.commit(&units).await {
            Ok(outcome) => {
                self.head.send_if_modified(|head| {
                    let moved = outcome.head > *head;
                    *head = outcome.head.max(*head);
                    moved
                });
                outcome.units
            }
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

    async fn write_alone(&mut self, unit: &[NewEvent]) -> Result<i64, StoreError> {
        match self.commit(&[unit]).await {
            Ok(mut outcome) => {
                self.head.send_replace(outcome.head);
                outcome.units.pop().unwrap_or(Err(StoreError::Conflict))
            }
            Err(BatchError::RolledBack(error)) => {
                tracing::error!(error, "events could not be recorded");
                Err(StoreError::Unavailable(error))
            }
            Err(BatchError::Unknown(error)) => {
                self.settle(&[unit], &error).await.pop().unwrap_or(Err(StoreError::Conflict))
            }
        }
    }

    async fn commit(&mut self, units: &[&[NewEvent]]) -> Result<Outcome, BatchError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => wakeup::connect_writer(&self.options).await.map_err(rolled_back)?,
        };
        match commit(&mut connection, &self.projections, units).await {
            Ok(outcome) => {
                self.connection = Some(connection);
                Ok(outcome)
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

    /// The connection died in COMMIT: ask the log whether the events are there.
    async fn settle(&mut self, units: &[&[NewEvent]], error: &str) -> Vec<Result<i64, StoreError>> {
        tracing::warn!(error, "a commit's outcome is unknown; asking the log");
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
    units: &[&[NewEvent]],
) -> Result<Outcome, BatchError> {
    let mut transaction = connection.begin().await.map_err(rolled_back)?;
    let appended = append_events(&mut transaction, units).await.map_err(rolled_back)?;
    let recorded = appended.recorded(units);
    for projection in projections {
        projection
            .apply(&mut transaction, &recorded)
            .await
            .map_err(|error: ProjectionError| BatchError::RolledBack(format!("view {}: {error}", projection.name())))?;
    }
    transaction.commit().await.map_err(|error| BatchError::Unknown(error.to_string()))?;
    Ok(Outcome { head: appended.base + recorded.len() as i64, units: appended.results(units) })
}

fn rolled_back(error: sqlx::Error) -> BatchError {
    BatchError::RolledBack(error.to_string())
}

/// The answer of `append_events`.
struct Appended {
    /// The head before the batch; positions follow it densely.
    base: i64,
    at: OffsetDateTime,
    /// For each unit, why it was left out.
    refusals: Vec<Option<String>>,
}

impl Appended {
    fn recorded(&self, units: &[&[NewEvent]]) -> Vec<Recorded> {
        let kept = units.iter().zip(&self.refusals).filter(|(_, refusal)| refusal.is_none());
        let events = kept.flat_map(|(unit, _)| unit.iter());
        events.zip(self.base + 1..).map(|(event, position)| event.recorded(position, self.at)).collect()
    }

    fn results(&self, units: &[&[NewEvent]]) -> Vec<Result<i64, StoreError>> {
        let mut position = self.base;
        let result = |(unit, refusal): (&&[NewEvent], &Option<String>)| match refusal {
            None => {
                position += unit.len() as i64;
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

async fn append_events(connection: &mut PgConnection, units: &[&[NewEvent]]) -> Result<Appended, sqlx::Error> {
    let events = || units.iter().enumerate().flat_map(|(unit, events)| events.iter().map(move |event| (unit, event)));
    let claims = || events().flat_map(|(unit, event)| event.claims.iter().map(move |claim| (unit, event, claim)));
    let (base, at, refused, refusals): (i64, OffsetDateTime, Vec<i32>, Option<Vec<String>>) = sqlx::query_as(
        "SELECT base, at, refused_units, refusals
         FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(events().map(|(unit, _)| unit as i32).collect::<Vec<_>>())
    .bind(events().map(|(_, e)| e.aggregate_type).collect::<Vec<_>>())
    .bind(events().map(|(_, e)| e.aggregate_id.as_str()).collect::<Vec<_>>())
    .bind(events().map(|(_, e)| e.sequence).collect::<Vec<_>>())
    .bind(events().map(|(_, e)| e.event_type).collect::<Vec<_>>())
    .bind(events().map(|(_, e)| e.event_version.as_str()).collect::<Vec<_>>())
    .bind(events().map(|(_, e)| e.payload.as_str()).collect::<Vec<_>>())
    .bind(events().map(|(_, e)| e.metadata.as_str()).collect::<Vec<_>>())
    .bind(events().map(|(_, e)| e.event_id).collect::<Vec<_>>())
    .bind(events().map(|(_, e)| e.salt.as_slice()).collect::<Vec<_>>())
    .bind(claims().map(|(unit, ..)| unit as i32).collect::<Vec<_>>())
    .bind(claims().map(|(_, _, (claim, _))| claim.kind.as_str()).collect::<Vec<_>>())
    .bind(claims().map(|(_, _, (_, digest))| digest.as_slice()).collect::<Vec<_>>())
    .bind(claims().map(|(_, e, _)| e.aggregate_type).collect::<Vec<_>>())
    .bind(claims().map(|(_, e, _)| e.aggregate_id.as_str()).collect::<Vec<_>>())
    .fetch_one(connection)
    .await?;
    let mut refusal_of_unit = vec![None; units.len()];
    for (unit, refusal) in refused.into_iter().zip(refusals.unwrap_or_default()) {
        if let Some(entry) = usize::try_from(unit).ok().and_then(|unit| refusal_of_unit.get_mut(unit)) {
            *entry = Some(refusal);
        }
    }
    Ok(Appended { base, at, refusals: refusal_of_unit })
}

/// The positions that the log gave to these units, by the id of their last event.
async fn positions(options: &PgConnectOptions, units: &[&[NewEvent]]) -> Vec<Result<i64, StoreError>> {
    let ids: Vec<_> = units.iter().filter_map(|unit| unit.last()).map(|event| event.event_id).collect();
    let found = loop {
        if let Ok(found) = find(options, &ids).await {
            break found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let position_of = |id: &Uuid| found.iter().find(|(found, _)| found == id).map(|(_, position)| *position);
    let lost = || StoreError::Unavailable("the commit failed".to_owned());
    ids.iter().map(|id| position_of(id).ok_or_else(lost)).collect()
}

async fn find(options: &PgConnectOptions, ids: &[Uuid]) -> Result<Vec<(Uuid, i64)>, sqlx::Error> {
    let mut connection = crate::postgres::connect(options).await?;
    let mut transaction = connection.begin().await?;
    // The dead connection's transaction may still be committing: its lock must be free before the log is asked.
    sqlx::query("SELECT pg_advisory_xact_lock(4207849484)").execute(&mut *transaction).await?;
    sqlx::query_as("SELECT event_id, position FROM events WHERE event_id = ANY($1)")
        .bind(ids)
        .fetch_all(&mut *transaction)
        .await
}
