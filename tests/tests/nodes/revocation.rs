//! An acknowledged revocation holds on every node within a second.

use std::time::{Duration, Instant};

use chancery_tests::node::{Client, Node};
use serde_json::json;

use crate::cluster::{Cluster, rounds};
use crate::figures::Spread;

const REPETITIONS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_revocation_holds_on_every_node_within_a_second() {
    let cluster = Cluster::start(3).await;
    let app = cluster.front.client(&json!({})).await;
    let load = cluster.load().await;
    let (mut tokens, mut sessions) = (Vec::new(), Vec::new());
    for repetition in 0..REPETITIONS * rounds() {
        let at = |offset: usize| &cluster.nodes[(repetition + offset) % 3].node;
        tokens.extend(token(&app, at(0), [at(1), at(2)]).await);
        if repetition % 10 == 0 {
            sessions.extend(session(&cluster.front, at(0), [at(1), at(2)]).await);
        }
    }
    let (ledger, client) = load.end().await;

    let (tokens, sessions): (Spread, Spread) = (tokens.into_iter().collect(), sessions.into_iter().collect());
    println!("another node refused a revoked token after {tokens}; an ended session after {sessions}");
    assert!(tokens.longest() < Duration::from_secs(1) && sessions.longest() < Duration::from_secs(1));
    cluster.assert_sound(&ledger, &client).await;
}

/// Revokes a token at one node that the others have in memory, and asks them until they know.
async fn token(app: &Client, one: &Node, others: [&Node; 2]) -> [Duration; 2] {
    let issued = app.token(one, &[("grant_type", "client_credentials")]).await.expect(200).json();
    let token = issued["access_token"].as_str().unwrap();
    for other in others {
        assert_eq!(app.introspect(other, token).await["active"], true);
    }
    let pairs = [("token", token), ("client_id", app.id.as_str()), ("client_secret", app.secret.as_str())];
    one.visitor().form("/api/oidc/revoke", &pairs).await.expect(200);
    let acknowledged = Instant::now();
    let refused = |other: Node| async move {
        loop {
            let begun = acknowledged.elapsed();
            if app.introspect(&other, token).await["active"] == false {
                return begun;
            }
        }
    };
    let (first, second) = tokio::join!(refused(others[0].clone()), refused(others[1].clone()));
    [first, second]
}

/// The same with somebody who signs out.
async fn session(front: &Node, one: &Node, others: [&Node; 2]) -> [Duration; 2] {
    let mut ada = front.person(&format!("ada-{}", uuid::Uuid::new_v4().simple())).await;
    let browser = |node: &Node| {
        let mut visitor = ada.visitor.clone();
        visitor.base.clone_from(&node.base);
        visitor
    };
    let mut browsers = others.map(browser);
    for browser in &mut browsers {
        browser.get("/api/users/me").await.expect(200);
    }
    ada.visitor.base.clone_from(&one.base);
    ada.visitor.post("/api/webauthn/logout", &json!({})).await.expect(204);
    let acknowledged = Instant::now();
    let mut took = [Duration::ZERO; 2];
    for (browser, took) in browsers.iter_mut().zip(&mut took) {
        loop {
            *took = acknowledged.elapsed();
            if browser.get("/api/users/me").await.status == 401 {
                break;
            }
        }
    }
    took
}
