//! R1: a node is killed again and again under load, and a ledger outside it knows what it had acknowledged.

use std::time::Duration;

use chancery_adapters::postgres;
use chancery_tests::load::Load;
use chancery_tests::process::Process;
use uuid::Uuid;

const ROUNDS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn r1_nothing_acknowledged_is_lost_when_the_node_is_killed() {
    let database = chancery_tests::postgres::fresh_database().await;
    let mut process = Process::new(env!("CARGO_BIN_EXE_chancery_node"), &database);
    process.start().await;

    let mut load = Load::start(&[&process.node], Duration::ZERO).await;
    for _ in 0..ROUNDS {
        // Some moment between the 20th and the 275th acknowledgment of this life.
        load.acknowledged(20 + usize::from(Uuid::new_v4().as_bytes()[0])).await;
        process.kill().await;
        process.start().await;
    }
    let (ledger, client) = load.end().await;

    let pool = postgres::pool(database, 2);
    assert_eq!(ledger.faults(&pool, &process.node, &client).await, Vec::<String>::new());
    assert!(!ledger.revoked.is_empty() && !ledger.sessions.is_empty() && !ledger.groups.is_empty());
    process.views_equal_a_replay().await;
    println!("{ROUNDS} kills; kept: {}", ledger.told());
}
