//! What a node keeps in memory of the log, and how it learns that some of it no longer holds.
//!
//! Memory is dropped stream by stream: for this node's own appends before anybody hears that they are recorded, for those
//! of other nodes when their notification arrives. Nobody relies on notifications: what has not been confirmed for
//! [`LEASE`] is confirmed by asking the log before it is used. So an event of any node reaches the memory of every node
//! within that time (decision 12).

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use super::memory::{Memory, State, StreamKey};

/// How long what is in memory may be used without asking the log whether there is news.
const LEASE: Duration = Duration::from_millis(500);
/// News that is taken stream by stream; where there is more, everything is forgotten.
const MOST: i64 = 1_000;

/// A new event, as far as it matters to memory.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    pub aggregate_type: &'a str,
    pub aggregate_id: &'a str,
    pub event_type: &'a str,
}

/// Something that keeps in memory what follows from events.
pub trait Follower: Send + Sync {
    /// There is a new event: what it changes, loads under way included, must be forgotten.
    fn changed(&self, news: News<'_>);

    /// Nobody can say what changed.
    fn forget(&self);
}

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
    /// When nothing after `position` was there.
    confirmed: Option<Instant>,
    /// Counts the hints that there is news, so that an answer from before a hint confirms nothing.
    doubts: u64,
    /// Counts the servers: what was learned of one is nothing known of the next.
    server: u64,
}

/// A moment to which an answer can be held.
pub(super) struct Mark {
    at: Instant,
    doubts: u64,
    server: u64,
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

    async fn ask(&self) -> Result<(), sqlx::Error> {
        let (mark, position) = (self.mark(), self.seen().position);
        let news: Vec<(i64, String, String, String)> = sqlx::query_as(
            "SELECT position, aggregate_type, aggregate_id, event_type FROM events
             WHERE position > $1 ORDER BY position LIMIT $2",
        )
        .bind(position)
        .bind(MOST)
        .fetch_all(&self.pool)
        .await?;
        if (news.len() as i64) < MOST {
            let head = news.last().map_or(position, |(position, ..)| *position);
            self.advance(&mark, head, |follower| {
                for (_, aggregate_type, aggregate_id, event_type) in &news {
                    follower.changed(News { aggregate_type, aggregate_id, event_type });
                }
            });
            return Ok(());
        }
        let head = sqlx::query_scalar("SELECT max(position) FROM events").fetch_one(&self.pool).await?;
        self.advance(&mark, head, |follower| follower.forget());
        Ok(())
    }

    fn advance(&self, mark: &Mark, head: i64, tell: impl Fn(&dyn Follower)) {
        let mut seen = self.seen();
        tell(self.memory.as_ref());
        self.each_follower(tell);
        if seen.server == mark.server {
            seen.position = seen.position.max(head);
            seen.confirm(mark);
        }
    }

    /// This node appended these events at positions after `range.start`, up to `range.end`, and they led to these states.
    pub(super) fn appended<'a>(
        &self,
        mark: &Mark,
        range: Range<i64>,
        events: impl Iterator<Item = News<'a>> + Clone,
        states: impl Iterator<Item = (StreamKey, State)>,
    ) {
        let mut seen = self.seen();
        self.each_follower(|follower| events.clone().for_each(|news| follower.changed(news)));
        // Nothing of another node came before them unheard, or is known to have come after. Whoever asked the log in the
        // meantime may have heard of these very events.
        let current = seen.server == mark.server && range.start <= seen.position && seen.position <= range.end;
        if !current {
            events.for_each(|news| self.memory.changed(news));
            seen.confirmed = seen.confirmed.filter(|_| range.end < seen.position);
            return;
        }
        states.for_each(|(key, state)| self.memory.remember(key, state));
        seen.position = range.end;
        seen.confirm(mark);
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
        *seen = Seen { position: 0, confirmed: None, doubts: seen.doubts + 1, server: seen.server + 1 };
        self.losses.send_replace(());
    }

    pub(super) fn losses(&self) -> watch::Receiver<()> {
        self.losses.subscribe()
    }

    pub(super) fn mark(&self) -> Mark {
        let seen = self.seen();
        Mark { at: Instant::now(), doubts: seen.doubts, server: seen.server }
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

impl Seen {
    fn is_confirmed(&self) -> bool {
        self.confirmed.is_some_and(|at| at.elapsed() < LEASE)
    }

    fn confirm(&mut self, mark: &Mark) {
        if self.doubts == mark.doubts {
            self.confirmed = Some(mark.at);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing is decided by the name of a node")]
fn node_name() -> String {
    Uuid::new_v4().simple().to_string()
}
