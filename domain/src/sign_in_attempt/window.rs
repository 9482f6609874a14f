//! How a flood of equal failures is bounded: at most one event a second and key (attacks RL-06).

use time::{Duration, OffsetDateTime};

/// How long equal failures are gathered.
const WINDOW: Duration = Duration::seconds(1);

/// The failures of one key (address, reason and person) since the last event about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureWindow {
    recorded_at: OffsetDateTime,
    first_at: OffsetDateTime,
    waiting: u32,
}

/// What to do with a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowDecision {
    /// Record `count` failures since `first_at` as one event.
    Record { count: u32, first_at: OffsetDateTime },
    /// Counted; it is recorded with the next event of this key, or when the window is flushed.
    Count,
}

impl FailureWindow {
    /// The first failure of a key is recorded at once.
    pub fn open(now: OffsetDateTime) -> Self {
        Self { recorded_at: now, first_at: now, waiting: 0 }
    }

    /// Another failure of the same key.
    pub fn another(&mut self, now: OffsetDateTime) -> WindowDecision {
        if self.waiting == 0 {
            self.first_at = now;
        }
        self.waiting = self.waiting.saturating_add(1);
        self.flush(now).unwrap_or(WindowDecision::Count)
    }

    /// What is due, if the window has passed and anything waits.
    pub fn flush(&mut self, now: OffsetDateTime) -> Option<WindowDecision> {
        if self.waiting == 0 || !self.has_passed(now) {
            return None;
        }
        let due = WindowDecision::Record { count: self.waiting, first_at: self.first_at };
        self.recorded_at = now;
        self.waiting = 0;
        Some(due)
    }

    /// Nothing waits and nothing came lately: the key can be forgotten.
    pub fn is_over(&self, now: OffsetDateTime) -> bool {
        self.waiting == 0 && self.has_passed(now)
    }

    /// A clock that was set back must not keep failures off the record until it has caught up.
    fn has_passed(&self, now: OffsetDateTime) -> bool {
        (now - self.recorded_at).abs() >= WINDOW
    }
}
