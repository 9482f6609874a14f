//! What the ledger and the database tell of an experiment, in numbers.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use chancery_tests::ledger::{Outcome, Request};
use sqlx::PgPool;
use tokio::task::JoinHandle;

/// Durations, the shortest first.
pub struct Spread(Vec<Duration>);

impl FromIterator<Duration> for Spread {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut durations: Vec<Duration> = durations.into_iter().collect();
        durations.sort_unstable();
        Self(durations)
    }
}

impl Spread {
    pub fn at(&self, percent: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((self.0.len() * percent / 100).min(last)).copied().unwrap_or_default()
    }

    pub fn longest(&self) -> Duration {
        self.at(100)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, most, longest) = (self.at(50), self.at(99), self.longest());
        write!(f, "{} times, half within {half:.1?}, 99 % within {most:.1?}, longest {longest:.1?}", self.0.len())
    }
}

/// How many requests had which outcome.
pub fn outcomes(requests: &[Request]) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for request in requests {
        let name = match request.outcome {
            Outcome::Done => "done".to_owned(),
            Outcome::Refused(status) => status.to_string(),
            Outcome::Broken => "broken".to_owned(),
        };
        *counts.entry(name).or_default() += 1;
    }
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

/// Watches how far the history is behind the log.
pub struct History(JoinHandle<()>, std::sync::Arc<std::sync::Mutex<Duration>>);

impl History {
    pub fn watch(pool: PgPool) -> Self {
        let longest = std::sync::Arc::<std::sync::Mutex<Duration>>::default();
        let kept = longest.clone();
        let watching = tokio::spawn(async move {
            // Where the log ended, and when that was seen first.
            let mut waiting = VecDeque::<(i64, Instant)>::new();
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let look =
                    "SELECT (SELECT max(position) FROM events), position FROM checkpoints WHERE projection = 'audit'";
                let Ok((head, taken)) = sqlx::query_as::<_, (i64, i64)>(look).fetch_one(&pool).await else { continue };
                waiting.retain(|(position, _)| *position > taken);
                if head > taken && waiting.back().is_none_or(|(position, _)| *position < head) {
                    waiting.push_back((head, Instant::now()));
                }
                let behind = waiting.front().map(|(_, since)| since.elapsed()).unwrap_or_default();
                let mut longest = kept.lock().unwrap();
                *longest = behind.max(*longest);
            }
        });
        Self(watching, longest)
    }

    /// For how long, at most, an event waited to be shown.
    pub fn longest_wait(self) -> Duration {
        self.0.abort();
        *self.1.lock().unwrap()
    }
}
