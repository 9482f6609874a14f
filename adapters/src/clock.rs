//! The clock of the machine, and one that stands still until it is told.

use std::sync::{Mutex, PoisonError};

use chancery_domain::ports::clock::Clock;
use time::{Duration, OffsetDateTime};

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc().truncate_to_microsecond()
    }
}

/// A clock for tests: time is set, never slept.
#[derive(Debug)]
pub struct FixedClock(Mutex<OffsetDateTime>);

impl FixedClock {
    pub fn at(now: OffsetDateTime) -> Self {
        Self(Mutex::new(now))
    }

    pub fn set(&self, now: OffsetDateTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).truncate_to_microsecond()
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told_and_in_microseconds() {
        let clock = FixedClock::at(datetime!(2026-11-23 12:00:00.123456789 UTC));

        clock.advance(Duration::minutes(5));

        assert_eq!(clock.now(), datetime!(2026-11-23 12:05:00.123456 UTC));
        assert_eq!(clock.now(), clock.now());
    }

    #[test]
    fn the_system_clock_gives_what_postgres_can_keep() {
        assert_eq!(SystemClock.now().nanosecond() % 1000, 0);
    }
}
