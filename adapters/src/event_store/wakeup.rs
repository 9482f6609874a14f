//! Waking those who wait for events: this node's by a watch channel, other nodes' by LISTEN/NOTIFY.
//!
//! A notification is only a hint. Whoever waits also looks by itself from time to time, which covers a lost connection and
//! a pooler that does not pass notifications on.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;

use super::horizon::Horizon;

/// The channel that `begin_append` notifies once a batch, with the name of the node.
const CHANNEL: &str = "chancery_events";
const RECONNECT: Duration = Duration::from_secs(1);

/// Counts the wake-ups of all nodes, for ever, and lets the horizon doubt at those of others. A lost connection is made
/// again.
pub fn listen(options: PgConnectOptions, horizon: Arc<Horizon>) -> watch::Receiver<u64> {
    let (sender, receiver) = watch::channel(0);
    tokio::spawn(async move {
        while !sender.is_closed() {
            if let Err(error) = forward(&options, &sender, &horizon).await {
                tracing::debug!(%error, "listening for events was interrupted");
            }
            // What was missed while nobody listened is found by looking.
            horizon.doubt();
            sender.send_modify(|count| *count += 1);
            tokio::time::sleep(RECONNECT).await;
        }
    });
    receiver
}

async fn forward(
    options: &PgConnectOptions,
    sender: &watch::Sender<u64>,
    horizon: &Horizon,
) -> Result<(), sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let notification = listener.recv().await?;
        if notification.payload() != horizon.node() {
            horizon.doubt();
        }
        sender.send_modify(|count| *count += 1);
    }
}
