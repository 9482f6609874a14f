//! One batch of units in one transaction: the lock, conflicts and claims (`begin_append`, whose migration explains order
//! and locks), the events, then the transactional views.

use std::sync::Arc;

use chancery_domain::Recorded;
use chancery_domain::claim::ClaimKind;
use futures_util::StreamExt;
use sqlx::postgres::PgRow;
use sqlx::{Either, Executor, PgConnection, Row};
use time::OffsetDateTime;

use super::StoreError;
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

/// A transaction that has begun and holds the log's lock.
#[derive(Clone, Copy)]
pub(super) struct Opened {
    /// The log's head; positions follow it densely.
    base: i64,
    at: OffsetDateTime,
}

/// Begins a transaction, takes the lock, and learns where the log ends: in one message, since each round trip of the writer
/// is one that all the others wait for. It takes no parameters, which such a message cannot carry.
const OPEN: &str = "BEGIN; SELECT base, at FROM begin_append('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', ";

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

/// Whether the places of the events are free.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Places {
    Hoped,
    Looked,
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
        let batch = self.begin(connection, opened, places).await?;
        let events: Vec<&NewEvent> = batch.kept(self.units).collect();
        insert(connection, &batch, &events).await.map_err(|error| match &error {
            sqlx::Error::Database(refused) if refused.is_unique_violation() => Broken::Taken,
            _ => error.into(),
        })?;
        let recorded: Vec<Recorded> =
            batch.placed(&events).map(|(event, at)| event.recorded(at, batch.end.at)).collect();
        let projected = project(self.projections, connection, &recorded).await;
        projected.map_err(|error| Broken::Otherwise(BatchError::RolledBack(format!("views: {error}"))))?;
        Ok(Outcome { units: batch.results(self.units), base: batch.end.base, recorded })
    }

    /// Begins the transaction, takes the lock, and learns where the log ends and which units may not follow.
    async fn begin(
        &self,
        connection: &mut PgConnection,
        opened: Option<Opened>,
        places: Places,
    ) -> Result<Batch, sqlx::Error> {
        let Self { units, node, .. } = *self;
        if places == Places::Looked || units.iter().copied().flatten().any(|event| !event.claims.is_empty()) {
            if opened.is_none() {
                connection.execute("BEGIN").await?;
            }
            return begin_append(connection, units, node, places).await;
        }
        let opened = match opened {
            Some(opened) => opened,
            None => Opened::read(&connection.fetch_one(sqlx::raw_sql(&format!("{OPEN}'{node}')"))).await?)?,
        };
        Ok(Batch { end: opened, refusals: vec![None; units.len()] })
    }
}

impl Opened {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { base: row.try_get("base")?, at: row.try_get("at")? })
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

/// The answer of `begin_append`.
struct Batch {
    /// The log's, before the batch.
    end: Opened,
    /// For each unit, why it is left out.
    refusals: Vec<Option<String>>,
}

impl Batch {
    fn kept<'a>(&self, units: &[&'a [NewEvent]]) -> impl Iterator<Item = &'a NewEvent> {
        units.iter().zip(&self.refusals).filter(|(_, refusal)| refusal.is_none()).flat_map(|(unit, _)| unit.iter())
    }

    fn placed<'a>(&self, events: &[&'a NewEvent]) -> impl Iterator<Item = (&'a NewEvent, i64)> {
        events.iter().copied().zip(self.end.base + 1..)
    }

    fn results(&self, units: &[&[NewEvent]]) -> Vec<Result<i64, StoreError>> {
        let mut position = self.end.base;
        let result = |(unit, refusal): (&&[NewEvent], &Option<String>)| match refusal {
            None => {
                position += unit.len() as i64;
                Ok(position)
            }
            Some(refusal) => Err(refusal_of(refusal)),
        };
        units.iter().zip(&self.refusals).map(result).collect()
    }
}

fn refusal_of(refusal: &str) -> StoreError {
    match refusal.strip_prefix("claim:").and_then(ClaimKind::parse) {
        Some(kind) => StoreError::Claimed(kind),
        None => StoreError::Conflict,
    }
}

async fn begin_append(
    connection: &mut PgConnection,
    units: &[&[NewEvent]],
    node: &str,
    looked: Places,
) -> Result<Batch, sqlx::Error> {
    let events = || units.iter().enumerate().flat_map(|(at, unit)| unit.iter().map(move |event| (at, event)));
    let claims = || events().flat_map(|(unit, event)| event.claims.iter().map(move |claim| (unit, event, claim)));
    let looked_at = units.iter().enumerate().filter(|_| looked == Places::Looked);
    let places: Vec<_> = looked_at.flat_map(|(at, unit)| first_places(at, unit)).collect();
    let (base, at, refused, refusals): (i64, OffsetDateTime, Option<Vec<i32>>, Option<Vec<String>>) = sqlx::query_as(
        "SELECT base, at, refused_units, refusals FROM begin_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(places.iter().map(|(unit, _)| *unit as i32).collect::<Vec<_>>())
    .bind(places.iter().map(|(_, e)| e.aggregate_type).collect::<Vec<_>>())
    .bind(places.iter().map(|(_, e)| e.aggregate_id.as_str()).collect::<Vec<_>>())
    .bind(places.iter().map(|(_, e)| e.sequence).collect::<Vec<_>>())
    .bind(claims().map(|(unit, ..)| unit as i32).collect::<Vec<_>>())
    .bind(claims().map(|(_, _, (claim, _))| claim.kind.as_str()).collect::<Vec<_>>())
    .bind(claims().map(|(_, _, (_, digest))| digest.as_slice()).collect::<Vec<_>>())
    .bind(claims().map(|(_, e, _)| e.aggregate_type).collect::<Vec<_>>())
    .bind(claims().map(|(_, e, _)| e.aggregate_id.as_str()).collect::<Vec<_>>())
    .bind(node)
    .fetch_one(connection)
    .await?;
    let mut refusal_of_unit = vec![None; units.len()];
    for (unit, refusal) in refused.unwrap_or_default().into_iter().zip(refusals.unwrap_or_default()) {
        if let Some(entry) = usize::try_from(unit).ok().and_then(|unit| refusal_of_unit.get_mut(unit)) {
            *entry = Some(refusal);
        }
    }
    Ok(Batch { end: Opened { base, at }, refusals: refusal_of_unit })
}

/// The first event of a unit in each of its streams.
fn first_places(unit: usize, events: &[NewEvent]) -> impl Iterator<Item = (usize, &NewEvent)> {
    let opens = move |at: &usize| {
        let stream = |event: &NewEvent| (event.aggregate_type, event.aggregate_id.clone());
        !events[..*at].iter().any(|earlier| stream(earlier) == stream(&events[*at]))
    };
    (0..events.len()).filter(opens).map(move |at| (unit, &events[at]))
}

async fn insert(connection: &mut PgConnection, batch: &Batch, events: &[&NewEvent]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let mut rows = CopyRows::new(
        "events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, event_id, salt, \
         position, recorded_at, leaf_hash)",
    );
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
    rows.send(connection).await
}
