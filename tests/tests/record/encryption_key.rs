//! `ENCRYPTION_KEY` changes while nodes run, and a change that is killed anywhere is taken up by the next run.

use chancery_adapters::postgres;
use chancery_adapters::vault::{Binding, Standing, Vault, VaultError};
use chancery_api::encryption_key::rotate;
use chancery_domain::encryption_key::{EncryptionKey, EncryptionKeyCommand};
use chancery_domain::ids::UserId;
use chancery_domain::personal::{Personal, Subject};
use chancery_domain::secret::Secret;
use chancery_tests::load::Load;
use chancery_tests::node::ENCRYPTION_KEY;
use chancery_tests::postgres::fresh_database;
use chancery_tests::process::Process;
use chancery_tests::server::{NOON, Server};
use serde_json::{Value, json};
use time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use uuid::Uuid;

use crate::support::{Log, context};

const NEXT_KEY: &str = "the encryption key that comes next";
/// More than are sealed anew at once.
const PEOPLE: u128 = 450;

const PLACE: Binding<'static> = Binding {
    aggregate_type: "user",
    aggregate_id: "x",
    sequence: 1,
    event_type: "user.registered",
    event_version: "1",
    part: "payload",
};

fn secret(key: &str) -> Secret<Vec<u8>> {
    Secret::new(key.as_bytes().to_vec())
}

impl Log {
    fn vault_with(&self, key: &str, previous: Option<&str>) -> Vault {
        let vault = Vault::new(self.pool.clone(), &secret(key)).unwrap();
        match previous {
            Some(previous) => vault.with_previous(&secret(previous)).unwrap(),
            None => vault,
        }
    }
}

fn about(person: u128) -> Value {
    json!(Personal::of(UserId(Uuid::from_u128(person)), "a name"))
}

async fn seal(vault: &Vault, person: u128) -> Value {
    let mut json = about(person);
    vault.seal(PLACE, &mut json).await.unwrap();
    json
}

async fn assert_opens(vault: &Vault, sealed: &[Value]) {
    for (person, json) in (0..).zip(sealed) {
        let mut json = json.clone();
        vault.unseal(&mut [(PLACE, &mut json)]).await.unwrap();
        assert_eq!(json, about(person));
    }
}

/// Where a run is killed.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Killed {
    OnceRecorded,
    OnceSwitched,
    MidWay,
    OnceSealed,
    OnceRecordedAgain,
}

#[tokio::test]
async fn a_rotation_that_is_killed_anywhere_is_taken_up_by_the_next_run() {
    for killed in
        [Killed::OnceRecorded, Killed::OnceSwitched, Killed::MidWay, Killed::OnceSealed, Killed::OnceRecordedAgain]
    {
        let log = Log::new().await;
        let before = log.vault_with(ENCRYPTION_KEY, None);
        before.check().await.unwrap();
        let mut sealed = Vec::new();
        for person in 0..PEOPLE {
            sealed.push(seal(&before, person).await);
        }
        let node = log.node_of(log.vault_with(NEXT_KEY, Some(ENCRYPTION_KEY)));
        node.vault().check().await.unwrap();

        let vault = node.vault();
        let rotation = vault.rotation().await.unwrap().unwrap();
        assert!(!rotation.begun);
        let start = EncryptionKeyCommand::StartRotation { replaces: rotation.replaces.clone() };
        node.execute::<EncryptionKey>(&rotation.key, start, &context()).await.unwrap();
        if killed >= Killed::OnceSwitched {
            vault.take_into_use(&rotation, NOON).await.unwrap();
        }
        if killed >= Killed::MidWay {
            let step = vault.reseal(&rotation, "").await.unwrap().unwrap();
            assert!(step.count > 0 && (step.count as u128) < PEOPLE);
        }
        while killed >= Killed::OnceSealed && vault.reseal(&rotation, "").await.unwrap().is_some() {}
        if killed >= Killed::OnceRecordedAgain {
            let finish = EncryptionKeyCommand::FinishRotation { sealed: 1 };
            node.execute::<EncryptionKey>(&rotation.key, finish, &context()).await.unwrap();
        }

        // Whoever has both keys opens everything meanwhile, whichever is in use, and seals so that the other can open it.
        for (key, previous) in [(NEXT_KEY, ENCRYPTION_KEY), (ENCRYPTION_KEY, NEXT_KEY)] {
            let vault = log.vault_with(key, Some(previous));
            vault.check().await.unwrap();
            assert_opens(&vault, &sealed).await;
            sealed.push(seal(&vault, sealed.len() as u128).await);
        }

        let mut lock = postgres::connect(&log.options).await.unwrap();
        let mut told = Vec::new();
        let progress = |done, total| told.push((done, total));
        let rotated = rotate(&node, &mut lock, &context(), NOON, progress).await.unwrap();
        assert_eq!(rotated.map(|rotation| rotation.replaces), Some(rotation.replaces), "{killed:?}");
        assert!(told.is_sorted() && told.last().is_none_or(|(done, total)| done == total), "{killed:?}: {told:?}");
        let again = rotate(&node, &mut lock, &context(), NOON, |_, _| {}).await.unwrap();
        assert_eq!(again, None, "there is nothing left to do");

        let after = log.vault_with(NEXT_KEY, None);
        after.check().await.unwrap();
        assert_opens(&after, &sealed).await;
        assert_eq!(after.standing().await.unwrap(), Standing::Settled { key: rotation.key.clone(), previous: None });
        let refused = log.vault_with(ENCRYPTION_KEY, None).check().await;
        assert!(matches!(refused, Err(VaultError::WrongKey)), "{refused:?}");
        let names: Vec<String> =
            sqlx::query_scalar("SELECT event_type FROM events ORDER BY position").fetch_all(&log.pool).await.unwrap();
        assert_eq!(names, ["encryption_key.rotation_started", "encryption_key.rotation_finished"], "{killed:?}");
    }
}

#[tokio::test]
async fn jk07_a_node_that_lacks_a_key_in_use_does_not_start_and_says_which() {
    let log = Log::new().await;
    log.vault_with(ENCRYPTION_KEY, None).check().await.unwrap();
    seal(&log.vault_with(ENCRYPTION_KEY, None), 0).await;
    let both = log.vault_with(NEXT_KEY, Some(ENCRYPTION_KEY));
    both.check().await.unwrap();
    let alone = log.vault_with(NEXT_KEY, None).check().await;
    assert!(matches!(alone, Err(VaultError::WrongKey)), "not yet in use: {alone:?}");
    assert!(alone.unwrap_err().to_string().contains("ENCRYPTION_KEY_PREVIOUS"));

    let rotation = both.rotation().await.unwrap().unwrap();
    both.take_into_use(&rotation, NOON).await.unwrap();

    let alone = log.vault_with(NEXT_KEY, None).check().await;
    let says = alone.unwrap_err().to_string();
    assert!(says.contains(&rotation.replaces) && says.contains("encryption-key-rotate"), "{says}");
    let turned = log.vault_with(ENCRYPTION_KEY, Some(NEXT_KEY)).rotation().await;
    assert!(matches!(turned, Err(VaultError::PreviousNeeded(_))), "one after the other: {turned:?}");
    let Standing::Rotating { remaining, .. } = both.standing().await.unwrap() else { panic!("it is under way") };
    // One person, and three keys of derived secrets.
    assert_eq!(remaining, 4);
}

#[tokio::test]
async fn someone_erased_stays_erased() {
    let log = Log::new().await;
    let before = log.vault_with(ENCRYPTION_KEY, None);
    let sealed = seal(&before, 7).await;
    before.destroy(&Subject::user(UserId(Uuid::from_u128(7))), &mut log.pool.acquire().await.unwrap()).await.unwrap();
    let node = log.node_of(log.vault_with(NEXT_KEY, Some(ENCRYPTION_KEY)));
    node.vault().check().await.unwrap();

    let mut lock = postgres::connect(&log.options).await.unwrap();
    rotate(&node, &mut lock, &context(), NOON, |_, _| {}).await.unwrap().unwrap();

    let mut json = sealed;
    log.vault_with(NEXT_KEY, None).unseal(&mut [(PLACE, &mut json)]).await.unwrap();
    assert_eq!(json, json!({ "$personal": { "subject": Subject::user(UserId(Uuid::from_u128(7))) } }));
    let again = log.vault_with(NEXT_KEY, None).seal(PLACE, &mut about(7)).await;
    assert!(matches!(again, Err(VaultError::Erased(_))), "{again:?}");
}

#[tokio::test]
async fn whoever_knows_the_former_key_cannot_make_the_refresh_tokens_that_come_after() {
    let log = Log::new().await;
    log.vault_with(ENCRYPTION_KEY, None).check().await.unwrap();
    let both = [("ENCRYPTION_KEY", NEXT_KEY), ("ENCRYPTION_KEY_PREVIOUS", ENCRYPTION_KEY)];
    let one = Server::at(log.options.clone(), &both).await;
    let other = one.second_with(&both).await;
    let mut ada = one.person("ada").await;
    let wiki = one.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[("scope", "openid offline_access")]).await.expect(303).parameter("code").unwrap();
    let refresh_token = |tokens: Value| tokens["refresh_token"].as_str().unwrap().to_owned();
    let first = refresh_token(wiki.redeem(&one, &code).await.expect(200).json());

    let mut lock = postgres::connect(&one.database).await.unwrap();
    rotate(&one.app.store, &mut lock, &context(), one.app.now(), |_, _| {}).await.unwrap().unwrap();

    // The nodes hear of the new keys at different times, and agree all the while.
    one.app.store.vault().check().await.unwrap();
    let second = refresh_token(wiki.refresh(&one, &first).await.expect(200).json());
    assert_eq!(refresh_token(wiki.refresh(&other, &first).await.expect(200).json()), second);
    other.app.store.vault().check().await.unwrap();
    assert_eq!(refresh_token(wiki.refresh(&other, &first).await.expect(200).json()), second);
    one.later(Duration::minutes(6));
    let third = refresh_token(wiki.refresh(&one, &second).await.expect(200).json());
    assert_eq!(refresh_token(wiki.refresh(&other, &second).await.expect(200).json()), third);

    let former = Vault::new(one.app.pool.clone(), &secret(ENCRYPTION_KEY)).unwrap();
    let made = |token: &str, generation| {
        let grant = chancery_domain::oauth::token_value::parse_refresh_token(token).unwrap().grant;
        let secret = former.refresh_token_secret(grant.0.as_bytes(), generation, one.app.now());
        chancery_domain::oauth::token_value::refresh_token(grant, generation, &secret)
    };
    assert_eq!(made(&second, 2), second, "what was given out before could be made");
    assert_ne!(made(&third, 3), third, "what comes after cannot");
    // One that came before is still known for ours.
    one.later(Duration::minutes(1));
    wiki.refresh(&other, &first).await.expect(400);
    wiki.refresh(&one, &third).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_under_load_go_through_a_rotation_that_is_killed_without_a_failed_request() {
    let database = fresh_database().await;
    let mut first = Process::new(env!("CARGO_BIN_EXE_chancery_node"), &database);
    first.start().await;
    let mut second = first.second();
    second.start().await;
    let mut load = Load::start(&[&first.node, &second.node], std::time::Duration::ZERO).await.with_newcomers();
    load.acknowledged(200).await;
    let both = [("ENCRYPTION_KEY", NEXT_KEY), ("ENCRYPTION_KEY_PREVIOUS", ENCRYPTION_KEY)];
    load.use_only(&[&second.node]).await;
    first = first.restart_with(&both).await;
    load.use_only(&[&first.node]).await;

    let early = first.run(&["encryption-key-rotate"]).await;
    let says = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(!early.status.success() && says.contains("that do not hold this ENCRYPTION_KEY: 1."), "{says}");

    second = second.restart_with(&both).await;
    load.use_only(&[&first.node, &second.node]).await;
    // More people than one batch of the rotation takes.
    load.acknowledged(1_600).await;
    let mut run = first.spawn(&["encryption-key-rotate"]);
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    let killed_after = lines.next_line().await.unwrap().expect("it tells how far it is");
    run.kill().await.unwrap();
    load.acknowledged(200).await;
    let run = first.run(&["encryption-key-rotate"]).await;
    let says = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success() && says.contains("0 keys remain"), "{says}");
    load.acknowledged(200).await;

    let alone = [("ENCRYPTION_KEY_PREVIOUS", "")];
    load.use_only(&[&second.node]).await;
    first = first.restart_with(&alone).await;
    load.use_only(&[&first.node]).await;
    second = second.restart_with(&alone).await;
    load.use_only(&[&first.node, &second.node]).await;
    load.acknowledged(200).await;
    let (ledger, client) = load.end().await;

    assert_eq!(ledger.failures(), Vec::<String>::new());
    for token in &ledger.refresh_tokens {
        client.refresh(&second.node, token).await.expect(200);
    }
    second.node.person("late").await.sign_in().await.expect(200);
    let pool = postgres::pool(database, 1);
    let keys: Vec<(Option<String>, i64)> =
        sqlx::query_as("SELECT sealed_under, count(*) FROM subject_keys WHERE wrapped IS NOT NULL GROUP BY 1")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(keys.len(), 1, "under one key, every one of them: {keys:?}");
    let rebuilt = first.run(&["rebuild"]).await;
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stdout));
    println!(
        "killed after \"{killed_after}\"; {} requests answered, {} people registered, {keys:?}",
        ledger.requests.len(),
        ledger.people.len()
    );
}

#[tokio::test]
async fn the_server_says_why_it_does_not_start_with_another_key() {
    let database = fresh_database().await;
    let mut node = Process::new(env!("CARGO_BIN_EXE_chancery_node"), &database);
    node.start().await;
    node.stop().await;

    let other = node.with(&[("ENCRYPTION_KEY", NEXT_KEY)]).run(&["serve"]).await;

    let says = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success());
    assert!(says.contains("ENCRYPTION_KEY is not the key that this database is sealed under"), "{says}");
}
