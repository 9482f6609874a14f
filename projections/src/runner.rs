//! The catch-up runner: moves each projection along the log, by position, in its own transaction.
//!
//! The checkpoint row is locked with `SKIP LOCKED` and moves in the same transaction as the view's rows: the lock is the
//! lease between nodes, the checkpoint the fence, so each event takes effect exactly once, wherever a node dies.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chancery_adapters::event_store::{Feed, FeedError, Projection, ProjectionError, project};
use chancery_adapters::postgres;
use chancery_domain::Recorded;
use futures_util::FutureExt;
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::watch;
use tracing::Instrument;

/// Events taken in one transaction.
const BATCH: i64 = 500;
/// How often a projection that has taken everything looks without being woken: every append wakes it, here and, by
/// NOTIFY, on all nodes.
const SWEEP: Duration = Duration::from_secs(10);
/// How often it looks how far another node has brought it.
const LOOK: Duration = Duration::from_secs(1);
/// How long another node may hold it without moving it.
const STUCK: Duration = Duration::from_secs(3);
/// How long a projection that has taken everything waits before it takes on.
const GATHERING: Duration = Duration::from_millis(20);
/// How long one transaction may take. A connection that was cut says nothing, and another node may go on meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a projection that failed waits before it tries again.
const RETRY: Duration = Duration::from_secs(5);

/// One projection on its way along the log.
pub struct Runner {
    pool: PgPool,
    feed: Feed,
    projection: Arc<dyn Projection>,
    position: watch::Sender<i64>,
    told: Option<Told>,
}

/// Hears of the events that a projection has taken.
pub type Told = Box<dyn Fn(&[Recorded]) + Send + Sync>;

/// What one step along the log came to.
enum Step {
    /// Another node holds the checkpoint.
    Elsewhere,
    /// Everything has been taken.
    Idle,
    Advanced {
        /// There is more than one transaction takes.
        behind: bool,
    },
}

/// Why a projection stands still.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("the database did not answer within {PATIENCE:?}")]
    Silent,
    #[error("it panicked")]
    Panicked,
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Stopped {
    /// A database that is away comes back; an event that cannot be taken needs somebody.
    fn tell(&self, projection: &str) {
        let is_away = match self {
            Self::Silent => true,
            Self::Database(error)
            | Self::Feed(FeedError::Database(error))
            | Self::Projection(ProjectionError::Database(error)) => postgres::is_away(error),
            Self::Panicked | Self::Feed(_) | Self::Projection(_) => false,
        };
        match is_away {
            true => tracing::warn!(projection, error = %self, "a projection waits for the database"),
            false => tracing::error!(projection, error = %self, "a projection stopped"),
        }
    }
}

impl Runner {
    pub fn new(pool: PgPool, feed: Feed, projection: Arc<dyn Projection>) -> Self {
        Self { pool, feed, projection, position: watch::Sender::new(0), told: None }
    }

    /// Each event is told once it has been taken, by the node that did; not again after a crash in between.
    pub fn telling(self, told: Told) -> Self {
        Self { told: Some(told), ..self }
    }

    /// How far this node has seen the projection come.
    pub fn position(&self) -> watch::Receiver<i64> {
        self.position.subscribe()
    }

    /// Runs until the process ends. A poison event stops this projection alone: the failure is kept beside the
    /// checkpoint for health and metrics, and nothing is skipped.
    pub async fn run(self, mut local: watch::Receiver<i64>, mut remote: watch::Receiver<u64>) {
        let mut failing = false;
        let mut moved = (0, Instant::now());
        loop {
            let step = AssertUnwindSafe(self.step()).catch_unwind().map(|step| step.unwrap_or(Err(Stopped::Panicked)));
            let pause = match tokio::time::timeout(PATIENCE, step).await.unwrap_or(Err(Stopped::Silent)) {
                Ok(Step::Advanced { behind }) => {
                    failing = false;
                    if !behind {
                        // Under load the log grows all the time: a moment later one transaction takes more of it.
                        tokio::time::sleep(GATHERING).await;
                    }
                    continue;
                }
                Ok(Step::Idle) => SWEEP,
                Ok(Step::Elsewhere) => LOOK,
                Err(error) => {
                    if !failing {
                        error.tell(self.projection.name());
                    }
                    failing = true;
                    self.note_failure(&error).await;
                    RETRY
                }
            };
            self.free(&mut moved, pause == LOOK).await;
            tokio::select! {
                Ok(()) = local.changed() => {}
                Ok(()) = remote.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Frees the projection from a node that fell silent with it, where that has not moved it for a while.
    async fn free(&self, moved: &mut (i64, Instant), is_elsewhere: bool) {
        let position = *self.position.borrow();
        if !is_elsewhere || position != moved.0 {
            *moved = (position, Instant::now());
        } else if moved.1.elapsed() > STUCK {
            // Once a look, however often it is woken.
            moved.1 += LOOK;
            let ending = postgres::ending_stuck_copies();
            let ended = sqlx::query_scalar(&ending).fetch_one(&self.pool);
            match tokio::time::timeout(PATIENCE, ended).await {
                Ok(Ok(ended)) => postgres::tell_of_stuck_copies(ended),
                Ok(Err(error)) => tracing::debug!(%error, "nothing can be freed of a node that is silent"),
                Err(_) => {}
            }
        }
    }

    async fn step(&self) -> Result<Step, Stopped> {
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin().await?;
        let Some((position, failed)) = lock_checkpoint(&mut transaction, self.projection.name()).await? else {
            drop(transaction);
            self.look().await?;
            return Ok(Step::Elsewhere);
        };
        let events = self.feed.follow_on(&mut transaction, position, BATCH).await?;
        let Some(last) = events.last() else {
            if failed {
                // There is nothing that it could not take: the database was away, and is back.
                self.forget_failure(transaction).await?;
            }
            self.position.send_replace(position);
            return Ok(Step::Idle);
        };
        let name = self.projection.name();
        let span = tracing::debug_span!(parent: None, "projection", projection = name, events = events.len());
        self.advance(transaction, &events, last.position).instrument(span).await?;
        Ok(Step::Advanced { behind: events.len() as i64 == BATCH })
    }

    async fn advance(
        &self,
        mut transaction: Transaction<'_, Postgres>,
        events: &[Recorded],
        position: i64,
    ) -> Result<(), Stopped> {
        project(std::slice::from_ref(&self.projection), &mut transaction, events).await?;
        sqlx::query("UPDATE checkpoints SET position = $2, failure = NULL WHERE projection = $1")
            .bind(self.projection.name())
            .bind(position)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.position.send_replace(position);
        if let Some(told) = &self.told {
            told(events);
        }
        Ok(())
    }

    /// Another node moves the projection: those who wait here still want to know how far it is.
    async fn look(&self) -> Result<(), sqlx::Error> {
        let position = sqlx::query_scalar("SELECT position FROM checkpoints WHERE projection = $1")
            .bind(self.projection.name())
            .fetch_one(&self.pool)
            .await?;
        self.feed.passed(position);
        self.position.send_replace(position);
        Ok(())
    }

    async fn forget_failure(&self, mut transaction: Transaction<'_, Postgres>) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE checkpoints SET failure = NULL WHERE projection = $1")
            .bind(self.projection.name())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    async fn note_failure(&self, error: &Stopped) {
        let noted = sqlx::query("UPDATE checkpoints SET failure = $2 WHERE projection = $1")
            .bind(self.projection.name())
            .bind(error.to_string())
            .execute(&self.pool)
            .await;
        if let Err(error) = noted {
            tracing::debug!(%error, "the failure of a projection could not be noted");
        }
    }
}

/// Waits until a projection has taken an event, so that a page shows what its own request did. Gives up after `patience`
/// and answers whether it got there.
pub async fn reached(mut positions: watch::Receiver<i64>, position: i64, patience: Duration) -> bool {
    let arrived = positions.wait_for(|at| *at >= position);
    matches!(tokio::time::timeout(patience, arrived).await, Ok(Ok(_)))
}

/// Makes the checkpoint on the first run.
async fn lock_checkpoint(connection: &mut PgConnection, name: &str) -> Result<Option<(i64, bool)>, sqlx::Error> {
    let lock = "SELECT position, failure IS NOT NULL FROM checkpoints WHERE projection = $1 FOR UPDATE SKIP LOCKED";
    if let Some(checkpoint) = sqlx::query_as(lock).bind(name).fetch_optional(&mut *connection).await? {
        return Ok(Some(checkpoint));
    }
    sqlx::query("INSERT INTO checkpoints (projection) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(name)
        .execute(&mut *connection)
        .await?;
    sqlx::query_as(lock).bind(name).fetch_optional(connection).await
}
