use serde_json::json;
use time::Duration;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::event::assert_stored_form;

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
const END: OffsetDateTime = datetime!(2026-12-23 12:00 UTC);
const LATER: OffsetDateTime = datetime!(2027-01-23 12:00 UTC);

fn ada() -> UserId {
    UserId(Uuid::from_u128(1))
}

fn grace() -> UserId {
    UserId(Uuid::from_u128(2))
}

fn create(name: &str, expires_at: OffsetDateTime) -> ApiKeyCommand {
    let (name, description, digest) = (name.into(), Some("For backups".into()), Digest::of("key"));
    ApiKeyCommand::Create { user_id: ada(), name, description, digest, expires_at, now: NOON }
}

fn created() -> ApiKeyEvent {
    let (name, description, digest) = ("Backups".into(), Some("For backups".into()), Digest::of("key"));
    ApiKeyEvent::Created { user_id: ada(), name, description, digest, expires_at: END }
}

fn renew(user_id: UserId, now: OffsetDateTime, expires_at: OffsetDateTime) -> ApiKeyCommand {
    ApiKeyCommand::Renew { user_id, digest: Digest::of("new key"), expires_at, now }
}

fn renewed() -> ApiKeyEvent {
    ApiKeyEvent::Renewed { digest: Digest::of("new key"), expires_at: LATER }
}

#[track_caller]
fn given_when_then(given: &[ApiKeyEvent], when: ApiKeyCommand, then: Result<Vec<ApiKeyEvent>, ApiKeyRefusal>) {
    assert_eq!(ApiKey::after(given.to_vec()).decide(when), then);
}

#[test]
fn un03_a_description_is_text_within_bounds() {
    let described = |text: &str| {
        let (name, description, digest) = ("Backups".into(), Some(text.to_owned()), Digest::of("key"));
        let create = ApiKeyCommand::Create { user_id: ada(), name, description, digest, expires_at: END, now: NOON };
        ApiKey::default().decide(create).err()
    };
    for (text, code) in [("a\0b", "invalid_format"), ("x".repeat(1_001).as_str(), "too_long")] {
        assert!(matches!(described(text), Some(ApiKeyRefusal::BadDescription(error)) if error.code == code));
    }
    assert_eq!(described(&"x".repeat(1_000)), None);
}

#[test]
fn a_key_is_created_once() {
    given_when_then(&[], create("Backups", END), Ok(vec![created()]));
    given_when_then(&[created()], create("Backups", END), Err(ApiKeyRefusal::AlreadyCreated));
    given_when_then(&[created(), ApiKeyEvent::Revoked], create("Backups", END), Err(ApiKeyRefusal::AlreadyCreated));
}

#[test]
fn a_keys_name_has_3_to_50_characters() {
    let named = |name: &str| ApiKey::default().decide(create(name, END)).err();
    assert_eq!((named("abc"), named(&"x".repeat(50))), (None, None));
    for (name, code) in
        [("", "required"), ("ab", "too_short"), ("a\nbc", "invalid_format"), (&"x".repeat(51), "too_long")]
    {
        assert!(matches!(named(name), Some(ApiKeyRefusal::BadName(error)) if error.code == code), "{name:?}");
    }
}

#[test]
fn a_keys_name_is_kept_in_one_spelling() {
    let named = ApiKey::default().decide(create(" Cafe\u{301} ", END)).unwrap();
    assert!(matches!(&named[..], [ApiKeyEvent::Created { name, .. }] if name == "Caf\u{e9}"), "{named:?}");
}

#[test]
fn a_key_ends_in_the_future() {
    given_when_then(&[], create("Backups", NOON), Err(ApiKeyRefusal::BadExpiration));
    assert!(ApiKey::default().decide(create("Backups", NOON + Duration::SECOND)).is_ok());
    given_when_then(&[created()], renew(ada(), END, END), Err(ApiKeyRefusal::BadExpiration));
}

#[test]
fn only_an_expired_key_is_renewed() {
    given_when_then(&[created()], renew(ada(), END, LATER), Ok(vec![renewed()]));
    let before = END - Duration::SECOND;
    given_when_then(&[created()], renew(ada(), before, LATER), Err(ApiKeyRefusal::NotExpired));
    given_when_then(&[created(), renewed()], renew(ada(), END, LATER), Err(ApiKeyRefusal::NotExpired));
}

#[test]
fn somebody_elses_key_does_not_exist() {
    given_when_then(&[created()], renew(grace(), END, LATER), Err(ApiKeyRefusal::Unknown));
    given_when_then(&[created()], ApiKeyCommand::Revoke { user_id: grace() }, Err(ApiKeyRefusal::Unknown));
}

#[test]
fn a_revoked_key_stays_revoked() {
    let revoke = ApiKeyCommand::Revoke { user_id: ada() };
    given_when_then(&[created()], revoke.clone(), Ok(vec![ApiKeyEvent::Revoked]));
    given_when_then(&[created(), ApiKeyEvent::Revoked], revoke.clone(), Err(ApiKeyRefusal::Unknown));
    given_when_then(&[created(), ApiKeyEvent::Revoked], renew(ada(), END, LATER), Err(ApiKeyRefusal::Unknown));
    given_when_then(&[], revoke, Err(ApiKeyRefusal::Unknown));
}

#[test]
fn stored_form() {
    assert_stored_form(
        &[created(), renewed(), ApiKeyEvent::Revoked],
        json!([
            { "api_key.created": {
                "user_id": "00000000-0000-0000-0000-000000000001", "name": "Backups", "description": "For backups",
                "digest": "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM", "expires_at": "2026-12-23T12:00:00Z"
            } },
            { "api_key.renewed": {
                "digest": "gS1Dv2TK7Z7axpVWJVQMTv1zsy4z0as1OL20N_pEd54", "expires_at": "2027-01-23T12:00:00Z"
            } },
            "api_key.revoked",
        ]),
    );
}
