//! R5: a node is killed, or stands still, and another takes on what it was at.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chancery_tests::ledger::Request;
use chancery_tests::mailbox::Mailbox;
use chancery_tests::relay::Network;
use serde_json::json;
use uuid::Uuid;

use crate::cluster::{Cluster, rounds};
use crate::figures::{History, Spread, outcomes};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r5_a_node_that_is_killed_takes_nothing_with_it_but_what_it_was_answering() {
    let mut cluster = Cluster::start(2).await;
    let mut load = cluster.load().await;
    let history = History::watch(cluster.pool.clone());
    let mut kills = Vec::new();
    for round in 0..rounds() * 2 {
        // Until Caddy has found the other one again.
        load.acknowledged(300).await;
        let node = &mut cluster.nodes[round % 2];
        let begun = Instant::now();
        node.kill().await;
        kills.push((begun, Instant::now()));
        load.acknowledged(50).await;
        node.start().await;
    }
    let (ledger, client) = load.end().await;

    let dying = |request: &Request| kills.iter().any(|(begun, gone)| request.begun < *gone && request.ended() > *begun);
    let failed = failed(&ledger.requests);
    let in_flight = ledger.requests.iter().filter(|request| dying(request)).count();
    let (behind, kills_count) = (history.longest_wait(), kills.len());
    println!(
        "{kills_count} kills: {}; {in_flight} in flight; history behind by {behind:.1?} at most",
        outcomes(&ledger.requests)
    );
    assert!(failed.len() <= in_flight, "{failed:?}");
    // Whoever finds out that the node is gone may fail with it, going by Caddy's version; nobody does later.
    let late = |request: &Request| !kills.iter().any(|(_, gone)| request.begun < *gone + Duration::from_millis(500));
    let late: Vec<_> = failed.iter().filter(|request| late(request)).collect();
    assert!(late.is_empty(), "requests failed though it was known that the node was gone: {late:?}");
    assert!(behind < Duration::from_secs(10));
    cluster.assert_sound(&ledger, &client).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r5_a_node_that_stands_still_is_passed_over_and_goes_on_later() {
    let cluster = Cluster::start(2).await;
    let mut load = cluster.load().await;
    let history = History::watch(cluster.pool.clone());
    let mut stops = Vec::new();
    for round in 0..rounds() {
        load.acknowledged(100).await;
        let node = &cluster.nodes[round % 2];
        stops.push(Instant::now());
        node.signal("STOP").await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        node.signal("CONT").await;
        load.acknowledged(100).await;
    }
    let (ledger, client) = load.end().await;

    // Whoever was sent to the node that stood still had to wait for it.
    let stuck: Vec<&Request> = ledger.requests.iter().filter(|request| request.took > Duration::from_secs(4)).collect();
    // In flight when it stopped, or sent there until it was passed over.
    let since = |request: &Request| {
        let stop = stops.iter().rfind(|stop| **stop < request.ended());
        stop.map(|stop| request.begun.saturating_duration_since(*stop)).unwrap_or_default()
    };
    let ejected: Spread = stuck.iter().map(|request| since(request)).collect();
    let behind = history.longest_wait();
    println!(
        "{} stops: {}; {} stuck; the last one was sent there {:.1?} after the stop; history behind by {behind:.1?} at most",
        stops.len(),
        outcomes(&ledger.requests),
        stuck.len(),
        ejected.longest(),
    );
    assert!(ejected.longest() < Duration::from_secs(5));
    assert!(failed(&ledger.requests).len() <= stuck.len());
    assert!(behind < Duration::from_secs(10));
    cluster.assert_sound(&ledger, &client).await;
}

/// The worst moment to stand still: it has the log, and everybody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn r5_a_node_that_stands_still_with_the_log_s_lock_loses_it() {
    stand_still_with_the_log(b"grant.client_tokens_issued").await;
}

/// It has said that it will send events, and does not: no time limit of the server ends that.
#[tokio::test(flavor = "multi_thread")]
async fn r5_a_node_that_stands_still_before_it_hands_over_its_events_loses_the_log() {
    stand_still_with_the_log(b"COPY events").await;
}

async fn stand_still_with_the_log(sent: &'static [u8]) {
    let cluster = Cluster::start(2).await;
    let client = cluster.front.client(&json!({})).await;
    let [one, other] = [&cluster.nodes[0].node, &cluster.nodes[1].node];
    let grant = [("grant_type", "client_credentials")];
    let mut waits = Vec::new();
    for _ in 0..rounds() {
        let (node, app) = (one.clone(), client.clone());
        let asked = tokio::spawn(async move { app.token(&node, &grant).await.status });
        cluster.networks[0].cut_after(sent).await;

        let begun = Instant::now();
        let answer = client.token(other, &grant).await;

        waits.push(begun.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(asked.await.unwrap(), 503);
        let answer = one.visitor().get("/readyz").await.expect(503);
        assert_eq!(answer.header("retry-after"), "5");
        cluster.networks[0].turn(Network::OPEN);
        chancery_tests::process::ready(&one.base).await;
        client.token(one, &grant).await.expect(200);
    }
    let waits: Spread = waits.into_iter().collect();
    println!("the other node could append again: {waits}");
    assert!(waits.longest() < Duration::from_secs(5));
}

/// It was cut off in an append, and asks the log what became of that, once it is back: this needs the lock as well.
#[tokio::test(flavor = "multi_thread")]
async fn r5_a_node_that_stands_still_as_it_looks_for_what_it_wrote_loses_the_log() {
    let cluster = Cluster::start(2).await;
    let client = cluster.front.client(&json!({})).await;
    let [one, other] = [&cluster.nodes[0].node, &cluster.nodes[1].node];
    let grant = [("grant_type", "client_credentials")];
    let (node, app) = (one.clone(), client.clone());
    let asked = tokio::spawn(async move { app.token(&node, &grant).await.status });
    cluster.networks[0].cut_after(b"grant.client_tokens_issued").await;
    while one.visitor().get("/readyz").await.status != 503 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Silent it is already.
    cluster.networks[0].cut_after(b"AS n(type, id, place)").await;
    cluster.networks[0].turn(Network::OPEN);
    let looks = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND query LIKE '%AS n(type, id, place)%'";
    let begun = Instant::now();
    while sqlx::query_scalar::<_, i64>(looks).fetch_one(&cluster.pool).await.unwrap() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(8), "it does not ask");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let begun = Instant::now();
    let answer = client.token(other, &grant).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(asked.await.unwrap(), 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_node_that_stands_still_with_the_history_loses_it() {
    let cluster = Cluster::start(2).await;
    // Only the node that moves the history along sends this, since the other one appends.
    stand_still_after(b"group.created", "SELECT position FROM checkpoints WHERE projection = 'audit'", &cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_node_that_stands_still_before_it_hands_over_the_history_loses_it() {
    stand_still_after(
        b"COPY audit",
        "SELECT position FROM checkpoints WHERE projection = 'audit'",
        &Cluster::start(2).await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes longer: scripts/nodes.sh"]
async fn r5_a_node_that_stands_still_with_the_outbox_loses_it_and_no_mail_comes_twice() {
    let mailbox = Mailbox::open().await;
    let (port, from) = (mailbox.port(), "chancery@id.example");
    let smtp = [("SMTP_HOST", "127.0.0.1"), ("SMTP_PORT", &port), ("SMTP_TLS", "none"), ("SMTP_FROM", from)];
    let cluster = Cluster::with(2, &smtp).await;
    // What begins the description of a mail, in the statement that puts it into the outbox.
    stand_still_after(b"\"kind\":\"", "SELECT position FROM outbox_checkpoints WHERE outbox = 'mails'", &cluster).await;

    // The first node's own mails wait for two minutes; an invitation that was used meanwhile is never sent.
    let count = async |of: &str| -> i64 {
        let count = format!("SELECT count(*) FROM mails WHERE {of}");
        sqlx::query_scalar(&count).fetch_one(&cluster.pool).await.unwrap()
    };
    let begun = Instant::now();
    while count("sent_at IS NULL AND given_up_at IS NULL").await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(180), "a mail is never sent");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let asked = count("sent_at IS NOT NULL").await;
    let mails = mailbox.when_there_are(usize::try_from(asked).unwrap()).await;
    let ids = mails.iter().map(|mail| mail.parsed().message_id().unwrap().to_owned()).collect::<HashSet<_>>();
    assert_eq!(ids.len(), mails.len());
    println!("{asked} mails, each once");
}

/// Keeps the other node busy until the first one has sent this to the database, and is cut off from it at that moment. The
/// other one takes on: the position comes to where the log ends.
async fn stand_still_after(sent: &'static [u8], position: &str, cluster: &Cluster) {
    let mut admin = cluster.nodes[1].node.admin.clone();
    let tripped = cluster.networks[0].cut_after(sent);
    tokio::pin!(tripped);
    loop {
        let name = Uuid::new_v4().simple().to_string();
        admin.post("/api/user-groups", &json!({ "name": name, "friendlyName": name })).await.expect(201);
        cluster.nodes[1].node.person(&name).await;
        if tokio::time::timeout(Duration::from_millis(50), &mut tripped).await.is_ok() {
            break;
        }
    }
    let begun = Instant::now();
    let held = "SELECT count(*) FROM pg_stat_activity
                WHERE state = 'idle in transaction' AND datname = current_database()";
    let held: i64 = sqlx::query_scalar(held).fetch_one(&cluster.pool).await.unwrap();
    let head = sqlx::query_scalar::<_, i64>("SELECT max(position) FROM events").fetch_one(&cluster.pool).await.unwrap();
    while sqlx::query_scalar::<_, i64>(position).fetch_one(&cluster.pool).await.unwrap() < head {
        assert!(begun.elapsed() < Duration::from_secs(10), "nobody takes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{held} transactions were held; taken on after {:.1?}", begun.elapsed());
    cluster.networks[0].turn(Network::OPEN);
    cluster.nodes[1].views_equal_a_replay().await;
}

fn failed(requests: &[Request]) -> Vec<&Request> {
    requests.iter().filter(|request| request.failed()).collect()
}
