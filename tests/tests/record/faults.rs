//! What the log does not forgive, and what goes on nevertheless: attacks EV-08, EV-11 and EV-14.

use std::time::{Duration, Instant};

use chancery_adapters::event_store::{Claims, Projection, StoreError};
use chancery_adapters::postgres::{self, SchemaError};
use chancery_api::signing_keys::{Replaced, RotationError, replace, rotate};
use chancery_domain::signing_algorithm::SigningAlgorithm;
use chancery_projections::rebuild::rebuild;
use chancery_tests::logged::Logged;
use chancery_tests::node::Person;
use chancery_tests::process::Process;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::json;

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
    let wiki = server.client(&json!({})).await;
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
const MALFORMED: [&str; 11] = [
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
    "signing_key.staged",
];

#[tokio::test]
async fn ev08_whichever_view_meets_an_unreadable_event_no_rebuild_skips_it_and_everybody_else_signs_in() {
    for event_type in MALFORMED {
        let server = Server::start().await;
        let mut ada = server.person("ada").await;
        let wiki = server.client(&json!({})).await;
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
        server.admin.clone().post("/api/users", &json!({ "username": "bob" })).await.expect(201);

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

/// Waits for what a node does as soon as it hears of something.
async fn soon<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn failure_of_history(server: &Server) -> Option<String> {
    let failure = "SELECT failure FROM checkpoints WHERE projection = 'audit'";
    sqlx::query_scalar(failure).fetch_one(&server.app.pool).await.unwrap()
}

/// Id and status of the keys of an algorithm, the newest first.
async fn keys(server: &Server, algorithm: SigningAlgorithm) -> Vec<(String, String)> {
    let keys = "SELECT kid, status FROM signing_keys WHERE algorithm = $1 ORDER BY staged_at DESC";
    sqlx::query_as(keys).bind(algorithm.as_str()).fetch_all(&server.app.pool).await.unwrap()
}

async fn publishes(node: &Server, kid: &str) -> bool {
    node.visitor().get("/.well-known/jwks.json").await.expect(200).text.contains(kid)
}

const MACHINE: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[tokio::test]
async fn ev08_an_unreadable_event_of_a_signing_key_is_told_and_stops_neither_a_node_nor_the_other_keys() {
    let logged = Logged::listen();
    let server = Server::start().await;
    let second = server.second().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({ "idTokenSigningAlg": "RS256" })).await;
    let before = wiki.token(&server, &MACHINE).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let (es256, rs256) = (SigningAlgorithm::ES256, SigningAlgorithm::RS256);
    let (unread, withdrawn) = (keys(&server, es256).await[0].0.clone(), keys(&server, rs256).await[0].0.clone());

    // Of the key that signs access tokens, an event that no release knows.
    let poison = "
        INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position,
                            event_id, recorded_at, salt, leaf_hash)
        SELECT 'signing_key', $1, 3, 'signing_key.doubted', '1', '{\"signing_key.doubted\": {}}', '{}', max(position) + 1,
               gen_random_uuid(), now(), 'salt', 'leaf' FROM events";
    sqlx::query(poison).bind(&unread).execute(&server.app.pool).await.unwrap();
    let poisoned = server.app.store.feed().head().await.unwrap();

    // It is told, where every failure of a view is told.
    let failure = soon("nobody said that the history stands still", async || failure_of_history(&server).await).await;
    assert!(failure.contains(&format!("position {poisoned}")), "{failure}");
    // What is recorded of other keys takes effect on every node.
    let (now, system) = (server.app.now(), server.app.system());
    replace(&server.app.store, &server.app.pool, &system, &[rs256], true, now).await.unwrap();
    for node in [&server, &second] {
        soon("a withdrawn key counts", async || (!publishes(node, &withdrawn).await).then_some(())).await;
        assert!(publishes(node, &unread).await);
    }
    let told = logged.take();
    assert!(told.contains("ERROR") && told.contains("a signing key cannot be read"));
    // Whoever held the key signs with it.
    for node in [&server, &second] {
        let mut there = Person { visitor: node.visitor(), ..ada.clone() };
        there.sign_in().await.expect(200);
        ada.authenticator = there.authenticator.clone();
        let code = there.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
        wiki.redeem(node, &code).await.expect(200);
    }

    // A node that starts does not have it, and puts none in its place. People sign in, and what was signed counts.
    let started = server.second().await;
    assert!(logged.take().contains("a signing key cannot be read"));
    Person { visitor: started.visitor(), ..ada.clone() }.sign_in().await.expect(200);
    assert_eq!(wiki.introspect(&started, &before).await["active"], true);
    assert_eq!(wiki.token(&started, &MACHINE).await.expect(500).json()["error"], "server_error");
    assert_eq!(keys(&server, es256).await, [(unread.clone(), "active".to_owned())]);

    // An operator lets another key sign; withdrawing what cannot be read is refused as a whole.
    let withdraw = replace(&server.app.store, &server.app.pool, &system, &[es256], true, now).await;
    assert!(matches!(withdraw, Err(RotationError::Store(StoreError::Unreadable(_)))), "{withdraw:?}");
    server.later(time::Duration::minutes(1));
    let now = server.app.now();
    let replaced = replace(&server.app.store, &server.app.pool, &system, &[es256], false, now).await.unwrap();
    assert_eq!(replaced[0], Replaced::Unread(es256, unread.clone()));
    soon("the next key does not sign", async || (wiki.token(&started, &MACHINE).await.status == 200).then_some(()))
        .await;
    assert_eq!(wiki.introspect(&started, &before).await["active"], true);

    // All algorithms rotate on.
    for days in [84, 8] {
        server.later(time::Duration::days(days));
        rotate(&server.app.store, &server.app.pool, &system, server.app.now()).await.unwrap();
    }
    for algorithm in SigningAlgorithm::ALL {
        let keys = keys(&server, algorithm).await;
        let statuses: Vec<_> = keys.iter().map(|(_, status)| status.as_str()).collect();
        assert_eq!(statuses[..2], ["active", "retired"], "{algorithm}");
    }
    assert_eq!(keys(&server, es256).await[2], (unread, "active".to_owned()), "nothing is recorded of it");
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
