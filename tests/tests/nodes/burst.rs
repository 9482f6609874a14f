//! R13: many times the load at once. Whoever cannot be served is told so in time.

use std::time::{Duration, Instant};

use chancery_tests::ledger::{Outcome, Request};
use chancery_tests::load::Load;
use chancery_tests::relay::Network;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, rounds};
use crate::figures::{Spread, outcomes};

/// Fourteen workers each: 420 at once, none of whom waits.
const LOADS: usize = 30;
const BURST: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r13_a_burst_is_served_or_refused_in_time_and_over_when_it_is_over() {
    burst(Duration::ZERO, Duration::from_secs(2)).await;
}

/// An append is eight statements, one after the other: it cannot be quick here.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r13_a_burst_on_a_database_500_ms_away_is_served_or_refused_in_time_and_over_when_it_is_over() {
    burst(Duration::from_millis(500), Duration::from_secs(10)).await;
}

/// `away`: what a statement takes while the burst lasts. `patience`: within what 99 % of those who are served are.
async fn burst(away: Duration, patience: Duration) {
    let cluster = Cluster::start(2).await;
    let mut load = cluster.load().await;
    load.acknowledged(200).await;
    for _ in 0..rounds() {
        let before = usual(&load.ledger().requests, Instant::now() - Duration::from_secs(3));
        let mut loads = JoinSet::new();
        for _ in 0..LOADS {
            let front = cluster.front.clone();
            loads.spawn(async move { Load::start(&[&front], Duration::ZERO).await });
        }
        let loads = loads.join_all().await;
        for network in &cluster.networks {
            network.turn(Network::Open { delay: away / 2, lossy: false });
        }
        let begun = Instant::now();
        tokio::time::sleep(BURST).await;
        for network in &cluster.networks {
            network.turn(Network::OPEN);
        }
        let mut requests = Vec::new();
        for (ledger, _) in loads.into_iter().map(Load::end).collect::<JoinSet<_>>().join_all().await {
            assert_eq!(ledger.violations, Vec::<String>::new());
            requests.extend(ledger.requests.into_iter().filter(|request| request.begun >= begun));
        }
        let over = begun + BURST;
        let took = |served: bool| {
            let of = requests.iter().filter(|request| request.failed() != served);
            of.map(|request| request.took).collect::<Spread>()
        };
        let (served, refused) = (took(true), took(false));
        load.acknowledged(200).await;
        let after = back(&load.ledger().requests, over, before.at(50) * 2);
        println!(
            "burst, a statement takes {away:?} more: {}; served {served}; refused {refused}; usual {before}; back after \
             {after:.1?}",
            outcomes(&requests)
        );
        let answered = |request: &&Request| matches!(request.outcome, Outcome::Done | Outcome::Refused(503));
        assert_eq!(requests.iter().filter(answered).count(), requests.len());
        assert!(served.at(99) < patience && refused.longest() < Duration::from_secs(10));
        assert!(after < Duration::from_secs(30));
    }
    let (ledger, client) = load.end().await;
    cluster.assert_sound(&ledger, &client).await;
}

fn usual(requests: &[Request], since: Instant) -> Spread {
    requests.iter().filter(|request| request.begun > since).map(|request| request.took).collect()
}

/// When the last of three requests in a row was slower than that, or refused.
fn back(requests: &[Request], over: Instant, slow: Duration) -> Duration {
    let mut after: Vec<&Request> = requests.iter().filter(|request| request.ended() > over).collect();
    after.sort_by_key(|request| request.begun);
    let slow = |window: &&[&Request]| window.iter().all(|request| request.failed() || request.took > slow);
    after.windows(3).filter(slow).map(|window| window[2].ended() - over).max().unwrap_or_default()
}
