//! What is acknowledged is kept: the batch commits without waiting for the disk, its caller does not.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chancery_adapters::postgres;
use chancery_domain::session::{Session, SessionCommand, SessionEnd};
use chancery_tests::postgres_server::PostgresServer;
use sqlx::{Connection, PgConnection, PgPool};
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

/// Many units have been written behind one that is being flushed, when the server crashes before it has flushed anything. A
/// flush of the server that comes back says nothing of them.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_of_the_database_takes_back_is_acknowledged_to_nobody() {
    let server = PostgresServer::start(&["wal_writer_delay=10s"]).await;
    let log = Log::on(server.options()).await;
    let store = log.node();
    let many = |count: usize| -> JoinSet<(String, bool)> {
        let one = |_| {
            let store = store.clone();
            async move {
                let id = Uuid::now_v7();
                let recorded = store.create::<Session>(id, start_session(), &context()).await;
                (id.to_string(), recorded.is_ok())
            }
        };
        (0..count).map(one).collect()
    };
    many(64).join_all().await;
    // Whoever has nothing to record waits for a flush.
    let (ended, end) = (Uuid::now_v7(), SessionCommand::End { why: SessionEnd::SignedOut });
    store.create::<Session>(ended, start_session(), &context()).await.unwrap();
    for _ in 0..2 {
        store.execute::<Session>(ended, end.clone(), &context()).await.unwrap();
    }
    let flushing = "SELECT pid FROM pg_stat_activity
                    WHERE query LIKE '%pg_logical_emit_message%' AND pid <> pg_backend_pid()
                       OR backend_type = 'walwriter'";
    let flushing: Vec<i32> = sqlx::query_scalar(flushing).fetch_all(&log.pool).await.unwrap();
    assert!(flushing.len() >= 2, "the writer of the write-ahead log, and whoever flushes for the node");
    signal("STOP", &flushing);

    let callers = many(400);
    settled(&log.pool).await;
    signal("KILL", &flushing);
    let asked = callers.join_all().await;

    let kept = kept(&log.pool).await;
    let lost: Vec<_> = asked.iter().filter(|(id, recorded)| *recorded && !kept.contains(id)).collect();
    assert_eq!(lost.len(), 0, "of {} that were acknowledged", asked.iter().filter(|(_, recorded)| *recorded).count());
    assert!(asked.iter().any(|(id, _)| !kept.contains(id)), "the crash took nothing back");
    many(64).join_all().await.iter().for_each(|(_, recorded)| assert!(recorded, "it goes on"));
}

fn signal(signal: &str, processes: &[i32]) {
    let processes = processes.iter().map(ToString::to_string);
    std::process::Command::new("kill").arg(format!("-{signal}")).args(processes).status().unwrap();
}

/// Waits until nothing more is written.
async fn settled(pool: &PgPool) {
    let (mut count, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_millis(500) {
        let now: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(pool).await.unwrap();
        if now != count {
            (count, since) = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The streams of the log, once the server is back.
async fn kept(pool: &PgPool) -> HashSet<String> {
    let begun = Instant::now();
    loop {
        match sqlx::query_scalar("SELECT aggregate_id FROM events").fetch_all(pool).await {
            Ok(found) => return found.into_iter().collect(),
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
