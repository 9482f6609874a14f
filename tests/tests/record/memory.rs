//! What nodes keep in memory: of their own appends they miss nothing, of others' no more than half a second.

use std::time::{Duration, Instant};

use chancery_domain::grant::{Grant, GrantCommand, IssuedAccessToken};
use chancery_domain::ids::ClientId;
use chancery_domain::oauth::scope::Scopes;
use chancery_domain::policy::access::{AccessFacts, Causes, decide_access};
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
