//! R11: what `pg_dump` takes while the server works can be restored whole, as docs/OPERATIONS.md says.

use std::time::{Duration, Instant};

use chancery_adapters::postgres;
use chancery_tests::load::Load;
use chancery_tests::postgres::{fresh_database, run, url_of};
use chancery_tests::process::Process;
use serde_json::json;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_dump_that_is_taken_under_load_loses_nothing_from_before_and_restores_whole() {
    let database = fresh_database().await;
    let mut process = Process::new(env!("CARGO_BIN_EXE_chancery_node"), &database);
    process.start().await;
    let node = process.node.clone();
    let mut ada = node.person("ada").await;
    let wiki = node.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[("scope", "openid offline_access")]).await.parameter("code").unwrap();
    let tokens = wiki.redeem(&node, &code).await.expect(200).json();
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let mut load = Load::start(&[&node], Duration::ZERO).await.with_newcomers();
    load.acknowledged(500).await;

    let (before, begun) = (load.ledger().people.clone(), Instant::now());
    let file = std::env::temp_dir().join(format!("chancery-{}.dump", Uuid::new_v4().simple()));
    let path = file.display().to_string();
    run("pg_dump", &database, &["--format=custom", "--file", &path]).await;
    let dumped = begun.elapsed();
    load.acknowledged(100).await;
    let (ledger, _) = load.end().await;
    assert_eq!(ledger.failures(), Vec::<String>::new(), "nobody waits for a dump");
    process.stop().await;
    let (restored, begun) = (fresh_database().await, Instant::now());
    run("pg_restore", &restored, &["--exit-on-error", &path]).await;
    println!("dumped in {dumped:?}, restored in {:?}", begun.elapsed());
    std::fs::remove_file(file).unwrap();

    let mut process = process.with(&[("DATABASE_URL", url_of(&restored).as_str())]);
    let rebuilt = process.run(&["rebuild"]).await;
    let told = String::from_utf8_lossy(&rebuilt.stdout);
    assert!(rebuilt.status.success() && told.contains("All views equal a replay"), "{told}");
    let pool = postgres::pool(restored, 1);
    let (events, head, altered): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), max(position), count(*) FILTER (WHERE leaf_hash <> event_leaf(
             position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, recorded_at, salt,
             payload::text, metadata::text)) FROM events",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((head, altered), (events, 0), "dense, and each leaf is the hash of its event");
    let there: Vec<String> = sqlx::query_scalar("SELECT username FROM users WHERE username = ANY($1)")
        .bind(&before)
        .fetch_all(&pool)
        .await
        .unwrap();
    assert!(!before.is_empty());
    assert_eq!(there.len(), before.len(), "what was acknowledged before the dump began is in it");

    process.start().await;
    let mut session = ada.visitor.clone();
    session.get("/api/users/me").await.expect(200);
    ada.sign_in().await.expect(200);
    let tokens = wiki.refresh(&node, refresh_token).await.expect(200).json();

    // EV-15: what ended after the backup is alive in it, so everything is ended.
    let ended = process.run(&["sign-out-everybody"]).await;
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    session.get("/api/users/me").await.expect(401);
    wiki.refresh(&node, tokens["refresh_token"].as_str().unwrap()).await.expect(400);
    ada.sign_in().await.expect(200);
}
