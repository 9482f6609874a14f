//! Personal values are sealed where they belong, open only there, and are gone with their key.

use chancery_adapters::vault::{Binding, Vault, VaultError};
use chancery_domain::ids::UserId;
use chancery_domain::personal::{Personal, Subject};
use chancery_domain::secret::Secret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Log;

const PLACE: Binding<'static> = Binding {
    aggregate_type: "user",
    aggregate_id: "ada",
    sequence: 1,
    event_type: "user.registered",
    event_version: "1",
    part: "payload",
};

fn ada() -> UserId {
    UserId(Uuid::from_u128(1))
}

fn payload() -> Value {
    json!({ "user.registered": { "profile": Personal::of(ada(), json!({ "username": "ada" })), "is_admin": false } })
}

async fn sealed(vault: &Vault) -> Value {
    let mut json = payload();
    vault.seal(PLACE, &mut json).await.unwrap();
    json
}

async fn unseal(vault: &Vault, place: Binding<'_>, mut json: Value) -> Result<Value, VaultError> {
    vault.unseal(&mut [(place, &mut json)]).await.map(|()| json)
}

#[tokio::test]
async fn what_is_sealed_names_nobody_and_opens_in_its_place() {
    let log = Log::new().await;
    let json = sealed(&log.vault()).await;
    assert!(!json.to_string().contains("username"), "{json}");
    assert_eq!(json.pointer("/user.registered/is_admin"), Some(&json!(false)));
    assert_ne!(json, sealed(&log.vault()).await, "never the same twice");
    assert_eq!(unseal(&log.vault(), PLACE, json).await.unwrap(), payload());
}

#[tokio::test]
async fn ev03_a_sealed_value_that_was_moved_or_altered_does_not_open() {
    let log = Log::new().await;
    let json = sealed(&log.vault()).await;
    for elsewhere in [
        Binding { aggregate_type: "group", ..PLACE },
        Binding { aggregate_id: "grace", ..PLACE },
        Binding { sequence: 2, ..PLACE },
        Binding { event_type: "user.profile_changed", ..PLACE },
        Binding { event_version: "2", ..PLACE },
        Binding { part: "metadata", ..PLACE },
    ] {
        let moved = unseal(&log.vault(), elsewhere, json.clone()).await;
        assert!(matches!(moved, Err(VaultError::Unsealing)), "{elsewhere:?}: {moved:?}");
    }
    let mut altered = json.clone();
    let text = altered.pointer_mut("/user.registered/profile/$sealed/box").unwrap();
    let first = text.as_str().unwrap().chars().next().unwrap();
    *text = json!(text.as_str().unwrap().replacen(first, if first == 'A' { "B" } else { "A" }, 1));
    assert!(matches!(unseal(&log.vault(), PLACE, altered).await, Err(VaultError::Unsealing)));
}

#[tokio::test]
async fn a_destroyed_key_leaves_a_gap_and_takes_nothing_new() {
    let log = Log::new().await;
    let vault = log.vault();
    let json = sealed(&vault).await;
    let subject = Subject::user(ada());
    vault.destroy(&subject, &mut log.pool.acquire().await.unwrap()).await.unwrap();

    let gap = json!({ "user.registered": { "profile": { "$personal": { "subject": subject } }, "is_admin": false } });
    for node in [vault.clone(), log.vault()] {
        assert_eq!(unseal(&node, PLACE, json.clone()).await.unwrap(), gap);
        assert!(matches!(node.seal(PLACE, &mut payload()).await, Err(VaultError::Erased(_))));
    }
}

#[tokio::test]
async fn an_event_holds_one_value_of_a_subject_in_each_part() {
    let log = Log::new().await;
    let value = Personal::of(ada(), json!("x"));
    let twice = log.vault().seal(PLACE, &mut json!({ "one": value, "two": value })).await;
    assert!(matches!(twice, Err(VaultError::TwoValues(_))), "{twice:?}");
}

#[tokio::test]
async fn another_encryption_key_is_found_out_at_the_start() {
    let log = Log::new().await;
    log.vault().check().await.unwrap();
    log.vault().check().await.unwrap();
    let with = |key: &[u8]| Vault::new(log.pool.clone(), &Secret::new(key.to_vec()));
    let other = with(b"another encryption key").unwrap().check().await;
    assert!(matches!(other, Err(VaultError::WrongKey)), "{other:?}");
    assert!(matches!(with(b"fifteen letters").err(), Some(VaultError::ShortKey)));
}
