use serde_json::json;

use super::*;
use crate::claim::{Claim, ClaimChange, ClaimKind};
use crate::event::{StoredEvent, assert_stored_form};

fn names(name: &str) -> GroupNames {
    GroupNames { name: name.into(), friendly_name: "Editors".into() }
}

fn created() -> GroupEvent {
    GroupEvent::Created { names: names("editors") }
}

fn claims() -> Vec<CustomClaim> {
    vec![CustomClaim { key: "team".into(), value: "ops".into() }]
}

fn claims_set() -> GroupEvent {
    GroupEvent::ClaimsSet { before: vec![], after: claims() }
}

fn changed() -> GroupEvent {
    GroupEvent::Changed { before: names("editors"), after: names("writers") }
}

#[track_caller]
fn given_when_then(given: &[GroupEvent], when: GroupCommand, then: Result<Vec<GroupEvent>, GroupRefusal>) {
    assert_eq!(Group::after(given.to_vec()).decide(when), then);
}

#[test]
fn a_group_is_created_once_and_never_again_under_the_same_id() {
    let create = GroupCommand::Create { names: names("editors") };
    given_when_then(&[], create.clone(), Ok(vec![created()]));
    given_when_then(&[created()], create.clone(), Err(GroupRefusal::AlreadyCreated));
    given_when_then(&[created(), GroupEvent::Deleted], create, Err(GroupRefusal::AlreadyCreated));
}

#[test]
fn a_change_says_what_the_group_was_called_before() {
    let change = |name: &str| GroupCommand::Change { names: names(name) };
    given_when_then(&[created()], change("writers"), Ok(vec![changed()]));
    given_when_then(&[created()], change("editors"), Ok(vec![]));
    given_when_then(&[created(), changed()], change("writers"), Ok(vec![]));
}

#[test]
fn names_have_bounds() {
    let named = |name: &str, friendly_name: &str| {
        let names = GroupNames { name: name.into(), friendly_name: friendly_name.into() };
        Group::default().decide(GroupCommand::Create { names }).err()
    };
    assert_eq!(named("ab", "ab"), None);
    assert_eq!(named(&"x".repeat(255), &"x".repeat(50)), None);
    let codes = |refusal: Option<GroupRefusal>| match refusal {
        Some(GroupRefusal::BadNames(wrong)) => wrong.iter().map(|error| (error.field, error.code)).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    for (text, code) in
        [("", "required"), ("a", "too_short"), ("a\tb", "invalid_format"), (&"x".repeat(256), "too_long")]
    {
        assert_eq!(codes(named(text, "Editors")), [("name", code)], "{text:?}");
        assert_eq!(codes(named("editors", text)), [("friendlyName", code)], "{text:?}");
    }
    assert_eq!(codes(named("", "a")), [("name", "required"), ("friendlyName", "too_short")], "all at once");
}

#[test]
fn names_are_kept_in_one_spelling() {
    let names = GroupNames { name: " cafe\u{301} ".into(), friendly_name: "Cafe\u{301}".into() };
    let kept = GroupNames { name: "caf\u{e9}".into(), friendly_name: "Caf\u{e9}".into() };
    let create = GroupCommand::Create { names: names.clone() };
    given_when_then(&[], create, Ok(vec![GroupEvent::Created { names: kept.clone() }]));
    given_when_then(&[GroupEvent::Created { names: kept }], GroupCommand::Change { names }, Ok(vec![]));
}

#[test]
fn claims_are_set_as_a_whole() {
    let set = |claims| GroupCommand::SetClaims { claims };
    given_when_then(&[created()], set(claims()), Ok(vec![claims_set()]));
    given_when_then(&[created(), claims_set()], set(claims()), Ok(vec![]));
    let reserved = vec![CustomClaim { key: "sub".into(), value: "x".into() }];
    given_when_then(&[created()], set(reserved), Err(GroupRefusal::Claims(ClaimsRefusal::Reserved("sub".into()))));
}

#[test]
fn nothing_is_asked_of_a_group_that_is_not_there() {
    let commands = [
        GroupCommand::Change { names: names("writers") },
        GroupCommand::SetClaims { claims: claims() },
        GroupCommand::Delete,
    ];
    for when in commands {
        given_when_then(&[], when.clone(), Err(GroupRefusal::Unknown));
        given_when_then(&[created(), GroupEvent::Deleted], when, Err(GroupRefusal::Unknown));
    }
    given_when_then(&[created()], GroupCommand::Delete, Ok(vec![GroupEvent::Deleted]));
}

#[test]
fn a_groups_name_is_claimed_and_given_up() {
    let (take, release) =
        (|name| ClaimChange::Take(Claim::group_name(name)), ClaimChange::Release(ClaimKind::GroupName));
    assert_eq!(created().claims(), [take("editors")]);
    assert_eq!(changed().claims(), [release.clone(), take("writers")]);
    assert_eq!(claims_set().claims(), []);
    assert_eq!(GroupEvent::Deleted.claims(), [release]);
}

#[test]
fn stored_form() {
    assert_stored_form(
        &[created(), changed(), claims_set(), GroupEvent::Deleted],
        json!([
            { "group.created": { "names": { "name": "editors", "friendly_name": "Editors" } } },
            { "group.changed": {
                "before": { "name": "editors", "friendly_name": "Editors" },
                "after": { "name": "writers", "friendly_name": "Editors" }
            } },
            { "group.claims_set": { "before": [], "after": [{ "key": "team", "value": "ops" }] } },
            "group.deleted",
        ]),
    );
}
