//! Rebuilding every view from the log, beside the live ones, and comparing.
//!
//! A shadow schema is made with the same tables, and the same projections fill it from position 1. Row by row it is compared
//! in a snapshot, in which both schemas stand at the same position: an append writes its events and its views in one
//! transaction, and a view that follows has its checkpoint moved in its own. So nobody waits for the comparison. With `swap`,
//! the shadow is then brought to the log's end under the append lock, and takes the place of the live schema.

use std::sync::Arc;

use chancery_adapters::event_store::{Feed, FeedError, Projection, ProjectionError, project};
use sqlx::{Connection, Executor, PgConnection};

use crate::prune;

const BATCH: i64 = 2_000;
const SHADOW: &str = "views_rebuilt";
/// All nodes wait for the swap. One that cannot have the tables, since a backup reads them, or that is stopped half way, gives
/// up and can be repeated.
const LIMITS: &str = "SET LOCAL lock_timeout = '3s'; SET LOCAL idle_in_transaction_session_timeout = '3s'";

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
    let mut shadow = Shadow { feed, transactional, catch_up, position: 0, followed: vec![0; catch_up.len()] };
    let head = feed.head().await?;
    while shadow.position < head {
        shadow.position = advance(connection, feed, shadow.position, head, transactional).await?;
        progress(shadow.position, head);
    }
    shadow.follow(connection, "").await?;

    let mut report = shadow.compare(connection, &tables).await?;
    if !report.equal() {
        // Somebody who was erased after the snapshot, and before what the log has of them was read, looks like a difference.
        report = shadow.compare(connection, &tables).await?;
    }
    let end = match swap {
        true => shadow.swap(connection).await,
        false => {
            connection.execute(format!("DROP SCHEMA {SHADOW} CASCADE").as_str()).await.map(drop).map_err(Into::into)
        }
    };
    end?;
    connection.execute("SET search_path = views, public").await?;
    Ok(Report { swapped: swap, ..report })
}

/// The schema that is being filled.
struct Shadow<'a> {
    feed: &'a Feed,
    transactional: &'a [Arc<dyn Projection>],
    catch_up: &'a [Arc<dyn Projection>],
    /// Where the transactional views stand.
    position: i64,
    /// Where each of the others stands.
    followed: Vec<i64>,
}

impl Shadow<'_> {
    /// Brings all views to where the live ones stand, as the transaction sees them.
    async fn catch_up(&mut self, transaction: &mut PgConnection, lock: &str) -> Result<(), RebuildError> {
        let head = "SELECT coalesce(max(position), 0) FROM events";
        let head = sqlx::query_scalar(head).fetch_one(&mut *transaction).await?;
        while self.position < head {
            self.position = advance(transaction, self.feed, self.position, head, self.transactional).await?;
        }
        self.follow(transaction, lock).await
    }

    /// Brings each catch-up view to where its live checkpoint stands.
    async fn follow(&mut self, connection: &mut PgConnection, lock: &str) -> Result<(), RebuildError> {
        for (projection, at) in self.catch_up.iter().zip(&mut self.followed) {
            *at = follow_live(connection, self.feed, *at, projection, lock).await?;
            sqlx::query(
                "INSERT INTO checkpoints (projection, position) VALUES ($1, $2)
                 ON CONFLICT (projection) DO UPDATE SET position = excluded.position",
            )
            .bind(projection.name())
            .bind(*at)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }

    async fn compare(&mut self, connection: &mut PgConnection, tables: &[String]) -> Result<Report, RebuildError> {
        let mut transaction = connection.begin().await?;
        transaction.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        self.catch_up(&mut transaction, "").await?;
        let mut compared = Vec::with_capacity(tables.len());
        for table in tables {
            compared.push(compare(&mut transaction, table).await?);
        }
        transaction.commit().await?;
        Ok(Report { position: self.position, tables: compared, swapped: false })
    }

    async fn swap(&mut self, connection: &mut PgConnection) -> Result<(), RebuildError> {
        let mut transaction = connection.begin().await?;
        transaction.execute(LIMITS).await?;
        // No append can commit from here on, and the checkpoints' rows stop the live runners until this transaction ends.
        transaction.execute("SELECT pg_advisory_xact_lock(4207849484)").await?;
        self.catch_up(&mut transaction, "FOR UPDATE").await?;
        prune::level(&mut transaction, SHADOW).await?;
        copy_rights(&mut transaction).await?;
        transaction.execute("ALTER SCHEMA views RENAME TO views_replaced").await?;
        transaction.execute(format!("ALTER SCHEMA {SHADOW} RENAME TO views").as_str()).await?;
        transaction.execute("DROP SCHEMA views_replaced CASCADE").await?;
        transaction.commit().await?;
        Ok(())
    }
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

/// Who may use the live views may use those that take their place, from the first moment on.
async fn copy_rights(transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
    let grants: Vec<String> = sqlx::query_scalar(
        "SELECT format('GRANT %s ON %s TO %I', privilege_type, what, rolname)
         FROM (SELECT format('SCHEMA %I', $1::text) AS what, nspacl AS rights FROM pg_namespace WHERE nspname = 'views'
               UNION ALL
               SELECT format('%I.%I', $1::text, relname), relacl FROM pg_class
               WHERE relnamespace = 'views'::regnamespace AND relkind = 'r') AS live,
              aclexplode(rights) JOIN pg_roles ON pg_roles.oid = grantee
         WHERE grantee <> grantor",
    )
    .bind(SHADOW)
    .fetch_all(&mut *transaction)
    .await?;
    for grant in grants {
        transaction.execute(grant.as_str()).await?;
    }
    Ok(())
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

/// Rows that are or could be pruned count for neither.
async fn compare(connection: &mut PgConnection, table: &str) -> Result<Compared, sqlx::Error> {
    let gone = prune::ended(table).unwrap_or("false");
    let of = |schema: &str| format!("(SELECT * FROM {schema}.{table} WHERE NOT ({gone}))");
    let (rebuilt, live) = (of(SHADOW), of("views"));
    let sql = format!(
        "SELECT (SELECT count(*) FROM {rebuilt} AS rebuilt),
                (SELECT count(*) FROM ({rebuilt} EXCEPT ALL {live}) AS only_rebuilt)
              + (SELECT count(*) FROM ({live} EXCEPT ALL {rebuilt}) AS only_live)"
    );
    let (rows, differing) = sqlx::query_as(&sql).fetch_one(connection).await?;
    Ok(Compared { table: table.to_owned(), rows, differing })
}
