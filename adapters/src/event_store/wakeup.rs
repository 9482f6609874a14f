//! Waking those who wait for events: this node's by a watch channel, other nodes' by LISTEN/NOTIFY.
//!
//! A notification is only a hint. The connection that listens is also the node's pulse: when it has heard nothing for a
//! second, it asks where the log ends, which finds what a lost notification kept back, and whether the server
//! still answers; and it ends what keeps everybody silent, a COPY whose node fell silent (decision 14).

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::timeout;

use super::horizon::Horizon;
use crate::postgres::{ANSWER, Trust, ending_stuck_copies, tell_of_stuck_copies};

/// The channel that `begin_append` notifies once a batch, with the name of the node.
const CHANNEL: &str = "chancery_events";
/// Between two beats, and before the server is tried again.
const PULSE: Duration = Duration::from_secs(1);

/// What a node hears from its database.
pub struct Heard {
    /// Counts the wake-ups of all nodes, for ever.
    pub wakeups: watch::Receiver<u64>,
    /// Whether the server answers, and takes writes.
    pub answers: watch::Receiver<bool>,
}

/// Why the listening connection was given up.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the connection was closed")]
    Closed,
    #[error("no answer within {ANSWER:?}")]
    Silent(#[from] tokio::time::error::Elapsed),
}

/// Listens until nobody wants to hear any more, and lets the horizon doubt at the wake-ups of other nodes. When the server is
/// lost, so is all that was connected to it, and what was known of its log.
pub fn listen(options: PgConnectOptions, horizon: Arc<Horizon>, trust: Trust) -> Heard {
    let ((wake, wakeups), (answer, answers)) = (watch::channel(0), watch::channel(true));
    tokio::spawn(async move {
        while !wake.is_closed() {
            let Err(lost) = forward(&options, &wake, &answer, &horizon).await;
            if answer.send_replace(false) {
                tracing::warn!(error = %lost, "the database does not answer");
            }
            trust.withdraw();
            horizon.restart();
            tokio::time::sleep(PULSE).await;
        }
    });
    Heard { wakeups, answers }
}

async fn forward(
    options: &PgConnectOptions,
    wake: &watch::Sender<u64>,
    answer: &watch::Sender<bool>,
    horizon: &Horizon,
) -> Result<std::convert::Infallible, Lost> {
    // A standby refuses to listen.
    let mut listener = timeout(ANSWER, connect(options)).await??;
    let mut head = None;
    loop {
        let now = timeout(ANSWER, end_of_log(&mut listener)).await??;
        if !answer.send_replace(true) {
            tracing::info!("the database answers again");
        }
        // What was missed is found by looking.
        if head.replace(now) != Some(now) {
            horizon.doubt();
            wake.send_modify(|count| *count += 1);
        }
        while let Ok(notification) = timeout(PULSE, listener.try_recv()).await {
            let notification = notification?.ok_or(Lost::Closed)?;
            if notification.payload() != horizon.node() {
                horizon.doubt();
            }
            wake.send_modify(|count| *count += 1);
        }
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

async fn end_of_log(listener: &mut PgListener) -> Result<i64, sqlx::Error> {
    const END: &str = "SELECT coalesce(max(position), 0)";
    let ending = format!("{END}, ({}) FROM events", ending_stuck_copies());
    match sqlx::query_as(&ending).fetch_one(&mut *listener).await {
        Ok((end, ended)) => {
            tell_of_stuck_copies(ended);
            Ok(end)
        }
        // A server that lets nobody end anything answers nevertheless.
        Err(sqlx::Error::Database(_)) => sqlx::query_scalar(&format!("{END} FROM events")).fetch_one(listener).await,
        Err(error) => Err(error),
    }
}
