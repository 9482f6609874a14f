//! How often something may happen: so much at once, and then at a steady pace.
//!
//! The Generic Cell Rate Algorithm (ITU-T I.371 Annex A): all that is kept is the moment at which everything is available
//! again. Whoever counts by address, account or client keeps one such moment for each.

use time::{Duration, OffsetDateTime};

/// `burst` at once, and one more each time `every` has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub burst: u32,
    pub every: Duration,
}

/// Nothing is left; something is again after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests")]
pub struct Exhausted {
    pub retry_after: Duration,
}

impl Allowance {
    /// `count` a second on average, `burst` at once.
    pub const fn per_second(count: u32, burst: u32) -> Self {
        Self { burst, every: Duration::nanoseconds(1_000_000_000 / count as i64) }
    }

    /// One each `seconds` on average, `burst` at once.
    pub const fn one_each(seconds: i64, burst: u32) -> Self {
        Self { burst, every: Duration::seconds(seconds) }
    }

    /// The same, so many per cent as generous; at least one at a time.
    pub fn scaled(self, percent: u32) -> Self {
        let burst = u64::from(self.burst) * u64::from(percent) / 100;
        Self { burst: u32::try_from(burst).unwrap_or(u32::MAX).max(1), every: self.every * 100 / percent.max(1) }
    }

    /// How long everything takes to come back.
    pub fn window(self) -> Duration {
        self.every.saturating_mul(i32::try_from(self.burst).unwrap_or(i32::MAX))
    }

    /// Takes one, given when everything would have been available again, and says when it is now.
    ///
    /// # Errors
    /// [`Exhausted`]: then nothing was taken, so that asking again does not prolong the wait.
    pub fn take(self, restored_at: Option<OffsetDateTime>, now: OffsetDateTime) -> Result<OffsetDateTime, Exhausted> {
        let latest = now + self.window();
        // Never beyond a window from now: a clock that was set back bars nobody for longer.
        let restored_at = restored_at.map_or(now, |at| at.clamp(now, latest));
        let next = restored_at + self.every;
        if next > latest {
            return Err(Exhausted { retry_after: next - latest });
        }
        Ok(next)
    }
}

impl Exhausted {
    /// Whole seconds, at least one, for `Retry-After` (RFC 9110 §10.2.3).
    pub fn seconds(self) -> i64 {
        let seconds = self.retry_after.whole_seconds() + i64::from(self.retry_after.subsec_nanoseconds() > 0);
        seconds.max(1)
    }
}
