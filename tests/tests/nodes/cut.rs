//! R6 and R7: the network between one node and the database is cut, or slow.

use std::time::{Duration, Instant};

use chancery_tests::ledger::{Outcome, Request};
use chancery_tests::node::{Client, Node};
use chancery_tests::relay::Network;
use chancery_tests::visitor::Answer;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, rounds};
use crate::figures::{Spread, outcomes};

const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];
/// How long the network stays cut.
const CUT: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r7_a_node_whose_network_falls_silent_says_so_and_lets_nobody_in_whom_others_keep_out() {
    cut(Network::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r7_a_node_whose_network_works_one_way_says_so_and_lets_nobody_in_whom_others_keep_out() {
    cut(Network::OneWay).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r7_a_node_whose_connections_are_reset_says_so_and_lets_nobody_in_whom_others_keep_out() {
    cut(Network::Reset).await;
}

async fn cut(network: Network) {
    let cluster = Cluster::start(2).await;
    let [cut_off, other] = [&cluster.nodes[0].node, &cluster.nodes[1].node];
    let app = cluster.front.client(&json!({})).await;
    let mut load = cluster.load().await;
    let (mut noticed, mut accepted, mut asked, mut healed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds() {
        load.acknowledged(100).await;
        let mut ada = cluster.front.person(&format!("ada-{}", uuid::Uuid::new_v4().simple())).await;
        let token = app.token(cut_off, &GRANT).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(app.introspect(cut_off, &token).await["active"], true);

        let begun = Instant::now();
        cluster.networks[0].turn(network);
        app.token(other, &GRANT).await.expect(200);
        revoke(&app, other, &token).await;
        let mut session = ada.visitor.clone();
        ada.visitor.base = other.base.clone();
        ada.visitor.post("/api/webauthn/logout", &json!({})).await.expect(204);
        let ended = Instant::now();
        session.base = cut_off.base.clone();
        let told = tokio::spawn(first_unready(cut_off.clone(), begun));
        // What the node says to whoever is not told that it is cut off.
        let mut last_accepted = Duration::ZERO;
        while begun.elapsed() < CUT {
            let since = Instant::now();
            let (told, me, append) = tokio::join!(
                introspect(&app, cut_off, &token),
                session.try_send(Method::GET, "/api/users/me", None, &[]),
                app.token(cut_off, &GRANT),
            );
            asked.push(since.elapsed());
            if told["active"] == true || me.unwrap().status == 200 {
                last_accepted = since.saturating_duration_since(ended);
            }
            assert!(append.status == 200 || append.status == 503, "{} {}", append.status, append.text);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        noticed.push(told.await.unwrap());
        accepted.push(last_accepted);

        let begun = Instant::now();
        cluster.networks[0].turn(Network::OPEN);
        while cut_off.visitor().get("/readyz").await.status != 204 || app.token(cut_off, &GRANT).await.status != 200 {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        healed.push(begun.elapsed());
        let answer = cut_off.visitor().get("/api/webauthn/login/start").await;
        assert_eq!(answer.status, 200, "once it is ready, it works: {}", answer.text);
        assert_eq!(app.introspect(cut_off, &token).await["active"], false);
    }
    let (ledger, client) = load.end().await;

    let spread = |durations: Vec<Duration>| durations.into_iter().collect::<Spread>();
    let (noticed, accepted, asked, healed) = (spread(noticed), spread(accepted), spread(asked), spread(healed));
    let latency: Spread = ledger.requests.iter().map(|request| request.took).collect();
    println!(
        "{network:?}: not ready after {noticed}; accepted what was revoked for {accepted}; answered {asked}; healed \
         after {healed}; through Caddy: {}, answered {latency}",
        outcomes(&ledger.requests),
    );
    assert!(noticed.longest() < Duration::from_secs(5));
    assert!(accepted.longest() < Duration::from_secs(1));
    assert!(asked.longest() < Duration::from_secs(10) && latency.longest() < Duration::from_secs(10));
    assert!(healed.longest() < Duration::from_secs(10));
    cluster.assert_sound(&ledger, &client).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r6_a_network_of_200_ms_that_loses_packets_is_slow_and_no_more() {
    let cluster = Cluster::start(2).await;
    for network in &cluster.networks {
        network.turn(Network::Open { delay: Duration::from_millis(100), lossy: true });
    }
    let mut load = cluster.load().await;

    load.acknowledged(300 * rounds()).await;

    let (ledger, client) = load.end().await;
    for network in &cluster.networks {
        network.turn(Network::OPEN);
    }
    let latency: Spread = ledger.requests.iter().map(|request| request.took).collect();
    println!("200 ms, 5 % lost: {}; answered {latency}", outcomes(&ledger.requests));
    // A batch is eight round trips, and may wait for that of the other node: who is behind several is asked to come again.
    let answered = |request: &&Request| matches!(request.outcome, Outcome::Done | Outcome::Refused(503));
    assert_eq!(ledger.requests.iter().filter(answered).count(), ledger.requests.len());
    assert!(latency.longest() < Duration::from_secs(10));
    cluster.assert_sound(&ledger, &client).await;
}

/// How long after the cut the node says that it is not ready, and when to come back.
async fn first_unready(node: Node, cut: Instant) -> Duration {
    loop {
        let answer = node.visitor().get("/readyz").await;
        let after = cut.elapsed();
        if answer.status == 503 {
            assert_eq!(answer.header("retry-after"), "5");
            return after;
        }
        assert!(after < CUT, "it never says that it is not ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn introspect(app: &Client, node: &Node, token: &str) -> Value {
    let pairs = [("token", token), ("client_id", app.id.as_str()), ("client_secret", app.secret.as_str())];
    let answer: Answer = node.visitor().form("/api/oidc/introspect", &pairs).await;
    assert!(answer.status == 200 || answer.status == 503, "{} {}", answer.status, answer.text);
    serde_json::from_str(&answer.text).unwrap_or_default()
}

async fn revoke(app: &Client, node: &Node, token: &str) {
    let pairs = [("token", token), ("client_id", app.id.as_str()), ("client_secret", app.secret.as_str())];
    node.visitor().form("/api/oidc/revoke", &pairs).await.expect(200);
}
