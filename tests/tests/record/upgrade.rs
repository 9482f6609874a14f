//! R14: nodes of the release before and of this one work on one database under load, and are replaced one by one.

use std::time::Duration;

use chancery_tests::load::Load;
use chancery_tests::postgres::fresh_database;
use chancery_tests::process::Process;

/// Acknowledgments between two steps.
const SOME: usize = 300;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the program of the release before: scripts/upgrade.sh"]
async fn r14_nodes_are_replaced_one_by_one_without_a_failed_request() {
    let before = std::env::var("CHANCERY_BEFORE").expect("CHANCERY_BEFORE names the program of the release before");
    let after = env!("CARGO_BIN_EXE_chancery_node");
    let database = fresh_database().await;
    let mut old = Process::new(&before, &database);
    old.start().await;
    let mut other_old = old.second();
    other_old.start().await;
    let mut load = Load::start(&[&old.node, &other_old.node], Duration::ZERO).await.with_newcomers();
    load.acknowledged(SOME).await;

    // The first new node migrates the schema under the old ones.
    let mut new = old.second_as(after);
    new.start().await;
    load.use_only(&[&old.node, &other_old.node, &new.node]).await;
    load.acknowledged(SOME).await;
    load.use_only(&[&other_old.node, &new.node]).await;
    old.stop().await;
    load.acknowledged(SOME).await;
    let mut other_new = new.second();
    other_new.start().await;
    load.use_only(&[&other_old.node, &new.node, &other_new.node]).await;
    load.acknowledged(SOME).await;

    // An old node that is started beside the newer schema, as after a crash.
    let restarted = old.run(&["rebuild"]).await;
    let says = String::from_utf8_lossy(&restarted.stderr).lines().last().unwrap_or_default().to_owned();
    load.use_only(&[&new.node, &other_new.node]).await;
    other_old.stop().await;
    load.acknowledged(SOME).await;
    let (ledger, client) = load.end().await;

    println!("{} requests, {} failed", ledger.requests.len(), ledger.failures().len());
    println!("an old node started anew: {} {says}", if restarted.status.success() { "works" } else { "refuses" });
    assert_eq!(ledger.failures(), Vec::<String>::new());
    for token in &ledger.refresh_tokens {
        client.refresh(&new.node, token).await.expect(200);
    }
    new.node.person("late").await.sign_in().await.expect(200);
    let rebuilt = new.run(&["rebuild"]).await;
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stdout));
}
