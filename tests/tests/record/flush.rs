//! What is acknowledged is kept: the batch commits without waiting for the disk, its caller does not.

use chancery_adapters::postgres;
use chancery_domain::session::{Session, SessionCommand, SessionEnd};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{Log, context, start_session};

/// Where the write-ahead log had to be flushed to, at least, for the last event to be kept.
const NOTED: &str = "CREATE TABLE noted (id text, lsn pg_lsn);
                     CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN INSERT INTO noted VALUES (NEW.aggregate_id, pg_current_wal_insert_lsn()); RETURN NULL; END $$;
                     CREATE CONSTRAINT TRIGGER note AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
                     FOR EACH ROW EXECUTE FUNCTION note()";
const KEPT: &str = "SELECT max(lsn) < pg_current_wal_flush_lsn() FROM noted";

#[tokio::test]
async fn an_event_is_on_disk_before_anybody_hears_that_it_is_recorded() {
    let log = Log::new().await;
    let store = log.node();
    sqlx::raw_sql(NOTED).execute(&log.pool).await.unwrap();

    for _ in 0..50 {
        store.create::<Session>(Uuid::new_v4(), start_session(), &context()).await.unwrap();

        let kept: bool = sqlx::query_scalar(KEPT).fetch_one(&log.pool).await.unwrap();
        assert!(kept);
    }
}

#[tokio::test]
async fn of_many_that_are_recorded_together_each_is_on_disk_before_its_caller_hears_of_it() {
    let log = Log::new().await;
    let store = log.node();
    sqlx::raw_sql(NOTED).execute(&log.pool).await.unwrap();
    let mut observer = postgres::connect(&log.options).await.unwrap();

    for _ in 0..20 {
        let callers: JoinSet<_> = (0..64)
            .map(|_| {
                let store = store.clone();
                async move { store.create::<Session>(Uuid::new_v4(), start_session(), &context()).await.unwrap() }
            })
            .collect();
        callers.join_all().await;

        let kept: bool = sqlx::query_scalar(KEPT).fetch_one(&mut observer).await.unwrap();
        assert!(kept);
    }
}

#[tokio::test]
async fn that_nothing_was_left_to_do_is_said_when_what_was_done_is_on_disk() {
    let log = Log::new().await;
    let store = log.node();
    let end = SessionCommand::End { why: SessionEnd::SignedOut };
    let mut another = PgConnection::connect_with(&log.options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE noted (lsn pg_lsn); SET synchronous_commit = off").execute(&mut another).await.unwrap();

    for _ in 0..50 {
        let id = Uuid::new_v4();
        store.create::<Session>(id, start_session(), &context()).await.unwrap();
        store.execute::<Session>(id, end.clone(), &context()).await.unwrap();
        // As if another node had written what this one reads, and not yet flushed it.
        let unflushed = "INSERT INTO noted VALUES (pg_current_wal_insert_lsn())";
        sqlx::query(unflushed).execute(&mut another).await.unwrap();

        let again = store.execute::<Session>(id, end.clone(), &context()).await.unwrap();

        assert!(again.events.is_empty());
        let kept: bool = sqlx::query_scalar(KEPT).fetch_one(&mut another).await.unwrap();
        assert!(kept);
    }
}
