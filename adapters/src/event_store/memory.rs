//! States of streams that this node keeps, because the next command on them comes soon: grants are refreshed again and again.
//!
//! A state is put here by the append that led to it, or read from the log; news of the stream drops it. A command decided
//! on a state that is out of date after all conflicts, and is decided again on the stream as it is.

use std::any::Any;
use std::sync::Arc;

use chancery_domain::Decider;
use quick_cache::Equivalent;
use quick_cache::sync::{Cache, PlaceholderGuard};

use super::follower::{Follower, News};

/// States kept at most; those not used lately go first.
const CAPACITY: usize = 8_192;

/// A [`super::Loaded`] of some kind.
pub(super) type State = Arc<dyn Any + Send + Sync>;

/// Names a stream of an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct StreamKey {
    aggregate_type: &'static str,
    id: String,
    remembered: bool,
}

impl StreamKey {
    pub fn of<D: Decider>(id: &str) -> Self {
        Self { aggregate_type: D::TYPE, id: id.to_owned(), remembered: D::REMEMBERED }
    }

    pub fn is_remembered(&self) -> bool {
        self.remembered
    }
}

/// A [`StreamKey`] of a kind that is remembered, as an event names it.
#[derive(Hash)]
struct Named<'a>(&'a str, &'a str, bool);

impl Equivalent<StreamKey> for Named<'_> {
    fn equivalent(&self, key: &StreamKey) -> bool {
        self.0 == key.aggregate_type && self.1 == key.id && self.2 == key.remembered
    }
}

pub(super) struct Memory {
    states: Cache<StreamKey, State>,
}

/// Where a state that is being read from the log will be put, unless there is news of the stream first.
pub(super) type Place<'a> = PlaceholderGuard<
    'a,
    StreamKey,
    State,
    quick_cache::UnitWeighter,
    quick_cache::DefaultHashBuilder,
    quick_cache::sync::DefaultLifecycle<StreamKey, State>,
>;

impl Memory {
    pub fn new() -> Self {
        Self { states: Cache::new(CAPACITY) }
    }

    /// The state, or the place for it.
    pub async fn look(&self, key: &StreamKey) -> Result<State, Place<'_>> {
        self.states.get_value_or_guard_async(key).await
    }

    pub fn remember(&self, key: StreamKey, state: State) {
        self.states.insert(key, state);
    }
}

impl Follower for Memory {
    fn changed(&self, news: News<'_>) {
        self.states.remove(&Named(news.aggregate_type, news.aggregate_id, true));
    }

    fn forget(&self) {
        self.states.clear();
    }
}
