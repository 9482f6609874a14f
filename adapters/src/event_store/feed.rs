//! The log in order of position, unsealed and decoded.

use std::collections::HashMap;
use std::sync::Arc;

use chancery_domain::context::Context;
use chancery_domain::event::UnreadableEvent;
use chancery_domain::{Event, Recorded};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::recent::Recent;
use crate::vault::{Binding, Vault, VaultError};

const COLUMNS: &str = "position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, \
                       recorded_at, payload, metadata";

/// Reads the log.
#[derive(Clone)]
pub struct Feed {
    pool: PgPool,
    vault: Vault,
    recent: Arc<Recent>,
}

/// Why the log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Positions are dense: a hole is corruption or tampering.
    #[error("the log has a hole: after position {after} comes {found}")]
    Hole { after: i64, found: i64 },
    #[error("the event at position {position} cannot be read: {reason}")]
    Unreadable { position: i64, reason: String },
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// An event as it is stored, sealed.
#[derive(Clone, Debug, FromRow)]
pub struct StoredRow {
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: String,
    pub event_version: String,
    pub recorded_at: OffsetDateTime,
    pub payload: Value,
    pub metadata: Value,
}

/// That something happened, and to which stream.
#[derive(Clone, Debug, FromRow)]
pub struct StreamNews {
    pub aggregate_id: String,
    pub event_type: String,
}

impl Feed {
    pub(super) fn new(pool: PgPool, vault: Vault, recent: Arc<Recent>) -> Self {
        Self { pool, vault, recent }
    }

    /// At most `limit` events after a position.
    ///
    /// # Errors
    /// [`FeedError::Hole`] where a position is missing, [`FeedError::Unreadable`] for an event that this release does
    /// not know: nothing is ever skipped.
    pub async fn read(&self, after: i64, limit: i64) -> Result<Vec<Recorded>, FeedError> {
        self.read_on(&self.pool, after, limit).await
    }

    /// What happened after a position and up to another, of these kinds only.
    ///
    /// # Errors
    /// As [`Feed::read`].
    pub async fn between(&self, after: i64, up_to: i64, event_types: &[&str]) -> Result<Vec<Recorded>, FeedError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE position > $1 AND position <= $2 AND event_type = ANY($3)
             ORDER BY position"
        );
        let rows = sqlx::query_as(&sql).bind(after).bind(up_to).bind(event_types).fetch_all(&self.pool).await?;
        self.open(rows).await
    }

    /// Which streams had events of these kinds (as `LIKE` takes them) after a position and up to another, without a look
    /// into them: one that cannot be read is news too.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn news(&self, after: i64, up_to: i64, event_types: &[&str]) -> Result<Vec<StreamNews>, FeedError> {
        let sql = "SELECT aggregate_id, event_type FROM events
                   WHERE position > $1 AND position <= $2 AND event_type LIKE ANY($3) ORDER BY position";
        Ok(sqlx::query_as(sql).bind(after).bind(up_to).bind(event_types).fetch_all(&self.pool).await?)
    }

    /// [`Feed::read`] through a given connection, to see what its transaction sees.
    ///
    /// # Errors
    /// As [`Feed::read`].
    pub async fn read_on(
        &self,
        executor: impl PgExecutor<'_>,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, FeedError> {
        let rows = select(executor, after, limit).await?;
        self.open(rows).await
    }

    /// The same for whoever follows right behind the log: of what this node recorded itself, only the last event is looked
    /// up. If that is in its place, this is the log that it was recorded in, and so are those before it.
    ///
    /// # Errors
    /// As [`Feed::read`].
    pub async fn follow_on(
        &self,
        connection: &mut PgConnection,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, FeedError> {
        let recent = self.recent.take(after, usize::try_from(limit).unwrap_or_default());
        if let Some(last) = recent.last() {
            let in_its_place = sqlx::query_scalar("SELECT event_id FROM events WHERE position = $1")
                .bind(last.position)
                .fetch_optional(&mut *connection)
                .await?;
            if in_its_place == Some(last.event_id) {
                return Ok(recent);
            }
        }
        self.read_on(connection, after, limit).await
    }

    /// What is up to here will not be followed from this node: it need not stay in memory, where an erasure does not reach.
    pub fn passed(&self, position: i64) {
        self.recent.forget_up_to(position);
    }

    /// The same as JSON, for people who look into the log: personal values opened, nothing decoded.
    ///
    /// # Errors
    /// As [`Feed::read`], but for events that this release does not know.
    pub async fn read_json(&self, after: i64, limit: i64) -> Result<Vec<StoredRow>, FeedError> {
        let mut rows = select(&self.pool, after, limit).await?;
        let origins = self.unseal(&mut rows, true).await?;
        for (row, origin) in rows.iter_mut().zip(origins) {
            if !origin.is_null() {
                row.metadata["origin"] = origin;
            }
        }
        Ok(rows)
    }

    /// The position of the last event; 0 for an empty log.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn head(&self) -> Result<i64, FeedError> {
        let head = sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM events");
        Ok(head.fetch_one(&self.pool).await?)
    }

    async fn open(&self, mut rows: Vec<StoredRow>) -> Result<Vec<Recorded>, FeedError> {
        let origins = self.unseal(&mut rows, false).await?;
        rows.into_iter().zip(origins).map(|(row, origin)| decode(row, &origin)).collect()
    }

    /// Opens the payloads in place, and hands out the origins, which are JSON inside a text.
    async fn unseal(&self, rows: &mut [StoredRow], for_people: bool) -> Result<Vec<Value>, FeedError> {
        let mut origins: Vec<Value> = rows.iter().map(|row| origin(&row.metadata)).collect();
        let mut documents = Vec::with_capacity(rows.len() * 2);
        for (row, origin) in rows.iter_mut().zip(&mut origins) {
            let binding = Binding {
                aggregate_type: &row.aggregate_type,
                aggregate_id: &row.aggregate_id,
                sequence: row.sequence,
                event_type: &row.event_type,
                event_version: &row.event_version,
                part: "payload",
            };
            documents.push((binding, &mut row.payload));
            documents.push((Binding { part: "metadata", ..binding }, origin));
        }
        match for_people {
            true => self.vault.unseal_for_people(&mut documents).await?,
            false => self.vault.unseal(&mut documents).await?,
        }
        Ok(origins)
    }
}

async fn select(executor: impl PgExecutor<'_>, after: i64, limit: i64) -> Result<Vec<StoredRow>, FeedError> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE position > $1 ORDER BY position LIMIT $2");
    let rows: Vec<StoredRow> = sqlx::query_as(&sql).bind(after).bind(limit).fetch_all(executor).await?;
    for (row, expected) in rows.iter().zip(after.saturating_add(1)..) {
        if row.position != expected {
            return Err(FeedError::Hole { after: expected - 1, found: row.position });
        }
    }
    Ok(rows)
}

fn origin(metadata: &Value) -> Value {
    let text = metadata.get("origin").and_then(Value::as_str);
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

fn decode(row: StoredRow, origin: &Value) -> Result<Recorded, FeedError> {
    let position = row.position;
    let unreadable = |reason: String| FeedError::Unreadable { position, reason };
    let event = Event::decode(&row.aggregate_type, &row.payload)
        .map_err(|error: UnreadableEvent| unreadable(error.to_string()))?;
    let mut metadata: HashMap<String, String> =
        serde_json::from_value(row.metadata).map_err(|error| unreadable(error.to_string()))?;
    if !origin.is_null() {
        metadata.insert("origin".to_owned(), origin.to_string());
    }
    let context = Context::from_metadata(&metadata).ok_or_else(|| unreadable("malformed metadata".to_owned()))?;
    Ok(Recorded {
        position,
        event_id: row.event_id,
        aggregate_id: row.aggregate_id,
        sequence: row.sequence,
        recorded_at: row.recorded_at,
        context,
        event,
    })
}
