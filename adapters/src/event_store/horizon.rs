//! What a node keeps in memory of the log, and how it learns that some of it no longer holds.
//!
//! Memory is dropped stream by stream: for this node's own appends before anybody hears that they are recorded, for those
//! of other nodes when their notification arrives. Nobody relies on notifications: what has not been confirmed for
//! [`LEASE`] is confirmed by asking the log before it is used. So an event of any node reaches the memory of every node
//! within that time (decision 12).
//!
//! Whoever asks sees too whether the event that was the last one is still in its place. If it is not, this is another log,
//! restored from a backup, and nothing that was known of the former one counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chancery_domain::Recorded;
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use super::follower::{Follower, News};
use super::memory::{Memory, State, StreamKey};

/// How long what is in memory may be used without asking the log whether there is news.
const LEASE: Duration = Duration::from_millis(500);
/// News that is taken stream by stream; where there is more, everything is forgotten.
const MOST: i64 = 1_000;

/// Up to where this node knows the log, and since when it knows that there was no more.
pub struct Horizon {
    pool: PgPool,
    /// Names this node in notifications.
    node: String,
    memory: Arc<Memory>,
    followers: RwLock<Vec<Arc<dyn Follower>>>,
    seen: Mutex<Seen>,
    /// One asks the log, the others wait for the answer.
    asking: tokio::sync::Mutex<()>,
    /// Tells when the server is lost.
    losses: watch::Sender<()>,
}

#[derive(Default)]
struct Seen {
    /// Of every event up to here, the followers have heard.
    position: i64,
    /// The event at that position; None before the log was first asked.
    event: Option<Uuid>,
    /// Counts the servers, and the logs that took the place of the one before: what was learned of one is nothing known of the
    /// next.
    log: u64,
    /// When nothing after `position` was there.
    confirmed: Option<Instant>,
    /// Counts the hints that there is news, so that an answer from before a hint confirms nothing.
    doubts: u64,
}

/// A moment to which an answer can be held.
pub(super) struct Mark {
    pub at: Instant,
    doubts: u64,
    log: u64,
}

impl Horizon {
    pub(super) fn new(pool: PgPool, memory: Arc<Memory>) -> Self {
        Self {
            pool,
            node: node_name(),
            memory,
            followers: RwLock::default(),
            seen: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            losses: watch::Sender::default(),
        }
    }

    pub fn follow(&self, follower: Arc<dyn Follower>) {
        self.followers.write().unwrap_or_else(PoisonError::into_inner).push(follower);
    }

    /// Makes sure that memory holds what was true at most half a second ago.
    ///
    /// # Errors
    /// Those of the database: then nothing in memory may be used.
    pub async fn confirm(&self) -> Result<(), sqlx::Error> {
        if self.seen().is_confirmed() {
            return Ok(());
        }
        let _asking = self.asking.lock().await;
        if self.seen().is_confirmed() {
            return Ok(());
        }
        self.ask().await
    }

    /// Asks the log in any case. Says up to where it goes, and how many times another one has taken its place.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn look(&self) -> Result<(i64, u64), sqlx::Error> {
        let _asking = self.asking.lock().await;
        self.ask().await?;
        let seen = self.seen();
        Ok((seen.position, seen.log))
    }

    async fn ask(&self) -> Result<(), sqlx::Error> {
        let (mark, known) = (self.mark(), self.seen().last());
        let found: Vec<Found> = sqlx::query_as(
            "SELECT position, event_id, aggregate_type, aggregate_id, event_type FROM events
             WHERE position >= $1 ORDER BY position LIMIT $2",
        )
        .bind(known.0)
        .bind(MOST)
        .fetch_all(&self.pool)
        .await?;
        let news = match (known, found.split_first()) {
            ((0, _), _) | ((_, None), _) => &found[..],
            ((position, Some(event)), Some((first, news))) if (first.0, first.1) == (position, event) => news,
            _ => return self.ask_another_log(&mark).await,
        };
        if (found.len() as i64) < MOST {
            let head = news.last().map_or(known, |(position, event, ..)| (*position, Some(*event)));
            self.advance(&mark, head, |follower| {
                for (_, _, aggregate_type, aggregate_id, event_type) in news {
                    follower.changed(News { aggregate_type, aggregate_id, event_type });
                }
            });
            return Ok(());
        }
        let head = self.head().await?;
        self.advance(&mark, head, |follower| follower.forget());
        Ok(())
    }

    async fn ask_another_log(&self, mark: &Mark) -> Result<(), sqlx::Error> {
        let head = self.head().await?;
        let mut seen = self.seen();
        if seen.log == mark.log {
            self.know_another_log(&mut seen, head);
            seen.confirm(mark);
        }
        Ok(())
    }

    fn know_another_log(&self, seen: &mut Seen, head: (i64, Option<Uuid>)) {
        let known = seen.position;
        tracing::warn!(known, head = head.0, "the log is another one, as after a restore: forgetting the one before");
        self.memory.forget();
        self.each_follower(|follower| follower.forget());
        (seen.position, seen.event) = head;
        seen.log += 1;
    }

    async fn head(&self) -> Result<(i64, Option<Uuid>), sqlx::Error> {
        let head = sqlx::query_as("SELECT position, event_id FROM events ORDER BY position DESC LIMIT 1");
        Ok(head.fetch_optional(&self.pool).await?.unwrap_or_default())
    }

    fn advance(&self, mark: &Mark, head: (i64, Option<Uuid>), tell: impl Fn(&dyn Follower)) {
        let mut seen = self.seen();
        tell(self.memory.as_ref());
        self.each_follower(tell);
        if seen.log == mark.log {
            if seen.event.is_none() || head.0 > seen.position {
                (seen.position, seen.event) = head;
            }
            seen.confirm(mark);
        }
    }

    /// How many times another log took the place of the one that this node knew, or may have, since the server was lost.
    pub fn replaced(&self) -> u64 {
        self.seen().log
    }

    /// This node appended these events after `base`, and they led to these states. Answers whether they are known to be in
    /// the log as it is now.
    pub(super) fn appended(
        &self,
        mark: &Mark,
        base: i64,
        events: &[Recorded],
        states: impl Iterator<Item = (StreamKey, State)>,
    ) -> bool {
        let last = (base + events.len() as i64, events.last().map(|event| event.event_id));
        let mut seen = self.seen();
        let in_its_place = events.iter().find(|event| event.position == seen.position);
        let same_log = seen.log == mark.log;
        if same_log && in_its_place.is_some_and(|event| Some(event.event_id) != seen.event) {
            self.know_another_log(&mut seen, last);
            return true;
        }
        // Nothing of another node came before them unheard, or is known to have come after. Whoever asked the log in the
        // meantime may have heard of these very events.
        if same_log && base <= seen.position && seen.position <= last.0 {
            self.each_follower(|follower| events.iter().for_each(|event| follower.recorded(event)));
            states.for_each(|(key, state)| self.memory.remember(key, state));
            if last.0 > seen.position {
                (seen.position, seen.event) = last;
            }
            seen.confirm(mark);
        } else {
            let news = || events.iter().map(News::of);
            self.each_follower(|follower| news().for_each(|news| follower.changed(news)));
            news().for_each(|news| self.memory.changed(news));
            seen.confirmed = seen.confirmed.filter(|_| last.0 < seen.position);
        }
        same_log
    }

    /// There may be news: the next one who needs memory asks first.
    pub(super) fn doubt(&self) {
        let mut seen = self.seen();
        seen.doubts += 1;
        seen.confirmed = None;
    }

    /// The server is lost. The one that comes back may not have the newest events, so nothing that is known holds.
    pub(super) fn restart(&self) {
        let mut seen = self.seen();
        self.memory.forget();
        self.each_follower(|follower| follower.forget());
        *seen = Seen { doubts: seen.doubts + 1, log: seen.log + 1, ..Seen::default() };
        self.losses.send_replace(());
    }

    pub(super) fn losses(&self) -> watch::Receiver<()> {
        self.losses.subscribe()
    }

    pub(super) fn mark(&self) -> Mark {
        let seen = self.seen();
        Mark { at: Instant::now(), doubts: seen.doubts, log: seen.log }
    }

    pub(super) fn node(&self) -> &str {
        &self.node
    }

    fn each_follower(&self, tell: impl Fn(&dyn Follower)) {
        self.followers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .for_each(|follower| tell(follower.as_ref()));
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Position, id, stream and type of an event.
type Found = (i64, Uuid, String, String, String);

impl Seen {
    fn last(&self) -> (i64, Option<Uuid>) {
        (self.position, self.event)
    }

    fn is_confirmed(&self) -> bool {
        self.confirmed.is_some_and(|at| at.elapsed() < LEASE)
    }

    fn confirm(&mut self, mark: &Mark) {
        if self.doubts == mark.doubts {
            // Batches are told of later than they were marked, and the log may have been asked since.
            self.confirmed = self.confirmed.max(Some(mark.at));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing is decided by the name of a node")]
fn node_name() -> String {
    Uuid::new_v4().simple().to_string()
}
