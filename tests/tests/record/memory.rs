//! What nodes keep in memory: of their own appends they miss nothing, of others' no more than half a second.

use std::time::{Duration, Instant};

use chancery_adapters::event_store::EventStore;
use chancery_domain::grant::{Grant, GrantCommand, IssuedAccessToken};
use chancery_domain::ids::ClientId;
use chancery_domain::oauth::scope::Scopes;
use chancery_domain::policy::access::{AccessFacts, Causes, decide_access};
use chancery_tests::node::userinfo;
use chancery_tests::postgres::{back_up, restore};
use chancery_tests::process::ready;
use chancery_tests::server::Server;
use serde_json::json;
use time::macros::datetime;
use uuid::Uuid;

use crate::support::{Log, context};

fn causes() -> Causes {
    let facts = AccessFacts { client_enabled: true, person: None, grant_revoked: false };
    decide_access(&facts, &Scopes::default()).unwrap()
}

fn client() -> ClientId {
    "wiki".parse().unwrap()
}

fn token() -> IssuedAccessToken {
    IssuedAccessToken { jti: "grant.token".into(), expires_at: datetime!(2026-11-23 13:00 UTC) }
}

fn issue() -> GrantCommand {
    GrantCommand::IssueToClient {
        client_id: client(),
        scopes: Scopes::default(),
        access_token: token(),
        causes: causes(),
    }
}

fn revoke() -> GrantCommand {
    GrantCommand::RevokeToken { client_id: client(), token: token(), now: datetime!(2026-11-23 12:00 UTC) }
}

#[tokio::test]
async fn a_state_is_remembered_by_the_append_that_led_to_it() {
    let log = Log::new().await;
    let node = log.node();
    let id = Uuid::new_v4();
    node.create::<Grant>(id, issue(), &context()).await.unwrap();
    // From here on nothing can be read; appends have a connection of their own.
    log.pool.close().await;

    let created = node.recall::<Grant>(id).await.unwrap();
    node.execute_on(&created, revoke(), &context()).await.unwrap();
    let revoked = node.recall::<Grant>(id).await.unwrap();

    assert_eq!((created.sequence(), revoked.sequence()), (1, 2));
}

#[tokio::test]
async fn a_command_on_an_outdated_state_is_decided_on_the_stream_as_it_is() {
    let log = Log::new().await;
    let nodes = [log.node(), log.node()];
    let id = Uuid::new_v4();
    nodes[0].create::<Grant>(id, issue(), &context()).await.unwrap();
    let outdated = nodes[0].recall::<Grant>(id).await.unwrap();
    nodes[1].execute::<Grant>(id, revoke(), &context()).await.unwrap();

    let again = nodes[0].execute_on(&outdated, revoke(), &context()).await.unwrap();

    assert_eq!(again.events.len(), 1);
    assert_eq!(nodes[1].load::<Grant>(id).await.unwrap().sequence(), 3);
}

#[tokio::test]
async fn what_another_node_recorded_is_known_soon_without_any_notification() {
    let log = Log::new().await;
    let nodes = [log.node(), log.node()];
    let id = Uuid::new_v4();
    nodes[0].create::<Grant>(id, issue(), &context()).await.unwrap();
    assert_eq!(nodes[0].recall::<Grant>(id).await.unwrap().sequence(), 1);

    nodes[1].execute::<Grant>(id, revoke(), &context()).await.unwrap();

    let recorded = Instant::now();
    while nodes[0].recall::<Grant>(id).await.unwrap().sequence() < 2 {
        assert!(recorded.elapsed() < Duration::from_secs(10), "the other node never hears of it");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn ev15_a_node_that_outlives_a_restored_log_forgets_what_is_not_in_it() {
    // So many events come after the restore: none, fewer than were lost, as many, more.
    for later in [0, 1, 2, 5] {
        let log = Log::new().await;
        let nodes = [log.node(), log.node()];
        let (kept, lost) = (Uuid::new_v4(), Uuid::new_v4());
        create_once_it_can(&nodes[0], kept).await;
        let backup = back_up(&log.options).await;
        create_once_it_can(&nodes[0], lost).await;
        nodes[0].execute::<Grant>(kept, revoke(), &context()).await.unwrap();
        assert_eq!(nodes[0].recall::<Grant>(kept).await.unwrap().sequence(), 2);

        restore(&log.options, &backup).await;
        for _ in 0..later {
            create_once_it_can(&nodes[1], Uuid::new_v4()).await;
        }

        let restored = Instant::now();
        while nodes[0].horizon().replaced() == 0 {
            drop(nodes[0].recall::<Grant>(kept).await);
            assert!(restored.elapsed() < Duration::from_secs(10), "{later}: it takes the log for the one it knows");
        }
        assert_eq!(nodes[0].recall::<Grant>(kept).await.unwrap().sequence(), 1, "{later}");
        assert_eq!(nodes[0].recall::<Grant>(lost).await.unwrap().sequence(), 0, "{later}");
        let position = create_once_it_can(&nodes[0], Uuid::new_v4()).await;
        assert_eq!(nodes[0].head(), position, "no later than the log goes");
        assert_eq!(nodes[0].horizon().replaced(), 1, "{later}: and then it is the log that it knows");
    }
}

#[tokio::test]
async fn ev15_whoever_appends_to_a_restored_log_first_notices_too() {
    let log = Log::new().await;
    let node = log.node();
    create_once_it_can(&node, Uuid::new_v4()).await;
    let backup = back_up(&log.options).await;
    let lost = Uuid::new_v4();
    create_once_it_can(&node, lost).await;
    assert_eq!(node.recall::<Grant>(lost).await.unwrap().sequence(), 1);

    restore(&log.options, &backup).await;
    create_once_it_can(&node, Uuid::new_v4()).await;

    let restored = Instant::now();
    let recalled = loop {
        match node.recall::<Grant>(lost).await {
            Ok(recalled) => break recalled,
            Err(error) => assert!(restored.elapsed() < Duration::from_secs(10), "{error}"),
        }
    };
    assert_eq!(recalled.sequence(), 0);
    assert_eq!(node.horizon().replaced(), 1);
}

/// Appends, once connections that were ended are made again.
async fn create_once_it_can(node: &EventStore, id: Uuid) -> i64 {
    let begun = Instant::now();
    loop {
        match node.create::<Grant>(id, issue(), &context()).await {
            Ok(receipt) => return receipt.position,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error}"),
        }
    }
}

#[tokio::test]
async fn ev15_what_came_after_the_backup_is_gone_from_running_nodes_within_a_second() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let backup = back_up(&server.database).await;
    ready(&server.base).await;
    ada.visitor = server.visitor();
    while ada.sign_in().await.status == 503 {}
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let token = tokens["access_token"].as_str().unwrap();
    userinfo(&server, token).await.expect(200);
    ada.visitor.get("/api/users/me").await.expect(200);

    restore(&server.database, &backup).await;

    let restored = Instant::now();
    while ada.visitor.get("/api/users/me").await.status != 401 || userinfo(&server, token).await.status != 401 {
        assert!(restored.elapsed() < Duration::from_secs(1), "a session and a grant that the log does not have count");
    }
    while ada.sign_in().await.status == 503 {}
    ada.visitor.get("/api/users/me").await.expect(200);
    assert!(server.app.history_reached(server.app.store.head()).await, "the head is that of the restored log");
}
