//! Group commit: one writer a node takes the units that have queued and commits them in one transaction.
//!
//! There is no artificial delay: a batch is what queued while the one before was being written and flushed. `batch` is what
//! happens in the transaction. The commit of a large batch does not wait for the disk: where much has queued, the next one is
//! written while `flush` sees to it that this one is kept, and only then tells those who wait (decision 16).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument, Span};

use super::StoreError;
use super::batch::{BatchError, Commit, Kept, roll_back};
use super::begin::Opened;
use super::connection::Held;
use super::flush::{Committed, Fate, Flusher, Written};
use super::horizon::Horizon;
use super::measures::Conflicts;
use super::memory::{State, StreamKey};
use super::projection::Projection;
use super::recent::Recent;
use super::rivals::refuse_rivals;
use super::row::NewEvent;
use crate::postgres::ABANDONED;

/// Units that may wait before callers are told to come back later.
const QUEUE: usize = 1024;
/// Units committed together at most.
const BATCH: usize = 256;
/// Units that make a batch large: the next one is written while it is being flushed, if that is large too. Fewer gain more by
/// company than by speed, and their commit flushes itself.
const COMPANY: usize = 16;
/// Batches that are written and not flushed, at most.
const UNFLUSHED: usize = 8;

/// The writer gives up rather than wait for ever on a lock, and has no statement planned anew for the length of its arrays,
/// which costs more than most of them take.
const SETTINGS: &str = "SET lock_timeout = '5s'; SET plan_cache_mode = force_generic_plan";
/// How long a batch may take. The server sets no limit: that could end the wait for a synchronous standby, and call the commit
/// done.
const WRITING: Duration = Duration::from_secs(10);

/// Hands units to the writer.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Append>,
}

/// A unit on its way into the log.
pub(super) struct Append {
    pub events: Vec<NewEvent>,
    pub remembered: Vec<(StreamKey, State)>,
    reply: oneshot::Sender<Result<i64, StoreError>>,
    /// The command that waits, which the batch's span is linked with.
    span: Span,
}

impl Append {
    /// The caller may have gone; what is recorded is recorded.
    pub fn answer(self, result: Result<i64, StoreError>) {
        drop(self.reply.send(result));
    }
}

impl Appender {
    /// Starts the writer, which ends when the last handle is dropped and the queue is empty.
    pub(super) fn start(
        options: PgConnectOptions,
        projections: Vec<Arc<dyn Projection>>,
        horizon: Arc<Horizon>,
        recent: Arc<Recent>,
    ) -> (Self, watch::Receiver<i64>) {
        let (queue, appends) = mpsc::channel(QUEUE);
        let (written, unflushed) = mpsc::channel(UNFLUSHED);
        let (head, watcher) = watch::channel(0);
        let (pending, flushes) = watch::channel(0);
        let flusher = Flusher::new(options.clone(), head, horizon.clone(), recent, pending.clone());
        let conflicts = Conflicts::new();
        let writer = Writer {
            options,
            projections,
            appends,
            connection: None,
            opened: None,
            head: 0,
            horizon,
            conflicts,
            written,
            pending,
            flushes,
        };
        // A thread of its own: among the tasks that serve requests, the writer would wait for its turn after each of its
        // round trips, and with it everybody who waits for the batch.
        std::thread::Builder::new()
            .name("append".to_owned())
            .spawn(move || run_alone(writer.run(), flusher.run(unflushed)))
            .map(drop)
            .unwrap_or_else(|error| tracing::error!(%error, "the writer of events could not be started"));
        (Self { queue }, watcher)
    }

    /// Without events, waits until everything that could be read so far is on disk.
    ///
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

fn run_alone(writing: impl Future<Output = ()>, flushing: impl Future<Output = ()>) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async { tokio::join!(writing, flushing) }).0,
        Err(error) => tracing::error!(%error, "the writer of events could not be started"),
    }
}

struct Writer {
    options: PgConnectOptions,
    projections: Vec<Arc<dyn Projection>>,
    appends: mpsc::Receiver<Append>,
    connection: Option<Held>,
    /// On that connection.
    opened: Option<Opened>,
    /// Of the log, after the last batch.
    head: i64,
    horizon: Arc<Horizon>,
    conflicts: Conflicts,
    written: mpsc::Sender<Written>,
    /// Batches that were handed to the flusher and are not flushed.
    pending: watch::Sender<usize>,
    flushes: watch::Receiver<usize>,
}

impl Writer {
    async fn run(mut self) {
        let mut waiting = Vec::new();
        while self.appends.recv_many(&mut waiting, BATCH).await > 0 {
            self.gather(&mut waiting).await;
            let asked = waiting.len();
            let batch = refuse_rivals(std::mem::take(&mut waiting));
            self.conflicts.add(asked - batch.len());
            if !batch.is_empty() {
                let span = tracing::debug_span!(parent: None, "append batch", units = batch.len());
                for append in &batch {
                    span.follows_from(&append.span);
                }
                self.write(batch).instrument(span).await;
            }
        }
    }

    /// Lets those come along who are about to ask, and waits for more while a flush is under way.
    async fn gather(&mut self, waiting: &mut Vec<Append>) {
        let mut alone = 0;
        while waiting.len() < COMPANY && waiting.len() > alone {
            alone = waiting.len();
            // Where the cores are busy they get their turn; where one is idle, this takes no time.
            std::thread::yield_now();
            while waiting.len() < BATCH
                && let Ok(append) = self.appends.try_recv()
            {
                waiting.push(append);
            }
        }
        while waiting.len() < COMPANY {
            let room = BATCH - waiting.len();
            tokio::select! {
                biased;
                _ = self.flushes.wait_for(|pending| *pending == 0) => return,
                more = self.appends.recv_many(waiting, room) => if more == 0 { return },
            }
        }
    }

    async fn write(&mut self, batch: Vec<Append>) {
        let begun = Instant::now();
        match self.commit(&batch).await {
            Ok(fate) => self.hand_on(batch, fate, begun).await,
            // One unit may have poisoned the batch: the others must not suffer for it.
            Err(error) if batch.len() > 1 && self.connection.is_some() => {
                tracing::warn!(error, units = batch.len(), "a batch was rolled back; writing its units one by one");
                for unit in batch {
                    let (alone, begun) = (vec![unit], Instant::now());
                    match self.commit(&alone).await {
                        Ok(fate) => self.hand_on(alone, fate, begun).await,
                        Err(error) => refuse(alone, &error),
                    }
                }
            }
            Err(error) => refuse(batch, &error),
        }
    }

    async fn hand_on(&self, batch: Vec<Append>, fate: Fate, begun: Instant) {
        self.pending.send_modify(|pending| *pending += 1);
        // The flusher ends after the writer.
        drop(self.written.send(Written { batch, fate, begun }).await);
    }

    /// # Errors
    /// Why nothing was recorded.
    async fn commit(&mut self, batch: &[Append]) -> Result<Fate, String> {
        if batch.iter().all(|unit| unit.events.is_empty()) {
            if let (Some(_), Some(held)) = (self.opened.take(), &mut self.connection) {
                roll_back(&mut held.connection).await;
            }
            return Ok(Fate::Nothing);
        }
        let opened = self.opened.take();
        if let Some(held) = self.connection.take().filter(Held::counts) {
            match self.commit_on(held, opened, batch).await {
                // Broken before the commit, perhaps long ago: nothing was recorded, and a new one may do better.
                Err(_) if self.connection.is_none() => {}
                done => return done,
            }
        }
        let held = Held::make(&self.options, &self.horizon, &settings()).await.map_err(|error| error.to_string())?;
        self.commit_on(held, None, batch).await
    }

    async fn commit_on(&mut self, mut held: Held, opened: Option<Opened>, batch: &[Append]) -> Result<Fate, String> {
        let (since, mark, events) = (held.since, self.horizon.mark(), events(batch));
        let kept = if batch.len() < COMPANY { Kept::AtOnce } else { Kept::Later };
        // With another node at work, the next transaction would wait for its batch, and this batch's answer with it.
        let goes_on = |base| base == self.head && self.appends.len() >= COMPANY;
        let (projections, node) = (&self.projections, self.horizon.node());
        let commit = Commit { projections, units: &events, node, kept, opened, goes_on: &goes_on };
        let run = async |connection: &mut PgConnection| AssertUnwindSafe(commit.run(connection)).catch_unwind().await;
        let committed = match held.within(WRITING, run).await {
            Ok(Ok(committed)) => committed,
            // A value that a view cannot write: nobody else must suffer for it, nor the writer end.
            Ok(Err(_)) => return self.panicked(held).await,
            Err(error) => Err(BatchError::Unknown(error.to_string())),
        };
        match committed {
            Ok((outcome, opened)) => {
                self.connection = Some(held);
                self.opened = opened;
                self.head = outcome.base + outcome.recorded.len() as i64;
                Ok(Fate::Committed(Committed { kept, mark, since, outcome }))
            }
            Err(BatchError::RolledBack(error)) => {
                // A connection that still answers has rolled back and is used again.
                if held.answers().await {
                    self.connection = Some(held);
                }
                Err(error)
            }
            Err(BatchError::Unknown(error)) => {
                tracing::warn!(error, "a commit was interrupted");
                Ok(Fate::Unknown)
            }
        }
    }

    /// Nothing panics in a commit, so nothing was recorded. What was on its way on this connection is not known: another one
    /// takes its place.
    async fn panicked(&mut self, held: Held) -> Result<Fate, String> {
        drop(held);
        self.connection = Held::make(&self.options, &self.horizon, &settings()).await.ok();
        Err("a batch could not be written: something panicked".to_owned())
    }
}

fn settings() -> String {
    format!("{SETTINGS}; SET idle_in_transaction_session_timeout = '{ABANDONED}'")
}

fn refuse(batch: Vec<Append>, error: &str) {
    tracing::error!(error, "events could not be recorded");
    for append in batch {
        append.answer(Err(StoreError::Unavailable(error.to_owned())));
    }
}

/// What each unit wants to record.
pub(super) fn events(batch: &[Append]) -> Vec<&[NewEvent]> {
    batch.iter().map(|unit| unit.events.as_slice()).collect()
}
