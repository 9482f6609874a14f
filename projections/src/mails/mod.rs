//! The outbox of mails: follows the log, writes down which mails its events ask for, and keeps what became of them.
//!
//! No event, no mail; and of two nodes one writes, in the transaction that moves the checkpoint, so that each event asks
//! once. It is no view: its tables and its checkpoint stay where they are when the views are rebuilt.

mod letter;
pub mod queue;

use chancery_adapters::event_store::{Feed, FeedError};
use chancery_adapters::postgres;
use opentelemetry::global;
use opentelemetry::metrics::Counter;
use sqlx::types::Json;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::watch;

use self::letter::{Asked, asked};
pub use self::letter::{Device, Letter, Whence};

/// Positions taken in one transaction.
const BATCH: i64 = 2_000;
/// Mails that a person, or an address, is sent within an hour; whatever an attacker makes happen, no mailbox is flooded
/// (RL-08).
const HOURLY: i64 = 20;
/// How long one transaction may take; see the runner of views.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// The kinds of events that anybody is told about.
const TOLD: &[&str] = &[
    "enrollment.issued",
    "enrollment.redeemed",
    "grant.refresh_reuse_detected",
    "session.started",
    "user.email_verification_requested",
    "user.passkey_enrolled",
    "user.passkey_removed",
    "user.passkey_suspended",
    "user.profile_changed",
    "user.test_mail_requested",
];

/// Writes mails down.
pub struct Outbox {
    pool: PgPool,
    feed: Feed,
    /// A user agent in words.
    device: Device,
    /// Whether people hear of sign-ins on a device or at a place that is new.
    sign_ins: bool,
    /// Wakes whoever sends.
    queued: watch::Sender<()>,
    dropped: Counter<u64>,
}

#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("the database did not answer within {PATIENCE:?}")]
    Silent,
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Stopped {
    /// A database that is away comes back; an event that cannot be read needs somebody.
    fn tell(&self) {
        let is_away = match self {
            Self::Silent => true,
            Self::Database(error) | Self::Feed(FeedError::Database(error)) => postgres::is_away(error),
            Self::Feed(_) => false,
        };
        match is_away {
            true => tracing::warn!(error = %self, "the outbox waits for the database"),
            false => tracing::error!(error = %self, "the outbox stopped"),
        }
    }
}

impl Outbox {
    pub fn new(pool: PgPool, feed: Feed, device: Device, sign_ins: bool) -> Self {
        let dropped = global::meter("chancery")
            .u64_counter("chancery.mails.dropped")
            .with_description("Mails that were one too many to one person or address")
            .build();
        Self { pool, feed, device, sign_ins, queued: watch::Sender::new(()), dropped }
    }

    pub fn queued(&self) -> watch::Receiver<()> {
        self.queued.subscribe()
    }

    /// Runs until the process ends, behind the history: that knows from where a person signed in before.
    pub async fn run(self, mut history: watch::Receiver<i64>) {
        let mut taken = 0;
        while history.changed().await.is_ok() {
            let up_to = *history.borrow_and_update();
            while taken < up_to {
                let step = tokio::time::timeout(PATIENCE, self.step(up_to)).await;
                match step.unwrap_or(Err(Stopped::Silent)) {
                    Ok(Some(position)) => taken = position,
                    // Another node is at it.
                    Ok(None) => break,
                    Err(error) => {
                        error.tell();
                        tokio::time::sleep(RETRY).await;
                        break;
                    }
                }
            }
        }
    }

    async fn step(&self, up_to: i64) -> Result<Option<i64>, Stopped> {
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin().await?;
        let lock = "SELECT position FROM outbox_checkpoints WHERE outbox = 'mails' FOR UPDATE SKIP LOCKED";
        let position: Option<i64> = sqlx::query_scalar(lock).fetch_optional(&mut *transaction).await?;
        let Some(position) = position else { return Ok(None) };
        let up_to = up_to.min(position + BATCH);
        if up_to <= position {
            return Ok(Some(position));
        }
        let told: Vec<&str> = TOLD.iter().copied().filter(|name| self.sign_ins || *name != "session.started").collect();
        let mut any = false;
        for recorded in self.feed.between(position, up_to, &told).await? {
            for asked in asked(&mut transaction, &recorded, self.device).await? {
                match write(&mut transaction, &recorded, &asked).await? {
                    true => any = true,
                    false => self.dropped.add(1, &[]),
                }
            }
        }
        sqlx::query("UPDATE outbox_checkpoints SET position = $1 WHERE outbox = 'mails'")
            .bind(up_to)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        if any {
            self.queued.send_replace(());
        }
        Ok(Some(up_to))
    }
}

async fn write(
    connection: &mut PgConnection,
    recorded: &chancery_domain::Recorded,
    asked: &Asked,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query(
        "INSERT INTO mails (position, recipient, event_id, user_id, letter, queued_at)
         SELECT $1, $2, $3, $4, $5, $6
         WHERE (SELECT count(*) FROM mails
                WHERE (user_id = $4 OR lower(recipient) = lower($2)) AND queued_at > $6 - interval '1 hour') < $7
         ON CONFLICT DO NOTHING",
    )
    .bind(recorded.position)
    .bind(&asked.recipient)
    .bind(recorded.event_id)
    .bind(asked.user.0)
    .bind(Json(&asked.letter))
    .bind(recorded.recorded_at)
    .bind(HOURLY)
    .execute(connection)
    .await?;
    if written.rows_affected() == 0 {
        tracing::warn!(position = recorded.position, "too many mails to one person: this one is not sent");
    }
    Ok(written.rows_affected() > 0)
}
