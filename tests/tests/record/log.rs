//! The log grows densely, in commit order, and never otherwise.

use chancery_adapters::event_store::{ExecuteError, FeedError, StoreError};
use chancery_adapters::postgres;
use chancery_domain::session::{Session, SessionCommand, SessionEnd};
use sqlx::Row;
use uuid::Uuid;

use crate::support::{Log, context, serving_role, start_session};

#[tokio::test]
async fn ev05_positions_are_dense_and_in_commit_order_under_slow_writers_on_two_nodes() {
    let log = Log::new().await;
    let nodes = [log.node(), log.node()];
    // Between the numbering of a batch and its commit passes some time, now and then much: a log that numbered without
    // order would show holes now.
    let slowly = "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
                  $$ BEGIN PERFORM pg_sleep(random() ^ 8 * 0.05); RETURN NULL; END $$;
                  CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
                  FOR EACH ROW EXECUTE FUNCTION dawdle()";
    sqlx::raw_sql(slowly).execute(&log.pool).await.unwrap();

    let mut writers = Vec::new();
    for writer in 0..16 {
        let store = nodes[writer % 2].clone();
        writers.push(tokio::spawn(async move {
            for _ in 0..25 {
                store.create::<Session>(Uuid::new_v4(), start_session(), &context()).await.unwrap();
            }
        }));
    }
    let mut seen = 0;
    while seen < 400 {
        // A reader that follows the tail never meets a hole, however the writers' commits interleave.
        let events = nodes[0].feed().read(seen, 1000).await.unwrap();
        seen = events.last().map_or(seen, |event| event.position);
    }
    for writer in writers {
        writer.await.unwrap();
    }

    let events = nodes[1].feed().read(0, 1000).await.unwrap();
    assert_eq!(events.len(), 400);
    assert!(events.windows(2).all(|pair| pair[0].recorded_at <= pair[1].recorded_at));
}

#[tokio::test]
async fn the_first_append_after_a_restart_of_the_server_finds_another_connection() {
    let log = Log::new().await;
    let node = log.node();
    node.create::<Session>(Uuid::new_v4(), start_session(), &context()).await.unwrap();
    let mut elsewhere = postgres::connect(&log.options).await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let ended: i64 = sqlx::query_scalar(end).fetch_one(&mut elsewhere).await.unwrap();
    assert!(ended >= 1, "the writer has a connection");

    let again = node.create::<Session>(Uuid::new_v4(), start_session(), &context()).await.unwrap();

    assert_eq!(again.position, 2);
}

#[tokio::test]
async fn ev06_of_two_commands_on_one_version_one_commits_and_the_other_decides_again() {
    let log = Log::new().await;
    let nodes = [log.node(), log.node()];
    let id = Uuid::new_v4();
    nodes[0].create::<Session>(id, start_session(), &context()).await.unwrap();

    let end = SessionCommand::End { why: SessionEnd::SignedOut };
    let ends = (0..20).map(|n| {
        let (store, end) = (nodes[n % 2].clone(), end.clone());
        tokio::spawn(async move { store.execute::<Session>(id, end, &context()).await.unwrap().events.len() })
    });
    let mut recorded = 0;
    for end in ends.collect::<Vec<_>>() {
        recorded += end.await.unwrap();
    }

    assert_eq!(recorded, 1, "the session ended once");
    assert_eq!(nodes[0].feed().head().await.unwrap(), 2);
}

#[tokio::test]
async fn a_stream_that_exists_is_not_created_again() {
    let log = Log::new().await;
    let store = log.node();
    let id = Uuid::new_v4();
    store.create::<Session>(id, start_session(), &context()).await.unwrap();

    let again = store.create::<Session>(id, start_session(), &context()).await;

    assert!(matches!(again, Err(ExecuteError::Store(StoreError::Conflict))), "{again:?}");
}

#[tokio::test]
async fn a_unit_is_recorded_whole_or_not_at_all() {
    let log = Log::new().await;
    let store = log.node();
    let (first, second) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let mut unit = store.unit(&context());
    unit.create::<Session>(&first, start_session()).await.unwrap();
    unit.create::<Session>(&second, start_session()).await.unwrap();
    store.create::<Session>(&second, start_session(), &context()).await.unwrap();

    let committed = unit.commit().await;

    assert!(matches!(committed, Err(StoreError::Conflict)), "{committed:?}");
    assert_eq!(store.load::<Session>(&first).await.unwrap().into_state(), Session::NotStarted);
}

#[tokio::test]
async fn ev01_the_log_cannot_be_changed_even_by_its_owner() {
    let log = Log::new().await;
    log.node().create::<Session>(Uuid::new_v4(), start_session(), &context()).await.unwrap();

    for change in [
        "UPDATE events SET event_type = 'x'",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE events SET position = 9",
    ] {
        let error = sqlx::query(change).execute(&log.pool).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("42501"), "{change}");
    }
}

#[tokio::test]
async fn ev01_the_role_that_serves_can_neither_change_the_log_nor_switch_its_guard_off() {
    let log = Log::new().await;
    log.node().create::<Session>(Uuid::new_v4(), start_session(), &context()).await.unwrap();
    let role = serving_role(&log.options).await;
    let mut serving = postgres::connect(&role).await.unwrap();

    for change in [
        "UPDATE events SET event_type = 'x'",
        "UPDATE events SET position = 9",
        "DELETE FROM events",
        "TRUNCATE events",
        "ALTER TABLE events ADD COLUMN more text",
        "ALTER TABLE events DROP COLUMN leaf_hash",
        "ALTER TABLE events RENAME TO former_events",
        "ALTER TABLE events OWNER TO CURRENT_USER",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "ALTER TABLE events DISABLE TRIGGER events_append_only",
        "DROP TRIGGER events_append_only ON events",
        "DROP TRIGGER events_no_truncate ON events",
        "CREATE TRIGGER swallow BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE swallow AS ON INSERT TO events DO INSTEAD NOTHING",
        "DROP TABLE events",
        "DROP FUNCTION begin_append",
        "SET session_replication_role = replica",
        "COPY events FROM '/dev/null'",
        "COPY events FROM PROGRAM 'true'",
        "COPY events TO PROGRAM 'true'",
        "CREATE TABLE public.events_too (position bigint)",
        "CREATE TABLE views.events (position bigint)",
    ] {
        let error = sqlx::raw_sql(change).execute(&mut serving).await.expect_err(change);
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("42501"), "{change}: {error}");
    }
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut serving).await.unwrap();
    assert_eq!(events, 1);
}

#[tokio::test]
async fn ev02_a_hole_in_the_log_stops_its_readers() {
    let log = Log::new().await;
    let store = log.node();
    for _ in 0..3 {
        store.create::<Session>(Uuid::new_v4(), start_session(), &context()).await.unwrap();
    }
    let superuser = "SET session_replication_role = replica; DELETE FROM events WHERE position = 2";
    sqlx::raw_sql(superuser).execute(&log.pool).await.unwrap();

    let read = log.node().feed().read(0, 10).await;

    assert!(matches!(read, Err(FeedError::Hole { after: 1, found: 3 })), "{read:?}");
}

#[tokio::test]
async fn each_event_carries_a_salted_leaf_hash_that_anyone_can_recompute() {
    use sha2::{Digest, Sha256};

    let log = Log::new().await;
    log.node().create::<Session>(Uuid::new_v4(), start_session(), &context()).await.unwrap();

    let row = sqlx::query(
        "SELECT position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, salt, leaf_hash,
                (extract(epoch FROM recorded_at) * 1000000)::bigint AS micros, payload::text, metadata::text FROM events",
    )
    .fetch_one(&log.pool)
    .await
    .unwrap();
    let text = |column: &str| row.get::<String, _>(column).into_bytes();
    let framed = |bytes: Vec<u8>| [(bytes.len() as u32).to_be_bytes().to_vec(), bytes].concat();
    let leaf = [
        vec![0, 1],
        row.get::<i64, _>("position").to_be_bytes().to_vec(),
        row.get::<Uuid, _>("event_id").as_bytes().to_vec(),
        framed(text("aggregate_type")),
        framed(text("aggregate_id")),
        row.get::<i64, _>("sequence").to_be_bytes().to_vec(),
        framed(text("event_type")),
        framed(text("event_version")),
        row.get::<i64, _>("micros").to_be_bytes().to_vec(),
        framed(row.get::<Vec<u8>, _>("salt")),
        Sha256::digest(text("payload")).to_vec(),
        Sha256::digest(text("metadata")).to_vec(),
    ]
    .concat();

    assert_eq!(row.get::<Vec<u8>, _>("salt").len(), 16);
    assert_eq!(row.get::<Vec<u8>, _>("leaf_hash"), Sha256::digest(leaf).to_vec());
}
