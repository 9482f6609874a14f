//! What happens without anybody asking: keys rotate and are reloaded, what has expired is swept, failures are flushed.

use std::time::Duration;

use chancery_domain::personal::Subject;
use chancery_projections::mails::queue;
use chancery_projections::{pictures, prune};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::accounts;
use crate::app::App;
use crate::signing_keys;

const ERASED: &str = "user.erased";
/// The events that this node reacts to, whichever node recorded them. What a newer release does to a signing key counts.
const REACTED_TO: &[&str] = &[ERASED, "signing_key.%"];
const SECOND: Duration = Duration::from_secs(1);
/// How long each of these may take: a connection that was cut says nothing, and must not hold up what comes next.
const PATIENCE: Duration = Duration::from_secs(5);
/// Wake-ups that come close together are answered once.
const GATHERING: Duration = Duration::from_millis(50);
/// Seconds between sweeps and looks at the keys.
const MINUTE: u64 = 60;

/// Runs until the process ends.
pub async fn run(app: App, remote: watch::Receiver<u64>) {
    let mut seen = Seen { position: app.store.feed().head().await.unwrap_or(0), logs: app.store.horizon().replaced() };
    let mut rhythm = Rhythm::new(remote);
    let mut behind = true;
    loop {
        let Due { news, minute } = rhythm.next().await;
        behind |= news;
        if behind {
            behind = !follow(&app, &mut seen).await;
        }
        drop(timeout(PATIENCE, app.failures.flush(&app)).await);
        if minute {
            drop(timeout(PATIENCE, upkeep(&app)).await);
        }
    }
}

/// When there is something to do: with news of the log, each second, and, however much news there is, each minute.
struct Rhythm {
    remote: watch::Receiver<u64>,
    second: Interval,
    seconds: u64,
}

/// What is to be done beside what is done each second.
#[derive(Default)]
struct Due {
    news: bool,
    minute: bool,
}

impl Rhythm {
    fn new(remote: watch::Receiver<u64>) -> Self {
        let mut second = interval(SECOND);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { remote, second, seconds: 0 }
    }

    async fn next(&mut self) -> Due {
        tokio::select! {
            _ = self.second.tick() => {
                self.seconds += 1;
                Due { minute: self.seconds.is_multiple_of(MINUTE), ..Due::default() }
            }
            Ok(()) = self.remote.changed() => {
                tokio::time::sleep(GATHERING).await;
                self.remote.mark_unchanged();
                Due { news: true, ..Due::default() }
            }
        }
    }
}

/// Up to where this node has reacted to the log.
struct Seen {
    position: i64,
    /// How many other logs had come in its place.
    logs: u64,
}

/// Reacts to what any node recorded: new keys are loaded, keys of erased people are destroyed, in memory first. A log that was
/// restored from a backup has other keys. Answers whether everything was taken in.
async fn follow(app: &App, seen: &mut Seen) -> bool {
    // What a node without the database cannot learn, it cannot decide by either.
    let Ok(Ok((head, logs))) = timeout(PATIENCE, app.store.horizon().look()).await else { return false };
    if (head, logs) == (seen.position, seen.logs) {
        return true;
    }
    let news = timeout(PATIENCE, app.store.feed().news(seen.position, head, REACTED_TO)).await;
    let Ok(Ok(news)) = news else { return false };
    let (erased, keys): (Vec<_>, Vec<_>) = news.iter().partition(|news| news.event_type == ERASED);
    for person in &erased {
        app.store.vault().evict(&Subject::from(format!("user:{}", person.aggregate_id)));
    }
    let keys_changed = !keys.is_empty();
    let restored = logs != seen.logs;
    if restored && let Err(error) = app.store.vault().check().await {
        tracing::error!(%error, "the encryption key could not be checked");
        return false;
    }
    if (keys_changed || restored)
        && let Err(error) = signing_keys::load(&app.store, &app.pool, &app.keyring).await
    {
        tracing::error!(%error, "the signing keys could not be loaded");
        return false;
    }
    for id in erased.iter().filter_map(|person| person.aggregate_id.parse().ok()) {
        let finished = timeout(PATIENCE, accounts::finish_erasure(app, id)).await;
        if !matches!(finished, Ok(Ok(()))) {
            tracing::error!(user = %id, "the key of somebody who was erased could not be destroyed; it is tried again");
            return false;
        }
    }
    *seen = Seen { position: head, logs };
    true
}

async fn upkeep(app: &App) {
    // Another key may be in use since.
    if let Err(error) = app.store.vault().check().await {
        tracing::error!(%error, "the encryption key could not be checked");
    }
    if let Err(error) = app.short_lived.sweep(app.now()).await {
        tracing::debug!(%error, "what has expired was not swept");
    }
    if let Err(error) = pictures::sweep(&app.pool, app.now()).await {
        tracing::debug!(%error, "pictures that nobody has were not swept");
    }
    if let Err(error) = accounts::finish_erasures(app).await {
        tracing::error!(code = error.code, "erasures that were cut short could not be finished");
    }
    if let Err(error) = prune::run(&app.pool, app.now()).await {
        tracing::debug!(%error, "what ended long ago was not removed from the views");
    }
    let passed_over = async {
        if app.config.smtp.is_none() {
            queue::pass_over(&app.pool).await?;
        }
        queue::sweep(&app.pool).await
    };
    if let Err(error) = passed_over.await {
        tracing::debug!(%error, "old mails were not swept");
    }
    if let Err(error) = app.limits.sweep(app.now()).await {
        tracing::debug!(%error, "failed attempts that are over were not swept");
    }
    if let Err(error) = signing_keys::rotate(&app.store, &app.pool, &app.system(), app.now()).await {
        tracing::error!(%error, "the signing keys could not be rotated");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a busy instance too, what has expired is swept and keys are rotated.
    #[tokio::test(start_paused = true)]
    async fn upkeep_comes_each_minute_however_much_news_there_is() {
        let (news, remote) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(300)).await;
                news.send_modify(|count| *count += 1);
            }
        });
        let mut rhythm = Rhythm::new(remote);
        let ten_minutes = tokio::time::Instant::now() + Duration::from_secs(600);
        let (mut news, mut minutes) = (0, 0);
        while tokio::time::Instant::now() < ten_minutes {
            let due = rhythm.next().await;
            news += u64::from(due.news);
            minutes += u64::from(due.minute);
        }
        assert!(news > 1_000, "{news}");
        assert!((9..=10).contains(&minutes), "{minutes}");
    }
}
