use super::*;

#[test]
fn every_event_about_an_account_has_a_sentence() {
    let registered = |via: &str, is_admin: bool| {
        json!({"user.registered": {"profile": personal(profile("Ada")), "email_verified": false,
                                   "is_admin": is_admin, "via": via}})
    };
    let enrolled = |via: Value| json!({"user.passkey_enrolled": {"passkey": passkey(), "name": personal(json!("YubiKey")), "via": via}});
    let renamed = json!({"user.passkey_renamed": {"passkey_id": KEY, "name": personal(json!({"before": "Old",
                                                                                             "after": "New"}))}});
    let changed = json!({"user.profile_changed": {"change": personal(json!({"before": profile("Ada"),
                                                   "after": profile("Ada L")})), "email_verified": false}});
    let claims = json!({"user.claims_set": {"claims": personal(json!({"before": [], "after": []}))}});
    let removed = |by: &str| json!({"user.passkey_removed": {"passkey_id": KEY, "by": by}});
    let link = json!({"enrollment": {"enrollment_id": STREAM}});

    let table = [
        (by_ada("user", registered("setup", true)), "Ada set everything up and became the first administrator"),
        (by_root("user", registered("admin", false)), "Root added Ada"),
        (by_root("user", registered("api", true)), "Root added Ada as an administrator"),
        (says(Actor::System, "user", registered("static_api_key", true)), "The configured API key got an account, Ada"),
        (by_ada("user", changed.clone()), "Ada changed their profile"),
        (by_root("user", changed), "Root changed the profile of Ada"),
        (by_root("user", json!("user.email_verified")), "Root confirmed the e-mail address of Ada"),
        (by_ada("user", enrolled(json!("self_service"))), "Ada added the passkey YubiKey"),
        (by_ada("user", enrolled(link)), "Ada added the passkey YubiKey through a link"),
        (by_ada("user", renamed), "Ada renamed the passkey Old to New"),
        (
            says(
                Actor::System,
                "user",
                json!({"user.passkey_suspended": {"passkey_id": KEY, "stored": 9, "presented": 4}}),
            ),
            "YubiKey of Ada was suspended: its counter fell from 9 to 4, so a copy may exist",
        ),
        (
            by_root("user", json!({"user.passkey_restored": {"passkey_id": KEY, "counter": 4}})),
            "Root accepted YubiKey of Ada again",
        ),
        (by_ada("user", removed("owner")), "Ada removed YubiKey"),
        (by_root("user", removed("admin")), "Root removed YubiKey of Ada"),
        (by_ada("user", removed("recovery")), "YubiKey of Ada was removed: a recovery link replaced it"),
        (by_ada("user", json!({"user.second_passkey_declined": {"at": AT}})), "Ada put off adding a second passkey"),
        (by_root("user", json!({"user.group_joined": {"group_id": EDITORS}})), "Root added Ada to editors"),
        (by_root("user", json!({"user.group_left": {"group_id": EDITORS}})), "Root removed Ada from editors"),
        (by_root("user", claims), "Root changed the claims of Ada"),
        (by_ada("user", json!({"user.picture_set": {"picture": digest()}})), "Ada changed their picture"),
        (by_root("user", json!({"user.picture_set": {"picture": digest()}})), "Root changed the picture of Ada"),
        (by_ada("user", json!("user.picture_removed")), "Ada removed their picture"),
        (by_root("user", json!("user.picture_removed")), "Root removed the picture of Ada"),
        (by_root("user", json!("user.disabled")), "Root disabled Ada"),
        (by_root("user", json!("user.enabled")), "Root enabled Ada again"),
        (by_root("user", json!("user.admin_granted")), "Root made Ada an administrator"),
        (by_root("user", json!("user.admin_revoked")), "Root ended that Ada is an administrator"),
        (by_ada("user", json!({"user.signed_out_everywhere": {"except": null}})), "Ada signed out everywhere"),
        (by_ada("user", json!({"user.signed_out_everywhere": {"except": KEY}})), "Ada signed out everywhere else"),
        (by_root("user", json!({"user.signed_out_everywhere": {"except": null}})), "Root signed Ada out everywhere"),
        (by_root("user", json!("user.erased")), "Root erased a person and all that was personal about them"),
    ];
    for (said, expected) in table {
        assert_eq!(said, expected);
    }
}

#[test]
fn every_event_about_links_keys_and_sign_ins_has_a_sentence() {
    let issued = |purpose: Value| json!({"enrollment.issued": {"purpose": purpose, "secret": digest(), "issued_at": AT, "expires_at": AT}});
    let ended = |why: &str| json!({"session.ended": {"why": why}});
    let started = json!({"session.started": {"user_id": ADA, "secret": digest(), "proof": proof(),
                         "authenticated_at": AT, "idle_seconds": 60, "expires_at": AT}});
    let stepped = json!({"session.stepped_up": {"secret": digest(), "proof": proof(), "authenticated_at": AT}});
    let redeemed = json!({"enrollment.redeemed": {"user_id": ADA, "passkey_id": KEY, "at": AT}});
    let created = json!({"api_key.created": {"user_id": ADA, "name": "deploy", "description": null,
                                             "digest": digest(), "expires_at": AT}});
    let renewed = json!({"api_key.renewed": {"digest": digest(), "expires_at": AT}});
    let revoked = |why: &str| json!({"enrollment.revoked": {"why": why}});

    let table = [
        (
            says(Actor::Operator, "enrollment", issued(json!({"kind": "setup"}))),
            "Somebody on the server made a set-up link",
        ),
        (by_root("enrollment", issued(json!({"kind": "invitation", "user_id": ADA}))), "Root invited Ada"),
        (
            by_root("enrollment", issued(json!({"kind": "recovery", "user_id": ADA, "replace": false}))),
            "Root made a recovery link for Ada",
        ),
        (
            by_root("enrollment", issued(json!({"kind": "recovery", "user_id": ADA, "replace": true}))),
            "Root made a recovery link for Ada that replaces all their passkeys",
        ),
        (says(Actor::Visitor, "enrollment", json!({"enrollment.opened": {"at": AT}})), "The link for Ada was opened"),
        (by_ada("enrollment", redeemed), "Ada used their link to add YubiKey"),
        (by_root("enrollment", revoked("superseded")), "The link for Ada gave way to a newer one"),
        (by_root("enrollment", revoked("by_admin")), "Root withdrew the link for Ada"),
        (by_root("enrollment", revoked("setup_completed")), "The link for Ada was closed: everything is set up"),
        (by_ada("api_key", created), "Ada made the API key deploy, which ends on 5 November 2026"),
        (by_ada("api_key", renewed), "Ada renewed the API key deploy until 5 November 2026"),
        (by_ada("api_key", json!("api_key.revoked")), "Ada revoked the API key deploy"),
        (by_ada("session", started), "Ada signed in with YubiKey"),
        (by_ada("session", stepped), "Ada confirmed with YubiKey that it is them"),
        (by_ada("session", json!({"session.extended": {"used_at": AT}})), "Ada stayed signed in"),
        (by_ada("session", ended("signed_out")), "Ada signed out"),
        (by_ada("session", ended("logout_requested")), "Ada signed out from within an app"),
        (by_ada("session", ended("ended_by_owner")), "Ada signed out another device"),
        (by_root("session", ended("ended_by_admin")), "Root signed Ada out on one device"),
        (by_root("session", ended("replaced")), "Ada was signed out: Root signed in with the same browser"),
        (by_ada("session", ended("replaced")), "Ada was signed out by signing in anew with the same browser"),
        (
            says(Actor::Visitor, "sign_in_attempt", attempt("unknown_passkey", 1, false)),
            "A sign-in was refused: nobody here has this passkey",
        ),
        (
            says(Actor::Visitor, "sign_in_attempt", attempt("user_disabled", 12, true)),
            "A sign-in as Ada with YubiKey was refused 12 times: the account is disabled",
        ),
    ];
    for (said, expected) in table {
        assert_eq!(said, expected);
    }
}

#[test]
fn what_a_tool_did_for_somebody_names_its_api_key() {
    let by_key = |key: Uuid| Actor::ApiKey(UserId(ROOT), ApiKeyId(key));

    assert_eq!(says(by_key(STREAM), "user", json!("user.disabled")), "Root disabled Ada, through the API key deploy");
    assert_eq!(says(by_key(KEY), "user", json!("user.disabled")), "Root disabled Ada, through an API key");
    // The account of the key that is configured is that key.
    assert_eq!(says(by_key(Uuid::nil()), "user", json!("user.disabled")), "Root disabled Ada");
}

#[test]
fn whoever_is_added_with_a_proven_address_is_told_so() {
    let added = |verified: bool| {
        let event = json!({"user.registered": {"profile": personal(profile("Ada")), "email_verified": verified,
                                               "is_admin": false, "via": "admin"}});
        let told = told(&recorded(Actor::User(UserId(ROOT)), "user", &event), &both(), &names());
        told.changes.into_iter().any(|change| change.what == "E-mail address verified" && change.after == "yes")
    };

    assert!(added(true));
    assert!(!added(false));
}

#[test]
fn a_profile_that_changed_says_what_became_of_the_proof_of_the_address() {
    let change = |name: &str, email: &str, was: Option<bool>, verified: bool| {
        let mut after = profile(name);
        after["email"] = json!(email);
        let change = personal(json!({"before": profile("Ada"), "after": after}));
        let mut event = json!({"user.profile_changed": {"change": change, "email_verified": verified}});
        if let Some(was) = was {
            event["user.profile_changed"]["was_verified"] = json!(was);
        }
        let told = told(&recorded(Actor::User(UserId(ROOT)), "user", &event), &both(), &names());
        told.changes.into_iter().map(|change| (change.what, change.before, change.after)).collect::<Vec<_>>()
    };
    let proof = |before: &str, after: &str| ("E-mail address verified".to_owned(), before.to_owned(), after.to_owned());

    for was in [Some(false), None] {
        assert_eq!(change("Ada", "ada@example.com", was, true), [proof("no", "yes")]);
        assert_eq!(change("Ada", "ada@example.net", was, false)[1..], [proof("", "no")]);
        assert_eq!(change("Ada", "ada@example.net", was, true)[1..], [proof("", "yes")]);
    }
    for was in [Some(true), None] {
        assert_eq!(change("Ada", "ada@example.com", was, false), [proof("yes", "no")]);
    }
    // Together with the name. Earlier releases did not record how it was.
    assert_eq!(change("Ada L", "ada@example.com", Some(false), true)[1..], [proof("no", "yes")]);
    assert_eq!(change("Ada L", "ada@example.com", Some(true), false)[1..], [proof("yes", "no")]);
    assert_eq!(change("Ada L", "ada@example.com", Some(true), true)[1..], []);
    assert_eq!(change("Ada L", "ada@example.com", None, true)[1..], []);
}
