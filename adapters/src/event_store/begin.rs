//! How a batch begins: with the lock, where the log ends, and which units may not follow (`begin_append`, whose migration
//! explains order and locks).

use chancery_domain::claim::ClaimKind;
use sqlx::postgres::PgRow;
use sqlx::{Executor, PgConnection, Row};
use time::OffsetDateTime;

use super::StoreError;
use super::row::NewEvent;

/// A transaction that has begun and holds the log's lock.
#[derive(Clone, Copy)]
pub struct Opened {
    /// The log's head; positions follow it densely.
    pub base: i64,
    pub at: OffsetDateTime,
}

/// Begins a transaction, takes the lock, and learns where the log ends: in one message, since each round trip of the writer
/// is one that all the others wait for. It takes no parameters, which such a message cannot carry.
pub const OPEN: &str =
    "BEGIN; SELECT base, at FROM begin_append('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', ";

impl Opened {
    pub fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { base: row.try_get("base")?, at: row.try_get("at")? })
    }
}

/// Whether the places of the events are free.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Places {
    Hoped,
    Looked,
}

/// The answer of `begin_append`.
pub struct Batch {
    /// The log's, before the batch.
    pub end: Opened,
    /// For each unit, why it is left out.
    refusals: Vec<Option<String>>,
}

impl Batch {
    pub fn kept<'a>(&self, units: &[&'a [NewEvent]]) -> impl Iterator<Item = &'a NewEvent> {
        units.iter().zip(&self.refusals).filter(|(_, refusal)| refusal.is_none()).flat_map(|(unit, _)| unit.iter())
    }

    pub fn placed<'a>(&self, events: &[&'a NewEvent]) -> impl Iterator<Item = (&'a NewEvent, i64)> {
        events.iter().copied().zip(self.end.base + 1..)
    }

    pub fn results(&self, units: &[&[NewEvent]]) -> Vec<Result<i64, StoreError>> {
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

/// Begins the transaction, takes the lock, and learns where the log ends and which units may not follow.
pub async fn begin(
    connection: &mut PgConnection,
    units: &[&[NewEvent]],
    node: &str,
    opened: Option<Opened>,
    places: Places,
) -> Result<Batch, sqlx::Error> {
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
