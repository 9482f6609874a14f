//! What happens without anybody asking: keys rotate and are reloaded, what has expired is swept, failures are flushed.

use std::time::Duration;

use chancery_domain::personal::Subject;
use chancery_projections::mails::queue;
use chancery_projections::{pictures, prune};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::accounts;
use crate::app::App;
use crate::signing_keys;

const ERASED: &str = "user.erased";
/// The events that this node reacts to, whichever node recorded them. What a newer release does to a signing key counts.
const REACTED_TO: &[&str] = &[ERASED, "signing_key.%"];
const TICK: Duration = Duration::from_secs(1);
/// How long each of these may take: a connection that was cut says nothing, and must not hold up what comes next.
const PATIENCE: Duration = Duration::from_secs(5);
/// Wake-ups that come close together are answered once.
const GATHERING: Duration = Duration::from_millis(50);
/// Ticks between sweeps and looks at the keys.
const MINUTE: u64 = 60;

/// Runs until the process ends.
pub async fn run(app: App, mut remote: watch::Receiver<u64>) {
    let mut seen = Seen { position: app.store.feed().head().await.unwrap_or(0), logs: app.store.horizon().replaced() };
    let (mut ticks, mut behind) = (0_u64, true);
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => ticks += 1,
            Ok(()) = remote.changed() => {
                tokio::time::sleep(GATHERING).await;
                remote.mark_unchanged();
                behind = true;
            }
        }
        if behind {
            behind = !follow(&app, &mut seen).await;
        }
        drop(timeout(PATIENCE, app.failures.flush(&app)).await);
        if ticks % MINUTE == MINUTE - 1 {
            ticks += 1;
            drop(timeout(PATIENCE, upkeep(&app)).await);
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
