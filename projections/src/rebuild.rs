//! Rebuilding every view from the log, beside the live ones, and comparing.
//!
//! A shadow schema is made with the same tables, the same projections fill it from position 1, and at the end, under the
//! append lock, when both schemas stand at the same position and lack the same old rows (`prune`), they are compared row by
//! row. With `swap`, the shadow
//! then takes the place of the live schema in the same transaction.

use std::sync::Arc;

use chancery_adapters::event_store::{Feed, FeedError, Projection, ProjectionError, project};
use sqlx::{Connection, Executor, PgConnection};

use crate::prune;

const BATCH: i64 = 2_000;
const SHADOW: &str = "views_rebuilt";

/// What a rebuild found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The position at which the two were compared.
    pub position: i64,
    pub tables: Vec<Compared>,
    pub swapped: bool,
}

/// One table, live and rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    pub table: String,
    pub rows: i64,
    /// Rows that only one of the two has.
    pub differing: i64,
}

impl Report {
    pub fn equal(&self) -> bool {
        self.tables.iter().all(|table| table.differing == 0)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Rebuilds through `connection`, which belongs to the schema's owner. `transactional` views stand at the log's head;
/// `catch_up` ones are compared where their live checkpoint stands. `progress` hears (position, head) now and then.
///
/// # Errors
/// An event that cannot be read or applied; the live views are untouched then.
pub async fn rebuild(
    connection: &mut PgConnection,
    feed: &Feed,
    transactional: &[Arc<dyn Projection>],
    catch_up: &[Arc<dyn Projection>],
    swap: bool,
    mut progress: impl FnMut(i64, i64),
) -> Result<Report, RebuildError> {
    let tables = make_shadow(connection).await?;
    let head = feed.head().await?;
    let mut position = 0;
    while position < head {
        position = advance(connection, feed, position, head, transactional).await?;
        progress(position, head);
    }
    let mut followed = Vec::with_capacity(catch_up.len());
    for projection in catch_up {
        followed.push(follow_live(connection, feed, 0, projection, "").await?);
    }

    let mut transaction = connection.begin().await?;
    // No append can commit from here on: the rest of the log is short and the two stand still.
    transaction.execute("SELECT pg_advisory_xact_lock(4207849484)").await?;
    let head = sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM events").fetch_one(&mut *transaction).await?;
    while position < head {
        position = advance(&mut transaction, feed, position, head, transactional).await?;
    }
    for (projection, at) in catch_up.iter().zip(followed) {
        // Taking the checkpoint's row stops the live runner until this transaction ends.
        let at = follow_live(&mut transaction, feed, at, projection, "FOR UPDATE").await?;
        sqlx::query("INSERT INTO checkpoints (projection, position) VALUES ($1, $2)")
            .bind(projection.name())
            .bind(at)
            .execute(&mut *transaction)
            .await?;
    }
    prune::level(&mut transaction, SHADOW).await?;
    let mut compared = Vec::new();
    for table in tables {
        compared.push(compare(&mut transaction, &table).await?);
    }
    let report = Report { position: head, tables: compared, swapped: swap };
    if swap {
        transaction.execute("ALTER SCHEMA views RENAME TO views_replaced").await?;
        transaction.execute(format!("ALTER SCHEMA {SHADOW} RENAME TO views").as_str()).await?;
        transaction.execute("DROP SCHEMA views_replaced CASCADE").await?;
    } else {
        transaction.execute(format!("DROP SCHEMA {SHADOW} CASCADE").as_str()).await?;
    }
    transaction.commit().await?;
    connection.execute("SET search_path = views, public").await?;
    Ok(report)
}

async fn make_shadow(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    connection.execute(format!("DROP SCHEMA IF EXISTS {SHADOW} CASCADE; CREATE SCHEMA {SHADOW}").as_str()).await?;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'views' ORDER BY tablename")
            .fetch_all(&mut *connection)
            .await?;
    for table in &tables {
        let create = format!("CREATE TABLE {SHADOW}.{table} (LIKE views.{table} INCLUDING ALL)");
        connection.execute(create.as_str()).await?;
    }
    connection.execute(format!("SET search_path = {SHADOW}, public").as_str()).await?;
    Ok(tables)
}

async fn advance(
    connection: &mut PgConnection,
    feed: &Feed,
    after: i64,
    head: i64,
    projections: &[Arc<dyn Projection>],
) -> Result<i64, RebuildError> {
    let events = feed.read_on(&mut *connection, after, BATCH.min(head - after)).await?;
    let mut transaction = connection.begin().await?;
    project(projections, &mut transaction, &events).await?;
    transaction.commit().await?;
    Ok(events.last().map_or(head, |last| last.position))
}

/// Brings a catch-up view to where its live checkpoint stands.
async fn follow_live(
    connection: &mut PgConnection,
    feed: &Feed,
    from: i64,
    projection: &Arc<dyn Projection>,
    lock: &str,
) -> Result<i64, RebuildError> {
    let sql = format!("SELECT position FROM views.checkpoints WHERE projection = $1 {lock}");
    let live: Option<i64> = sqlx::query_scalar(&sql).bind(projection.name()).fetch_optional(&mut *connection).await?;
    let live = live.unwrap_or(0);
    let mut at = from;
    while at < live {
        at = advance(connection, feed, at, live, std::slice::from_ref(projection)).await?;
    }
    Ok(at)
}

async fn compare(connection: &mut PgConnection, table: &str) -> Result<Compared, sqlx::Error> {
    let sql = format!(
        "SELECT (SELECT count(*) FROM {SHADOW}.{table}),
                (SELECT count(*) FROM (TABLE {SHADOW}.{table} EXCEPT ALL TABLE views.{table}) AS only_rebuilt)
              + (SELECT count(*) FROM (TABLE views.{table} EXCEPT ALL TABLE {SHADOW}.{table}) AS only_live)"
    );
    let (rows, differing) = sqlx::query_as(&sql).fetch_one(connection).await?;
    Ok(Compared { table: table.to_owned(), rows, differing })
}
