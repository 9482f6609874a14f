//! Fixtures: events as they are stored, by Ada or by Root, and the names of the day.

mod accounts;
mod apps;
mod erasure;
mod rows;

use chancery_domain::actor::Actor;
use chancery_domain::context::Context;
use chancery_domain::ids::{ApiKeyId, ClientId, GroupId, PasskeyId, UserId};
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

use super::sentence::Thing;
use super::told::{Names, Told};
use super::*;

const ADA: Uuid = Uuid::from_u128(0xada);
const ROOT: Uuid = Uuid::from_u128(0x700);
const KEY: Uuid = Uuid::from_u128(0x6e4);
const EDITORS: Uuid = Uuid::from_u128(0xed1);
const STREAM: Uuid = Uuid::from_u128(0x57);
const AT: &str = "2026-11-05T14:02:09Z";

fn digest() -> String {
    "A".repeat(43)
}

fn personal(value: Value) -> Value {
    json!({"$personal": {"subject": format!("user:{ADA}"), "value": value}})
}

fn proof() -> Value {
    json!({"passkey_id": KEY, "counter": 3, "backed_up": true, "attachment": null, "acr": "phr", "amr": ["swk"]})
}

fn profile(display_name: &str) -> Value {
    json!({"username": "ada", "email": "ada@example.com", "first_name": "Ada", "last_name": "L",
           "display_name": display_name, "locale": null})
}

fn passkey() -> Value {
    json!({"passkey_id": KEY, "credential_id": "c", "user_handle": "h", "authenticator_data": "d",
           "attestation_format": "none", "transports": [], "attachment": null, "discoverable": true, "aaguid": KEY,
           "counter": 0, "backup_eligible": true, "backed_up": true, "enrolled_at": AT})
}

fn attempt(reason: &str, count: u32, known: bool) -> Value {
    let (user, key) = if known { (json!(ADA), json!(KEY)) } else { (Value::Null, Value::Null) };
    json!({"sign_in_attempt.failed": {"reason": reason, "user_id": user, "passkey_id": key, "credential_id": "c",
                                      "count": count, "first_at": AT, "last_at": AT}})
}

fn recorded(actor: Actor, aggregate: &str, payload: &Value) -> Recorded {
    let aggregate_id = match aggregate {
        "user" => ADA.to_string(),
        "client" => "forgejo".to_owned(),
        "group" => EDITORS.to_string(),
        "signing_key" | "encryption_key" => "k1".to_owned(),
        _ => STREAM.to_string(),
    };
    Recorded {
        position: 7,
        event_id: STREAM,
        aggregate_id,
        sequence: 1,
        recorded_at: datetime!(2026-11-05 14:02:09 UTC),
        context: Context::internal(actor, Uuid::nil()),
        event: Event::decode(aggregate, payload).unwrap(),
    }
}

/// What streams that began with Ada and Forgejo would say.
fn both() -> Whom {
    Whom { user: Some(UserId(ADA)), client: Some("forgejo".parse().unwrap()) }
}

fn names() -> Names {
    let forgejo: ClientId = "forgejo".parse().unwrap();
    let now = [
        (Thing::Person(UserId(ADA)), "Ada"),
        (Thing::Person(UserId(ROOT)), "Root"),
        (Thing::App(forgejo), "Forgejo"),
        (Thing::Group(GroupId(EDITORS)), "editors"),
        (Thing::Passkey(PasskeyId(KEY)), "YubiKey"),
        (Thing::ApiKey(ApiKeyId(STREAM)), "deploy"),
    ];
    Names { now: now.map(|(thing, name)| (thing, name.to_owned())).into(), ..Names::default() }
}

fn told(recorded: &Recorded, whom: &Whom, names: &Names) -> Told {
    names.tell(&Entry::of(recorded, whom).row)
}

fn says(actor: Actor, aggregate: &str, payload: Value) -> String {
    told(&recorded(actor, aggregate, &payload), &both(), &names()).text()
}

fn by_ada(aggregate: &str, payload: Value) -> String {
    says(Actor::User(UserId(ADA)), aggregate, payload)
}

fn by_root(aggregate: &str, payload: Value) -> String {
    says(Actor::User(UserId(ROOT)), aggregate, payload)
}
