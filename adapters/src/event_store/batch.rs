//! One batch of units in one transaction: what `begin` finds out, the events, then the transactional views.

use std::sync::Arc;

use chancery_domain::Recorded;
use futures_util::StreamExt;
use futures_util::future::join;
use sqlx::{Either, Executor, PgConnection};

use super::StoreError;
use super::begin::{Batch, OPEN, Opened, Places, begin};
use super::copy::CopyRows;
use super::leaf::leaf_hash;
use super::projection::{Projection, project};
use super::row::NewEvent;

/// What became of a batch.
pub(super) struct Outcome {
    /// For each unit: the position of its last event, or its refusal.
    pub units: Vec<Result<i64, StoreError>>,
    /// What follows the log's head as it was before the batch.
    pub base: i64,
    pub recorded: Vec<Recorded>,
}

/// Where a batch broke.
pub(super) enum BatchError {
    /// Before the commit: nothing was recorded.
    RolledBack(String),
    /// In the commit: nobody knows yet.
    Unknown(String),
}

/// When what is committed is safe from a crash of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// By the commit, as the database is configured.
    AtOnce,
    /// By the next flush; the commit waits for nothing.
    Later,
}

/// What is to be committed, and how.
pub(super) struct Commit<'a> {
    pub projections: &'a [Arc<dyn Projection>],
    pub units: &'a [&'a [NewEvent]],
    pub node: &'a str,
    pub kept: Kept,
    /// The transaction, if the batch before has opened it.
    pub opened: Option<Opened>,
    /// Whether to open the next one with the commit of this batch, which followed the given head.
    pub goes_on: &'a (dyn Fn(i64) -> bool + Sync),
}

enum Broken {
    /// A place was hoped to be free.
    Taken,
    Otherwise(BatchError),
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Self::Otherwise(rolled_back(error))
    }
}

impl Commit<'_> {
    /// First without looking whether the events' places are free, which the insert finds out by itself, but only for all
    /// units together; where one was taken, again with a look at each.
    ///
    /// Answers with the transaction of the next batch, if that was asked for, too.
    pub async fn run(&self, connection: &mut PgConnection) -> Result<(Outcome, Option<Opened>), BatchError> {
        match self.attempt(connection, self.opened, Places::Hoped).await {
            Err(Broken::Taken) => self.attempt(connection, None, Places::Looked).await,
            done => done,
        }
        .map_err(|broken| match broken {
            Broken::Taken => BatchError::RolledBack("an event's place is taken by nobody".to_owned()),
            Broken::Otherwise(error) => error,
        })
    }

    async fn attempt(
        &self,
        connection: &mut PgConnection,
        opened: Option<Opened>,
        places: Places,
    ) -> Result<(Outcome, Option<Opened>), Broken> {
        match self.write(connection, opened, places).await {
            Ok(outcome) => {
                let opened = self.commit(connection, (self.goes_on)(outcome.base)).await?;
                Ok((outcome, opened))
            }
            Err(broken) => {
                // Nothing was recorded in any case.
                roll_back(connection).await;
                Err(broken)
            }
        }
    }

    /// Commits, and opens the next transaction in the same message if it is known to be needed.
    async fn commit(&self, connection: &mut PgConnection, go_on: bool) -> Result<Option<Opened>, Broken> {
        let interrupted = |error: sqlx::Error| Broken::Otherwise(BatchError::Unknown(error.to_string()));
        let commit = match self.kept {
            Kept::AtOnce => "COMMIT",
            Kept::Later => "SET LOCAL synchronous_commit = off; COMMIT",
        };
        if !go_on {
            connection.execute(commit).await.map_err(interrupted)?;
            return Ok(None);
        }
        let statements = commit.split(';').count();
        let (mut done, mut opened) = (0, Ok(None));
        {
            let message = format!("{commit}; {OPEN}'{}')", self.node);
            let mut answers = sqlx::raw_sql(&message).fetch_many(&mut *connection);
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(Either::Left(_)) => done += 1,
                    Ok(Either::Right(row)) => opened = Opened::read(&row).map(Some),
                    Err(error) if done < statements => return Err(interrupted(error)),
                    // This batch is committed; the next one opens its own transaction.
                    Err(error) => opened = Err(error),
                }
            }
        }
        if let Err(error) = &opened {
            tracing::warn!(%error, "the next batch was not begun");
            roll_back(connection).await;
        }
        Ok(opened.unwrap_or_default())
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        opened: Option<Opened>,
        places: Places,
    ) -> Result<Outcome, Broken> {
        let batch = begin(connection, self.units, self.node, opened, places).await?;
        let events: Vec<&NewEvent> = batch.kept(self.units).collect();
        let recorded = insert(connection, &batch, &events).await.map_err(|error| match &error {
            sqlx::Error::Database(refused) if refused.is_unique_violation() => Broken::Taken,
            _ => error.into(),
        })?;
        let projected = project(self.projections, connection, &recorded).await;
        projected.map_err(|error| Broken::Otherwise(BatchError::RolledBack(format!("views: {error}"))))?;
        Ok(Outcome { units: batch.results(self.units), base: batch.end.base, recorded })
    }
}

/// A connection that is lost will show it.
pub(super) async fn roll_back(connection: &mut PgConnection) {
    if let Err(error) = connection.execute("ROLLBACK").await {
        tracing::debug!(%error, "a batch was not rolled back in so many words");
    }
}

fn rolled_back(error: sqlx::Error) -> BatchError {
    BatchError::RolledBack(error.to_string())
}

/// Inserts the events, and makes of them what the views take while the server does so.
async fn insert(
    connection: &mut PgConnection,
    batch: &Batch,
    events: &[&NewEvent],
) -> Result<Vec<Recorded>, sqlx::Error> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let columns = "events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, event_id, \
                   salt, position, recorded_at, leaf_hash)";
    let copying = CopyRows::send(columns, connection, |rows| {
        for (event, position) in batch.placed(events) {
            rows.row()
                .value(event.aggregate_type)?
                .value(event.aggregate_id.as_str())?
                .value(event.sequence)?
                .value(event.event_type)?
                .value(event.event_version.as_str())?
                .value(event.payload.as_str())?
                .value(event.metadata.as_str())?
                .value(event.event_id)?
                .value(event.salt.as_slice())?
                .value(position)?
                .value(batch.end.at)?
                .value(leaf_hash(event, position, batch.end.at).as_slice())?;
        }
        Ok(())
    });
    let recorded = async { batch.placed(events).map(|(event, at)| event.recorded(at, batch.end.at)).collect() };
    let (inserted, recorded) = join(copying.await?.finish(), recorded).await;
    inserted.map(|()| recorded)
}
