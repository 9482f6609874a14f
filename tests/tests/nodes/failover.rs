//! R3 and R4: the database server crashes and comes back, or another takes its place.

use std::time::{Duration, Instant};

use chancery_tests::node::Node;
use chancery_tests::postgres_server::PostgresServer;
use chancery_tests::relay::{Network, Relay};
use serde_json::json;

use crate::cluster::{Cluster, rounds};
use crate::figures::{Spread, outcomes};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r3_a_database_that_crashes_again_and_again_loses_nothing_and_heals() {
    let server = PostgresServer::start(&[]).await;
    let cluster = Cluster::on(2, &server).await;
    let mut load = cluster.load().await;
    let mut outages = Vec::new();
    let crashes = 10 * rounds();
    for crash in 0..=crashes {
        load.acknowledged(100).await;
        let begun = Instant::now();
        server.crash().await;
        if crash == crashes {
            outage(&cluster.front).await;
        }
        server.resume(&[]).await;
        outages.push((begun, Instant::now()));
    }
    load.acknowledged(100).await;
    let (ledger, client) = load.end().await;

    let failed: Vec<_> = ledger.requests.iter().filter(|request| request.failed()).collect();
    // Until the last failure before the next crash.
    let next = outages.iter().skip(1).map(|(down, _)| *down).chain([Instant::now()]);
    let healed = outages.iter().zip(next).map(|((_, up), next)| {
        let late = failed.iter().filter(|request| request.ended() > *up && request.ended() < next);
        late.map(|request| request.ended() - *up).max().unwrap_or_default()
    });
    let healed: Spread = healed.collect();
    let outside = failed.iter().filter(|request| !outages.iter().any(|(down, _)| request.ended() > *down)).count();
    println!("{} crashes: {}; healed after {healed}", outages.len(), outcomes(&ledger.requests));
    assert_eq!(outside, 0);
    assert!(healed.longest() < Duration::from_secs(10));
    cluster.assert_sound(&ledger, &client).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r4_with_a_synchronous_standby_nothing_acknowledged_is_lost_with_the_primary() {
    let mut writable = Vec::new();
    for _ in 0..rounds() {
        let failover = fail_over(&["synchronous_standby_names=standby"]).await;
        assert_eq!(failover.faults, Vec::<String>::new());
        assert!(failover.writable < Duration::from_secs(15));
        writable.push(failover.writable);
    }
    println!("writable again {}", writable.into_iter().collect::<Spread>());
}

/// The control: the same checks see what an asynchronous standby loses.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r4_with_an_asynchronous_standby_the_loss_is_seen() {
    let failover = fail_over(&[]).await;
    assert!(!failover.faults.is_empty());
    println!("{} faults, such as {}", failover.faults.len(), failover.faults[0]);
}

/// No database for a while: what needs none is answered, the rest is told when to come back. Not for longer than the answer
/// to a refresh, if it was lost, can be asked for again (decision 4).
async fn outage(front: &Node) {
    let over = Instant::now() + Duration::from_secs(25);
    front.visitor().get("/.well-known/jwks.json").await.expect(200);
    let answer = front.visitor().get("/api/webauthn/login/start").await.expect(503);
    assert_eq!(answer.header("retry-after"), "5");
    tokio::time::sleep_until(over.into()).await;
}

struct Failover {
    writable: Duration,
    faults: Vec<String>,
}

/// The standby's network falls silent, a second later the primary dies, and the standby is promoted.
async fn fail_over(settings: &[&str]) -> Failover {
    let primary = PostgresServer::start(settings).await;
    let stream = Relay::to(primary.target()).await;
    let standby = primary.standby(&stream).await;
    let cluster = Cluster::on(2, &primary).await;
    let mut load = cluster.load().await;
    load.acknowledged(200).await;

    stream.turn(Network::Silent);
    tokio::time::sleep(Duration::from_secs(1)).await;
    primary.crash().await;
    let lost = Instant::now();
    standby.promote().await;
    for network in &cluster.networks {
        network.lead_to(standby.target());
    }
    let promoted = Instant::now();
    load.acknowledged(1).await;
    let writable = promoted.elapsed();
    load.acknowledged(300).await;
    let (ledger, client) = load.end().await;

    println!(
        "{settings:?}: promoted after {:.1?}, writable {writable:.1?} later; {}; kept: {}",
        promoted - lost,
        outcomes(&ledger.requests),
        ledger.told()
    );
    let pool = chancery_adapters::postgres::pool(standby.options(), 2);
    let mut faults = Vec::new();
    for process in &cluster.nodes {
        faults.extend(ledger.faults(&pool, &process.node, &client).await);
    }
    agree(&cluster).await;
    Failover { writable, faults }
}

/// After whatever was lost: what one node records and ends, the other knows within a second.
async fn agree(cluster: &Cluster) {
    let app = cluster.front.client(&json!({})).await;
    for (one, other) in [(0, 1), (1, 0)] {
        let [one, other] = [&cluster.nodes[one].node, &cluster.nodes[other].node];
        let token = app.token(one, &[("grant_type", "client_credentials")]).await.expect(200).json();
        let token = token["access_token"].as_str().unwrap();
        assert_eq!(app.introspect(other, token).await["active"], true);
        let pairs = [("token", token), ("client_id", app.id.as_str()), ("client_secret", app.secret.as_str())];
        one.visitor().form("/api/oidc/revoke", &pairs).await.expect(200);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(app.introspect(other, token).await, json!({ "active": false }));
    }
}
