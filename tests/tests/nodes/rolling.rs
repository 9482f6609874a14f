//! R14: nodes are restarted one after the other, and nobody notices.

use std::time::{Duration, Instant};

use crate::cluster::{Cluster, rounds};
use crate::figures::{Spread, outcomes};

#[tokio::test(flavor = "multi_thread")]
async fn r14_two_nodes_restarted_one_after_the_other_fail_nobody() {
    restart_one_after_the_other(2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r14_three_nodes_restarted_one_after_the_other_fail_nobody() {
    restart_one_after_the_other(3).await;
}

/// A release upgrade: each is asked to stop, has stopped, is started, is ready.
async fn restart_one_after_the_other(count: usize) {
    let mut cluster = Cluster::start(count).await;
    let mut load = cluster.load().await;
    let (mut stops, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        for node in &mut cluster.nodes {
            load.acknowledged(50).await;
            let begun = Instant::now();
            node.stop().await;
            stops.push(begun.elapsed());
            let begun = Instant::now();
            node.start().await;
            starts.push(begun.elapsed());
        }
    }
    load.acknowledged(50).await;
    let (ledger, client) = load.end().await;

    let requests = &ledger.requests;
    let latency: Spread = requests.iter().map(|request| request.took).collect();
    let (stops, starts): (Spread, Spread) = (stops.into_iter().collect(), starts.into_iter().collect());
    println!("{count} nodes: stopped {stops}; started {starts}; {}; answered {latency}", outcomes(requests));
    let failed: Vec<_> = requests.iter().filter(|request| request.failed()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(stops.longest() < Duration::from_secs(30));
    cluster.assert_sound(&ledger, &client).await;
}
