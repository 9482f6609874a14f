use super::*;

fn refused(aggregate: &str, payload: &Value) -> bool {
    Entry::of(&recorded(Actor::Visitor, aggregate, payload), &both()).row.refused
}

#[test]
fn refusals_are_marked() {
    assert!(refused("sign_in_attempt", &attempt("malformed", 1, false)));
    assert!(refused("grant", &json!("grant.pkce_failed")));
    assert!(refused("grant", &json!("grant.code_replayed")));
    assert!(refused("grant", &json!({"grant.refresh_reuse_detected": {"generation": 1}})));
    assert!(refused("user", &json!({"user.passkey_suspended": {"passkey_id": KEY, "stored": 2, "presented": 1}})));
    assert!(!refused("user", &json!("user.disabled")));
}

#[test]
fn a_sentence_is_stored_and_read_back() {
    let limited = json!({"client.access_restricted": {"before": [], "after": [EDITORS]}});
    let sentence = Entry::of(&recorded(Actor::User(UserId(ROOT)), "client", &limited), &both()).row.sentence.0;

    let stored = serde_json::to_value(&sentence).unwrap();

    assert_eq!(stored["parts"][0], json!({"thing": {"kind": "person", "id": ROOT}}));
    assert_eq!(stored["parts"][1], json!({"text": " chose the groups for "}));
    assert_eq!(stored["parts"][2], json!({"thing": {"kind": "app", "id": "forgejo"}}));
    assert_eq!(serde_json::from_value::<Sentence>(stored).unwrap(), sentence);
}

#[test]
fn a_name_of_the_event_is_stored_and_found() {
    let created = json!({"group.created": {"names": {"name": "editors", "friendly_name": "The Editors"}}});
    let entry = Entry::of(&recorded(Actor::User(UserId(ROOT)), "group", &created), &Whom::default());

    let stored = serde_json::to_value(&entry.row.sentence).unwrap();

    assert_eq!(stored["parts"][2], json!({"thing": {"kind": "group", "id": EDITORS, "name": "The Editors"}}));
    assert_eq!(entry.search, "made the group the editors name for apps editors");
}

#[test]
fn what_is_gone_goes_by_its_last_name_or_by_none() {
    let limited = json!({"client.access_restricted": {"before": [], "after": [EDITORS]}});
    let recorded = recorded(Actor::User(UserId(ROOT)), "client", &limited);

    let nothing = told(&recorded, &both(), &Names::default());
    let last = [(Thing::Group(GroupId(EDITORS)), "editors".to_owned())].into();
    let remembered = told(&recorded, &both(), &Names { last, ..Names::default() });

    assert_eq!(nothing.text(), "A person who was erased chose the groups for forgejo: a deleted group");
    assert_eq!(remembered.text(), "A person who was erased chose the groups for forgejo: editors");
    assert!(remembered.parts.iter().all(|part| part.thing.is_none()));
}

#[test]
fn a_stream_remembers_whom_it_is_about() {
    let started = json!({"session.started": {"user_id": ADA, "secret": digest(), "proof": proof(),
                         "authenticated_at": AT, "idle_seconds": 60, "expires_at": AT}});
    let started = recorded(Actor::User(UserId(ADA)), "session", &started);
    let ended = recorded(Actor::System, "session", &json!({"session.ended": {"why": "signed_out"}}));
    let beginnings = Beginnings::new(8);
    let mut streams = Streams::new(&beginnings);

    let (first, then) = (streams.follow(&started), streams.follow(&ended));

    assert_eq!(first.user, Some(UserId(ADA)));
    assert_eq!(then, first);
}
