use serde_json::json;

use super::*;
use crate::event::assert_stored_form;

fn start() -> EncryptionKeyCommand {
    EncryptionKeyCommand::StartRotation { replaces: "old".into() }
}

fn finish() -> EncryptionKeyCommand {
    EncryptionKeyCommand::FinishRotation { sealed: 3 }
}

fn started() -> EncryptionKeyEvent {
    EncryptionKeyEvent::RotationStarted { replaces: "old".into() }
}

fn finished() -> EncryptionKeyEvent {
    EncryptionKeyEvent::RotationFinished { replaces: "old".into(), sealed: 3 }
}

#[test]
fn a_rotation_starts_and_finishes_and_may_be_repeated_later() {
    let key = EncryptionKey::default();
    assert_eq!(key.decide(start()), Ok(vec![started()]));
    let rotating = EncryptionKey::after([started()]);
    assert_eq!(rotating.decide(finish()), Ok(vec![finished()]));
    let settled = EncryptionKey::after([started(), finished()]);
    assert_eq!(settled.decide(start()), Ok(vec![started()]));
}

#[test]
fn an_interrupted_rotation_goes_on_without_starting_twice() {
    assert_eq!(EncryptionKey::after([started()]).decide(start()), Ok(vec![]));
}

#[test]
fn what_did_not_start_does_not_finish() {
    assert_eq!(EncryptionKey::default().decide(finish()), Err(EncryptionKeyRefusal::NotRotating));
}

#[test]
fn stored_form() {
    assert_stored_form(
        &[started(), finished()],
        json!([
            { "encryption_key.rotation_started": { "replaces": "old" } },
            { "encryption_key.rotation_finished": { "replaces": "old", "sealed": 3 } },
        ]),
    );
}
