//! Group commit: one writer a node takes the units that have queued and commits them in one transaction.
//!
//! There is no artificial delay: a batch is what queued while the previous one was being flushed. `batch` is what happens
//! in the transaction.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument, Span};

use super::batch::{BatchError, Outcome, commit, positions, rolled_back};
use super::horizon::{Horizon, Mark};
use super::measures::Measures;
use super::memory::{State, StreamKey};
use super::projection::Projection;
use super::row::NewEvent;
use super::{StoreError, wakeup};

/// Units that may wait before callers are told to come back later.
const QUEUE: usize = 1024;
/// Units committed together at most.
const BATCH: usize = 256;
/// How long a batch may take.
const WRITING: std::time::Duration = std::time::Duration::from_secs(10);
/// How long a new connection may take, and the outcome of a broken commit is asked for.
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

/// A connection, and whether its server was lost since.
struct Kept {
    connection: PgConnection,
    losses: watch::Receiver<()>,
}

struct Writer {
    options: PgConnectOptions,
    projections: Vec<Arc<dyn Projection>>,
    connection: Option<Kept>,
    head: watch::Sender<i64>,
    horizon: Arc<Horizon>,
    measures: Measures,
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
        if let Some(kept) = self.connection.take()
            && matches!(kept.losses.has_changed(), Ok(false))
        {
            match self.commit_on(kept, units).await {
                // A restart of the server broke the connection, which is noticed by using it: nothing was recorded yet.
                Err(BatchError::RolledBack(_)) if self.connection.is_none() => {}
                outcome => return outcome,
            }
        }
        let losses = self.horizon.losses();
        let connection = tokio::time::timeout(SETTLING, wakeup::connect_writer(&self.options)).await;
        let connection = connection.map_err(|_| BatchError::RolledBack("the database does not answer".to_owned()))?;
        self.commit_on(Kept { connection: connection.map_err(rolled_back)?, losses }, units).await
    }

    async fn commit_on(
        &mut self,
        mut kept: Kept,
        units: &[&Append],
    ) -> Result<Vec<Result<i64, StoreError>>, BatchError> {
        let (mark, events) = (self.horizon.mark(), events(units));
        let outcome = tokio::select! {
            outcome = commit(&mut kept.connection, &self.projections, &events, self.horizon.node()) => outcome,
            // Nobody knows how far it came.
            Ok(()) = kept.losses.changed() => Err(BatchError::Unknown("the database does not answer".to_owned())),
            () = tokio::time::sleep(WRITING) => Err(BatchError::Unknown("the database takes too long".to_owned())),
        };
        match outcome {
            Ok(outcome) => {
                self.connection = Some(kept);
                Ok(self.tell(&mark, units, outcome))
            }
            Err(BatchError::RolledBack(error)) => {
                // A connection that still answers has rolled back and is used again.
                if kept.connection.ping().await.is_ok() {
                    self.connection = Some(kept);
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
        let settled = tokio::time::timeout(SETTLING, positions(&self.options, &events(units))).await;
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

fn events<'a>(units: &[&'a Append]) -> Vec<&'a [NewEvent]> {
    units.iter().map(|unit| unit.events.as_slice()).collect()
}
