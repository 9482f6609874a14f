use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::event::assert_stored_form;

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn stage() -> SigningKeyCommand {
    SigningKeyCommand::Stage {
        kid: "the-kid".into(),
        algorithm: SigningAlgorithm::ES256,
        public_jwk: json!({ "kid": "the-kid" }),
        private_key: "pkcs8".into(),
        now: NOON,
    }
}

fn staged() -> SigningKeyEvent {
    SigningKeyEvent::Staged {
        algorithm: SigningAlgorithm::ES256,
        public_jwk: json!({ "kid": "the-kid" }),
        private_key: Personal::about(Subject::signing_key("the-kid"), "pkcs8".into()),
        staged_at: NOON,
    }
}

fn activated() -> SigningKeyEvent {
    SigningKeyEvent::Activated { at: NOON }
}

fn retired() -> SigningKeyEvent {
    SigningKeyEvent::Retired { at: NOON }
}

fn removed() -> SigningKeyEvent {
    SigningKeyEvent::Removed { at: NOON }
}

/// What becomes of each command in each state of a key's life; `-` where the state does not allow it.
#[test]
fn a_key_is_staged_then_active_then_retired_then_removed() {
    let lives: [(&str, &[SigningKeyEvent]); 5] = [
        ("absent", &[]),
        ("staged", &[staged()]),
        ("active", &[staged(), activated()]),
        ("retired", &[staged(), activated(), retired()]),
        ("removed", &[staged(), activated(), retired(), removed()]),
    ];
    let commands = [
        SigningKeyCommand::Activate { now: NOON },
        SigningKeyCommand::Retire { now: NOON },
        SigningKeyCommand::Remove { now: NOON },
    ];
    let allowed = [
        [None, None, None],
        [Some(activated()), Some(retired()), None],
        [None, Some(retired()), None],
        [None, None, Some(removed())],
        [None, None, None],
    ];
    for ((life, given), then) in lives.into_iter().zip(allowed) {
        for (when, then) in commands.iter().zip(then) {
            let decided = SigningKey::after(given.to_vec()).decide(when.clone());
            assert_eq!(decided, then.map(|event| vec![event]).ok_or(SigningKeyRefusal::WrongState), "{life}: {when:?}");
        }
        let staged_again = SigningKey::after(given.to_vec()).decide(stage());
        match given {
            [] => assert_eq!(staged_again, Ok(vec![staged()])),
            _ => assert_eq!(staged_again, Err(SigningKeyRefusal::AlreadyStaged), "{life}"),
        }
    }
}

#[test]
fn a_private_key_is_a_secret_of_the_instance() {
    assert!(Subject::signing_key("the-kid").is_secret());
}

#[test]
fn stored_form() {
    let at = "2026-11-23T12:00:00Z";
    assert_stored_form(
        &[staged(), activated(), retired(), removed()],
        json!([
            { "signing_key.staged": {
                "algorithm": "ES256", "public_jwk": { "kid": "the-kid" },
                "private_key": { "$personal": { "subject": "signing_key:the-kid", "value": "pkcs8" } },
                "staged_at": at
            } },
            { "signing_key.activated": { "at": at } },
            { "signing_key.retired": { "at": at } },
            { "signing_key.removed": { "at": at } },
        ]),
    );
}
