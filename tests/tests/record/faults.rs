//! What the log does not forgive, and what goes on nevertheless: attacks EV-08, EV-11 and EV-14.

use std::time::{Duration, Instant};

use chancery_adapters::event_store::{Claims, Projection};
use chancery_adapters::postgres::{self, SchemaError};
use chancery_projections::rebuild::rebuild;
use chancery_tests::process::Process;
use chancery_tests::server::Server;
use reqwest::Method;

/// An event that no release knows, at the head of the log.
const POISON: &str = "
    INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position,
                        event_id, recorded_at, salt, leaf_hash)
    SELECT 'user', 'x', 1, 'user.teleported', '1', '{\"user.teleported\": {}}', '{}', max(position) + 1,
           gen_random_uuid(), now(), 'salt', 'leaf' FROM events";

#[tokio::test]
async fn ev08_an_unknown_event_stops_the_view_that_meets_it_visibly_and_nobody_elses_sign_in() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&serde_json::json!({})).await;
    assert!(server.app.history_reached(server.app.store.head()).await);
    sqlx::query(POISON).execute(&server.app.pool).await.unwrap();
    let poisoned = server.app.store.feed().head().await.unwrap();

    ada.sign_in().await.expect(200);
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    wiki.redeem(&server, &code).await.expect(200);

    let deadline = Instant::now() + Duration::from_secs(30);
    let (position, failure) = loop {
        let row: (i64, Option<String>) =
            sqlx::query_as("SELECT position, failure FROM checkpoints WHERE projection = 'audit'")
                .fetch_one(&server.app.pool)
                .await
                .unwrap();
        if let (position, Some(failure)) = row {
            break (position, failure);
        }
        assert!(Instant::now() < deadline, "nobody said that the history stands still");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(failure.contains(&format!("position {poisoned}")), "{failure}");
    assert!(position < poisoned, "nothing is skipped");
    assert!(!server.app.history_reached(server.app.store.feed().head().await.unwrap()).await);
}

/// Where an event that begins each of these streams would be, one that cannot be read.
const MALFORMED: [&str; 10] = [
    "user.registered",
    "user.passkey_enrolled",
    "user.picture_set",
    "enrollment.issued",
    "group.created",
    "api_key.created",
    "session.started",
    "client.registered",
    "consent.given",
    "grant.authorized",
];

#[tokio::test]
async fn ev08_whichever_view_meets_an_unreadable_event_no_rebuild_skips_it_and_everybody_else_signs_in() {
    for event_type in MALFORMED {
        let server = Server::start().await;
        let mut ada = server.person("ada").await;
        let wiki = server.client(&serde_json::json!({})).await;
        let poison = "
            INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                                position, event_id, recorded_at, salt, leaf_hash)
            SELECT split_part($1, '.', 1), gen_random_uuid()::text, 1, $1, '1', json_build_object($1, json_build_object('x', 1)),
                   '{}', max(position) + 1, gen_random_uuid(), now(), 'salt', 'leaf' FROM events";
        sqlx::query(poison).bind(event_type).execute(&server.app.pool).await.unwrap();
        let poisoned = server.app.store.feed().head().await.unwrap();

        ada.sign_in().await.expect(200);
        let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
        wiki.redeem(&server, &code).await.expect(200);
        server.admin.clone().post("/api/users", &serde_json::json!({ "username": "bob" })).await.expect(201);

        let mut connection = postgres::connect(&server.database).await.unwrap();
        let mut views: Vec<std::sync::Arc<dyn Projection>> =
            vec![std::sync::Arc::new(Claims::new(server.app.store.vault().clone()))];
        views.extend(chancery_projections::transactional());
        let (feed, catch_up) = (server.app.store.feed(), chancery_projections::catch_up());
        let rebuilt = rebuild(&mut connection, &feed, &views, &catch_up, true, |_, _| {}).await;
        let error = rebuilt.unwrap_err().to_string();
        assert!(error.contains(&format!("position {poisoned}")), "{event_type}: {error}");
        ada.visitor.get("/api/users/me").await.expect(200);
        assert!(!server.app.history_reached(poisoned).await, "{event_type}: the history passed over it");
    }
}

#[tokio::test]
async fn ev14_two_may_migrate_at_once_and_an_older_release_lives_with_what_a_newer_one_added() {
    let database = chancery_tests::postgres::fresh_database().await;
    let (one, other) = tokio::join!(postgres::migrate(&database), postgres::migrate(&database));
    one.unwrap();
    other.unwrap();
    let mut connection = postgres::connect(&database).await.unwrap();
    let newer = "INSERT INTO public._sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES ($1, $2, true, 'x', 0)";

    sqlx::query(newer).bind(99_990_101_i64).bind("more columns").execute(&mut connection).await.unwrap();
    postgres::migrate(&database).await.unwrap();
    sqlx::query(newer).bind(99_990_102_i64).bind("contract grants").execute(&mut connection).await.unwrap();
    let migrated = postgres::migrate(&database).await;

    assert!(matches!(migrated, Err(SchemaError::TooOld(99_990_102))), "{migrated:?}");
}

/// The process that the embedded server in this folder runs as.
fn postmaster(folder: &std::path::Path) -> Option<u32> {
    let file = std::fs::read_to_string(folder.join("postgres/postmaster.pid")).ok()?;
    file.lines().next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn ev11_a_database_that_is_killed_comes_back_and_so_does_everything_else() {
    let folder = std::env::temp_dir().join(format!("chancery-ev11-{}", uuid::Uuid::new_v4().simple()));
    let mut process = Process::embedded(env!("CARGO_BIN_EXE_chancery_node"), &folder);
    process.start().await;
    let mut ada = process.node.person("ada").await;
    let (node, before) = (process.pid(), postmaster(&folder).unwrap());

    let killed = std::process::Command::new("kill").args(["-9", &before.to_string()]).status().unwrap();
    assert!(killed.success());
    let outage = Instant::now();
    // Another server process answers in the end. Until then requests wait for it, or are told when to come back.
    loop {
        // What needs the database whatever the node remembers.
        let answer = ada.visitor.try_send(Method::GET, "/api/webauthn/login/start", None, &[]).await.unwrap();
        match answer.status {
            200 if postmaster(&folder).is_some_and(|pid| pid != before) => break,
            // Until the last backend has noticed.
            200 => {}
            503 => assert_eq!(answer.header("retry-after"), "5"),
            status => panic!("{status} {}", answer.text),
        }
        assert!(outage.elapsed() < Duration::from_secs(30), "it did not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // What is written goes over a connection of its own, which is found broken and made again.
    ada.sign_in().await.expect(200);
    assert!(outage.elapsed() < Duration::from_secs(10), "{:?}", outage.elapsed());
    for _ in 0..20 {
        ada.visitor.get("/api/users/me").await.expect(200);
    }
    assert_eq!(process.pid(), node, "the node was not started again");
    process.kill().await;
    std::fs::remove_dir_all(&folder).unwrap_or_default();
}
