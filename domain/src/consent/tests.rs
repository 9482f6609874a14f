use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::event::assert_stored_form;

fn ada() -> UserId {
    UserId(Uuid::from_u128(1))
}

fn wiki() -> ClientId {
    "wiki".parse().unwrap()
}

fn scopes(names: &[&str]) -> Scopes {
    Scopes::known(names.iter().copied())
}

fn give(names: &[&str]) -> ConsentCommand {
    ConsentCommand::Give { user_id: ada(), client_id: wiki(), scopes: scopes(names) }
}

fn given(names: &[&str]) -> ConsentEvent {
    ConsentEvent::Given { user_id: ada(), client_id: wiki(), scopes: scopes(names) }
}

fn widened() -> ConsentEvent {
    let (before, all) = (scopes(&["openid"]), scopes(&["openid", "email"]));
    ConsentEvent::Widened { user_id: ada(), client_id: wiki(), before, scopes: all }
}

fn withdraw() -> ConsentCommand {
    ConsentCommand::Withdraw { user_id: ada(), client_id: wiki() }
}

fn withdrawn() -> ConsentEvent {
    ConsentEvent::Withdrawn { user_id: ada(), client_id: wiki() }
}

#[track_caller]
fn given_when_then(past: &[ConsentEvent], when: ConsentCommand, then: Result<Vec<ConsentEvent>, ConsentRefusal>) {
    assert_eq!(Consent::after(past.to_vec()).decide(when), then);
}

#[test]
fn consent_is_remembered_for_each_scope() {
    given_when_then(&[], give(&["openid"]), Ok(vec![given(&["openid"])]));
    given_when_then(&[given(&["openid", "email"])], give(&["email"]), Ok(vec![]));
    given_when_then(&[given(&["openid"])], give(&["email"]), Ok(vec![widened()]));
    given_when_then(&[given(&["openid"]), widened()], give(&["openid", "email"]), Ok(vec![]));
}

#[test]
fn a_withdrawn_consent_can_be_given_again() {
    given_when_then(&[given(&["openid"])], withdraw(), Ok(vec![withdrawn()]));
    given_when_then(&[given(&["openid"]), withdrawn()], withdraw(), Err(ConsentRefusal::NotGiven));
    given_when_then(&[given(&["openid"]), withdrawn()], give(&["email"]), Ok(vec![given(&["email"])]));
    given_when_then(&[], withdraw(), Err(ConsentRefusal::NotGiven));
}

#[test]
fn the_stream_is_of_one_person_and_one_app() {
    assert_eq!(stream(ada(), &wiki()), "00000000-0000-0000-0000-000000000001:wiki");
}

#[test]
fn stored_form() {
    let id = "00000000-0000-0000-0000-000000000001";
    assert_stored_form(
        &[given(&["openid"]), widened(), withdrawn()],
        json!([
            { "consent.given": { "user_id": id, "client_id": "wiki", "scopes": ["openid"] } },
            { "consent.widened": {
                "user_id": id, "client_id": "wiki", "before": ["openid"], "scopes": ["openid", "email"]
            } },
            { "consent.withdrawn": { "user_id": id, "client_id": "wiki" } },
        ]),
    );
}
