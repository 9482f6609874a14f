//! What this node recorded last, for whoever follows right behind the log: it need not be read, opened and decoded again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chancery_domain::Recorded;

use super::follower::{Follower, News};

/// Events kept at most; the oldest go first, and are read from the log by those who are that far behind.
const MOST: usize = 2_000;

/// A stretch of the log without a hole.
#[derive(Default)]
pub(super) struct Recent {
    events: Mutex<VecDeque<Recorded>>,
}

impl Recent {
    /// Adds a batch. Where another node wrote in between, the stretch begins anew.
    pub fn add(&self, batch: Vec<Recorded>) {
        let mut events = self.events();
        if events.back().zip(batch.first()).is_some_and(|(last, next)| last.position + 1 != next.position) {
            events.clear();
        }
        events.extend(batch);
        let surplus = events.len().saturating_sub(MOST);
        events.drain(..surplus);
    }

    /// Hands over what comes right after a position, and forgets what is up to there; nothing if something in between is
    /// not here.
    pub fn take(&self, after: i64, limit: usize) -> Vec<Recorded> {
        self.forget_up_to(after);
        let mut events = self.events();
        match events.front() {
            Some(first) if first.position == after + 1 => {
                let taken = limit.min(events.len());
                events.drain(..taken).collect()
            }
            _ => Vec::new(),
        }
    }

    pub fn forget_up_to(&self, position: i64) {
        let mut events = self.events();
        while events.front().is_some_and(|event| event.position <= position) {
            events.pop_front();
        }
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<Recorded>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower for Recent {
    fn changed(&self, _: News<'_>) {}

    /// The log may be another one, in which other events have these places.
    fn forget(&self) {
        self.events().clear();
    }
}

#[cfg(test)]
mod tests {
    use chancery_domain::Event;
    use chancery_domain::actor::Actor;
    use chancery_domain::context::Context;
    use chancery_domain::user::UserEvent;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn recorded(positions: std::ops::RangeInclusive<i64>) -> Vec<Recorded> {
        let recorded = |position| Recorded {
            position,
            event_id: Uuid::nil(),
            aggregate_id: "one".to_owned(),
            sequence: position,
            recorded_at: OffsetDateTime::UNIX_EPOCH,
            context: Context::internal(Actor::System, Uuid::nil()),
            event: Event::User(UserEvent::Disabled),
        };
        positions.map(recorded).collect()
    }

    fn positions(events: &[Recorded]) -> Vec<i64> {
        events.iter().map(|event| event.position).collect()
    }

    #[test]
    fn whoever_follows_is_handed_what_comes_next_once() {
        let recent = Recent::default();
        recent.add(recorded(5..=6));
        recent.add(recorded(7..=9));

        assert_eq!(positions(&recent.take(5, 3)), [6, 7, 8]);
        assert_eq!(positions(&recent.take(8, 3)), [9]);
        assert!(recent.take(8, 3).is_empty());
    }

    #[test]
    fn nothing_is_handed_over_past_a_hole() {
        let recent = Recent::default();
        recent.add(recorded(5..=6));
        assert!(recent.take(3, 10).is_empty(), "4 is not here");

        recent.add(recorded(9..=9));
        assert!(recent.take(4, 10).is_empty(), "7 and 8 are another node's");
        assert_eq!(positions(&recent.take(8, 10)), [9]);
    }

    #[test]
    fn the_oldest_go_first() {
        let recent = Recent::default();
        recent.add(recorded(1..=MOST as i64));
        recent.add(recorded(MOST as i64 + 1..=MOST as i64 + 2));

        assert!(recent.take(0, 10).is_empty());
        assert_eq!(positions(&recent.take(2, 2)), [3, 4]);
    }
}
