use chancery_domain::context::{Origin, Place};
use chancery_domain::personal::Subject;

use super::*;

/// The event as the log gives it back once its person is erased.
fn after_erasure(payload: &Value) -> Value {
    match payload {
        Value::Object(members) if members.contains_key("$personal") => {
            json!({"$personal": {"subject": members["$personal"]["subject"]}})
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), after_erasure(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

#[test]
fn erasing_leaves_what_a_rebuild_would_write() {
    let personal_events = [
        json!({"user.registered": {"profile": personal(profile("Ada")), "email_verified": false, "is_admin": true,
                                   "via": "admin"}}),
        json!({"user.profile_changed": {"change": personal(json!({"before": profile("Ada"),
               "after": profile("Ada L")})), "email_verified": false}}),
        json!({"user.passkey_enrolled": {"passkey": passkey(), "name": personal(json!("Ada's key")),
               "via": "self_service"}}),
        json!({"user.passkey_renamed": {"passkey_id": KEY, "name": personal(json!({"before": "Ada's",
               "after": "ada 2"}))}}),
        json!({"user.claims_set": {"claims": personal(json!({"before": [], "after": [{"key": "ada", "value": "x"}]}))}}),
    ];
    for payload in personal_events {
        let live = Entry::of(&recorded(Actor::User(UserId(ROOT)), "user", &payload), &both());
        let rebuilt = Entry::of(&recorded(Actor::User(UserId(ROOT)), "user", &after_erasure(&payload)), &both());

        assert!(live.search.contains("ada"), "{}", live.search);
        assert!(!rebuilt.search.contains("ada"), "{}", rebuilt.search);
        let left = live.if_erased.unwrap();
        assert_eq!(left, IfErased { sentence: rebuilt.row.sentence.0, search: rebuilt.search });
        assert_eq!(rebuilt.if_erased, None);
    }
}

#[test]
fn an_event_without_anything_personal_has_nothing_to_give_up() {
    let entry = Entry::of(&recorded(Actor::User(UserId(ROOT)), "user", &json!("user.disabled")), &both());

    assert_eq!(entry.if_erased, None);
}

#[test]
fn of_an_origin_the_country_alone_outlasts_its_person() {
    let place = Place::Found {
        country: Some("SE".to_owned()),
        country_name: Some("Sweden".to_owned()),
        city: Some("Stockholm".to_owned()),
        latitude: Some(59.3),
        longitude: Some(18.1),
        accuracy_radius: None,
        database_built_at: 0,
    };
    let origin = Origin { address: [203, 0, 113, 7].into(), user_agent: Some("Safari".to_owned()), place };
    let subject = Subject::user(UserId(ADA));
    let mut recorded = recorded(Actor::User(UserId(ADA)), "user", &json!("user.disabled"));
    recorded.context.country = Some("SE".to_owned());
    recorded.context.origin = Some(Personal::about(subject.clone(), origin));

    let known = Entry::of(&recorded, &both()).row;
    recorded.context.origin = Some(Personal::Erased { subject });
    let erased = Entry::of(&recorded, &both()).row;

    assert_eq!(known.address.as_deref(), Some("203.0.113.7"));
    let (address, user_agent, city, latitude, longitude) = (None, None, None, None, None);
    assert_eq!(erased, AuditRow { address, user_agent, city, latitude, longitude, ..known });
}
