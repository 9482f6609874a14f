//! Durability: what is written is acknowledged when it is kept, and no sooner.
//!
//! A small batch is kept by its own commit, a large one by a flush, while the writer goes on. The write-ahead log is one
//! sequence: a transaction on this module's connection, which commits as the database is configured to, ends when everything
//! that was written before it is on disk too, and on the synchronous standby where there is one. So one flush serves all
//! batches that were written by then, of whichever node.
//!
//! That holds for one life of a server. In a crash it loses what it had not flushed, and all its connections: a flush says
//! nothing of what was written before its own connection was made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::StoreError;
use super::append::{Append, events};
use super::batch::{Kept, Outcome};
use super::connection::Held;
use super::horizon::{Horizon, Mark};
use super::measures::Measures;
use super::recent::Recent;
use super::row::NewEvent;
use crate::postgres::ABANDONED;

/// Batches that one flush serves at most.
const BATCHES: usize = 64;
/// How long a flush may take before the log is asked on another connection.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the log is asked for what became of events.
const SETTLING: Duration = Duration::from_secs(5);
/// A transaction of nothing but a WAL record: enough to have its commit flushed.
const FLUSH: &str = "SELECT pg_logical_emit_message(true, 'chancery', '')";

/// A batch that the writer has dealt with, and that nobody knows of yet.
pub(super) struct Written {
    pub batch: Vec<Append>,
    pub fate: Fate,
    pub begun: Instant,
}

pub(super) enum Fate {
    Committed(Committed),
    /// The connection died in COMMIT.
    Unknown,
    /// There was nothing to record; but what was decided on must be kept.
    Nothing,
}

pub(super) struct Committed {
    pub kept: Kept,
    /// Before the commit.
    pub mark: Mark,
    /// Since when its connection is there.
    pub since: Instant,
    pub outcome: Outcome,
}

pub(super) struct Flusher {
    options: PgConnectOptions,
    connection: Option<Held>,
    head: watch::Sender<i64>,
    horizon: Arc<Horizon>,
    recent: Arc<Recent>,
    /// Batches that the writer handed over and that are not flushed.
    pending: watch::Sender<usize>,
    measures: Measures,
}

impl Flusher {
    pub fn new(
        options: PgConnectOptions,
        head: watch::Sender<i64>,
        horizon: Arc<Horizon>,
        recent: Arc<Recent>,
        pending: watch::Sender<usize>,
    ) -> Self {
        Self { options, connection: None, head, horizon, recent, pending, measures: Measures::new() }
    }

    pub async fn run(mut self, mut unflushed: mpsc::Receiver<Written>) {
        let mut written = Vec::new();
        while unflushed.recv_many(&mut written, BATCHES).await > 0 {
            let flushed = match flushed_itself(&written) {
                Some(since) => Some(since),
                None => self.flush().await,
            };
            self.pending.send_modify(|pending| *pending = pending.saturating_sub(written.len()));
            let mut doubtful = Vec::new();
            for Written { batch, fate, begun } in written.drain(..) {
                match fate {
                    Fate::Committed(committed) if committed.is_kept(flushed) => self.tell(batch, committed, begun),
                    Fate::Committed(committed) => doubtful.extend(without_refused(batch, committed.outcome)),
                    Fate::Nothing if flushed.is_some() => batch.into_iter().for_each(|unit| unit.answer(Ok(0))),
                    Fate::Unknown | Fate::Nothing => doubtful.extend(batch),
                }
            }
            if !doubtful.is_empty() {
                self.settle(doubtful).await;
            }
            if flushed.is_some() {
                self.stand_ready().await;
            }
        }
    }

    /// Since when the connection that flushed is there; None if nobody knows whether what was written is kept.
    async fn flush(&mut self) -> Option<Instant> {
        let flushed = self.try_flush().await;
        self.connection = flushed.inspect_err(|error| tracing::warn!(%error, "a flush failed")).ok();
        self.connection.as_ref().map(|held| held.since)
    }

    async fn try_flush(&mut self) -> Result<Held, sqlx::Error> {
        let mut held = self.connect().await?;
        held.within(PATIENCE, async |connection: &mut PgConnection| sqlx::query(FLUSH).execute(connection).await)
            .await??;
        Ok(held)
    }

    async fn connect(&mut self) -> Result<Held, sqlx::Error> {
        match self.connection.take().filter(Held::counts) {
            Some(held) => Ok(held),
            None => Held::make(&self.options, &self.horizon, "").await,
        }
    }

    /// The next flush is to say something of what is written from here on.
    async fn stand_ready(&mut self) {
        let connected = self.connect().await;
        self.connection = connected.inspect_err(|error| tracing::debug!(%error, "nobody can flush")).ok();
    }

    /// Lets this node know what is recorded, before any caller does.
    fn tell(&self, batch: Vec<Append>, committed: Committed, begun: Instant) {
        let Committed { mark, outcome, .. } = committed;
        let Outcome { units: results, base, recorded } = outcome;
        let head = base + recorded.len() as i64;
        let told = batch.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let states = told.flat_map(|(unit, _)| unit.remembered.iter().cloned());
        if self.horizon.appended(&mark, base, &recorded, states) {
            self.recent.add(recorded);
        }
        self.move_head(head);
        self.measures.batch(begun, &results);
        for (append, result) in batch.into_iter().zip(results) {
            append.answer(result);
        }
    }

    fn move_head(&self, head: i64) {
        self.head.send_if_modified(|known| {
            // Lower than before where a backup was restored meanwhile.
            let moved = head != *known;
            *known = head;
            moved
        });
    }

    /// Asks the log what became of units, and tells it.
    async fn settle(&self, units: Vec<Append>) {
        tracing::warn!(units = units.len(), "the outcome of a commit is unknown; asking the log");
        self.horizon.doubt();
        let settled = tokio::time::timeout(SETTLING, positions(&self.options, &events(&units))).await;
        let unknown = || Err(StoreError::Unavailable("the commit's outcome is unknown".to_owned()));
        let results = settled.unwrap_or_else(|_| units.iter().map(|_| unknown()).collect());
        if let Some(head) = results.iter().flatten().max().filter(|head| **head > *self.head.borrow()) {
            self.move_head(*head);
        }
        for (append, result) in units.into_iter().zip(results) {
            append.answer(result);
        }
    }
}

impl Committed {
    /// Given since when the connection that flushed it is there.
    fn is_kept(&self, flushed: Option<Instant>) -> bool {
        self.kept == Kept::AtOnce || flushed.is_some_and(|since| since <= self.mark.at)
    }
}

/// Whether the last of the commits flushed all that was written before it; since when its connection is there. One that
/// recorded nothing flushed nothing.
fn flushed_itself(written: &[Written]) -> Option<Instant> {
    match written.last().map(|written| &written.fate) {
        Some(Fate::Committed(last)) if last.kept == Kept::AtOnce && !last.outcome.recorded.is_empty() => {
            Some(last.since)
        }
        _ => None,
    }
}

/// The units of which nothing is known, once the others have heard of their refusal.
fn without_refused(batch: Vec<Append>, outcome: Outcome) -> Vec<Append> {
    let mut written = Vec::with_capacity(batch.len());
    for (append, result) in batch.into_iter().zip(outcome.units) {
        match result {
            Ok(_) => written.push(append),
            refused => append.answer(refused),
        }
    }
    written
}

/// The positions that the log gave to these units, by the place and id of their last event.
async fn positions(options: &PgConnectOptions, units: &[&[NewEvent]]) -> Vec<Result<i64, StoreError>> {
    let last: Vec<&NewEvent> = units.iter().filter_map(|unit| unit.last()).collect();
    let found = loop {
        if let Ok(found) = find(options, &last).await {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let position_of = |id: Uuid| found.iter().find(|(found, _)| *found == id).map(|(_, position)| *position);
    let lost = || StoreError::Unavailable("the commit failed".to_owned());
    let position = |unit: &&[NewEvent]| match unit.last() {
        Some(event) => position_of(event.event_id).ok_or_else(lost),
        None => Ok(0),
    };
    units.iter().map(position).collect()
}

async fn find(options: &PgConnectOptions, events: &[&NewEvent]) -> Result<Vec<(Uuid, i64)>, sqlx::Error> {
    let options = options.clone().options([("idle_in_transaction_session_timeout", ABANDONED)]);
    let mut connection = crate::postgres::connect(&options).await?;
    let mut transaction = connection.begin().await?;
    // The dead connection's transaction may still be committing: its lock must be free before the log is asked.
    sqlx::query("SELECT pg_advisory_xact_lock(4207849484)").execute(&mut *transaction).await?;
    // Whoever else has the place has another id there.
    let found = sqlx::query_as(
        "SELECT event_id, position
         FROM events JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS n(type, id, place)
              ON aggregate_type = n.type AND aggregate_id = n.id AND sequence = n.place",
    )
    .bind(events.iter().map(|e| e.aggregate_type).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.aggregate_id.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.sequence).collect::<Vec<_>>())
    .fetch_all(&mut *transaction)
    .await?;
    sqlx::query(FLUSH).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(found)
}
