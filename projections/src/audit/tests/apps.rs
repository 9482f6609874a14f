use super::*;

fn token() -> Value {
    json!({"jti": "j", "expires_at": AT})
}

fn causes() -> Value {
    json!({"session": "live", "group": "unrestricted", "consent": "given"})
}

fn settings(name: &str) -> Value {
    json!({"name": name, "description": "", "redirect_uris": ["https://git.example.com/cb"],
           "post_logout_redirect_uris": [], "is_public": false, "pkce_required": true,
           "requires_reauthentication": false, "skip_consent": false, "launch_url": null,
           "is_group_restricted": false, "id_token_algorithm": "RS256", "minimal_id_token": false,
           "access_token_seconds": 3600, "refresh_token_seconds": 2_592_000})
}

fn changes(payload: &Value, aggregate: &str) -> Vec<(String, String, String)> {
    let told = told(&recorded(Actor::User(UserId(ROOT)), aggregate, payload), &both(), &names());
    told.changes.into_iter().map(|change| (change.what, change.before, change.after)).collect()
}

fn change(what: &str, before: &str, after: &str) -> (String, String, String) {
    (what.to_owned(), before.to_owned(), after.to_owned())
}

#[test]
fn every_event_about_apps_and_consents_has_a_sentence() {
    let restricted = |after: Value| json!({"client.access_restricted": {"before": [], "after": after}});
    let added = |expires_at: Value| {
        json!({"client.secret_added": {"secret_id": KEY, "prefix": "abcd", "digest": digest(),
                                       "expires_at": expires_at}})
    };
    let (secret, ends) = (added(Value::Null), added(json!(AT)));
    let removed = |prefix: Value| json!({"client.secret_removed": {"secret_id": KEY, "prefix": prefix}});
    let changed = json!({"client.changed": {"before": settings("Old"), "after": settings("New")}});
    let withdrawn = json!({"consent.withdrawn": {"user_id": ADA, "client_id": "forgejo"}});
    let given = |scopes: Value| json!({"consent.given": {"user_id": ADA, "client_id": "forgejo", "scopes": scopes}});
    let everything = json!(["openid", "profile", "email", "groups", "offline_access"]);
    let widened = json!({"consent.widened": {"user_id": ADA, "client_id": "forgejo", "before": ["openid"],
                                             "scopes": ["openid", "email"]}});

    let table = [
        (by_root("client", json!({"client.registered": {"settings": settings("Git")}})), "Root added the app Git"),
        (by_root("client", changed), "Root changed New"),
        (by_root("client", secret), "Root made a secret for Forgejo, beginning with abcd"),
        (by_root("client", ends), "Root made a secret for Forgejo, beginning with abcd, which ends on 5 November 2026"),
        (by_root("client", removed(json!("abcd"))), "Root removed the secret of Forgejo beginning with abcd"),
        (by_root("client", removed(Value::Null)), "Root removed a secret of Forgejo"),
        (by_root("client", restricted(json!([EDITORS]))), "Root chose the groups for Forgejo: editors"),
        (
            by_root("client", restricted(json!([EDITORS, KEY]))),
            "Root chose the groups for Forgejo: editors, a deleted group",
        ),
        (by_root("client", restricted(json!([]))), "Root removed the chosen groups of Forgejo"),
        (by_root("client", json!("client.disabled")), "Root disabled Forgejo"),
        (by_root("client", json!("client.enabled")), "Root enabled Forgejo again"),
        (by_root("client", json!("client.deleted")), "Root deleted Forgejo"),
        (by_ada("consent", given(json!(["openid"]))), "Ada allowed Forgejo to see who they are"),
        (by_ada("consent", given(json!(["openid", "email"]))), "Ada allowed Forgejo to see their e-mail address"),
        (
            by_ada("consent", given(everything)),
            "Ada allowed Forgejo to see their profile, e-mail address and groups, also while they are away",
        ),
        (
            by_ada("consent", given(json!(["openid", "offline_access"]))),
            "Ada allowed Forgejo to see who they are, also while they are away",
        ),
        (by_ada("consent", widened), "Ada allowed Forgejo to see more"),
        (by_ada("consent", withdrawn.clone()), "Ada took back what Forgejo was allowed"),
        (by_root("consent", withdrawn), "Root took back what Ada had allowed Forgejo"),
    ];
    for (said, expected) in table {
        assert_eq!(said, expected);
    }
}

#[test]
fn every_event_about_grants_groups_and_keys_has_a_sentence() {
    let authorized = json!({"grant.authorized": {"user_id": ADA, "client_id": "forgejo", "session_id": KEY,
        "code": digest(), "redirect_uri": "https://git.example.com/cb", "scopes": ["openid"], "nonce": null,
        "code_challenge": null, "authenticated_at": AT, "acr": "phr", "amr": [], "claims": [],
        "code_expires_at": AT, "ends_at": AT, "causes": causes()}});
    let issued = json!({"grant.tokens_issued": {"access_token": token(), "refresh_token": null, "causes": causes()}});
    let own = json!({"grant.client_tokens_issued": {"client_id": "forgejo", "scopes": [], "access_token": token(),
                                                    "causes": causes()}});
    let refreshed = |repeated: bool| {
        json!({"grant.refreshed": {"generation": 2, "refresh_token": digest(), "repeated": repeated,
                                   "access_token": token(), "scopes": [], "at": AT, "causes": causes()}})
    };
    let revoked = |why: &str| json!({"grant.revoked": {"why": why}});
    let names = |name: &str| json!({"name": "editors", "friendly_name": name});
    let staged = json!({"signing_key.staged": {"algorithm": "ES256", "public_jwk": {},
                                               "private_key": personal(json!("k")), "staged_at": AT}});
    let forgejo = Whom { user: None, client: Some("forgejo".parse().unwrap()) };

    assert_eq!(
        told(&recorded(Actor::System, "grant", &own), &forgejo, &super::names()).text(),
        "Forgejo received tokens for itself"
    );
    let table = [
        (by_ada("grant", authorized), "Ada signed in to Forgejo"),
        (by_ada("grant", issued), "Forgejo received tokens for Ada"),
        (by_ada("grant", refreshed(false)), "Forgejo renewed its tokens for Ada"),
        (by_ada("grant", refreshed(true)), "Forgejo renewed its tokens for Ada a second time"),
        (
            by_ada("grant", json!("grant.pkce_failed")),
            "Forgejo was refused tokens for Ada: it could not prove that it had asked for them",
        ),
        (
            by_ada("grant", json!("grant.code_replayed")),
            "Forgejo was refused tokens for Ada: the code had been used before",
        ),
        (
            by_ada("grant", json!({"grant.refresh_reuse_detected": {"generation": 1}})),
            "Forgejo was refused new tokens for Ada: it presented a token that had been replaced",
        ),
        (by_ada("grant", json!({"grant.token_revoked": {"jti": "j"}})), "Forgejo gave back a token for Ada"),
        (by_ada("grant", revoked("by_client")), "Forgejo gave back its tokens for Ada"),
        (
            by_ada("grant", revoked("code_replayed")),
            "Forgejo lost its tokens for Ada: its code came a second time, so somebody may have copied it",
        ),
        (
            by_ada("grant", revoked("refresh_reused")),
            "Forgejo lost its tokens for Ada: a replaced token came again, so somebody may have copied it",
        ),
        (by_root("group", json!({"group.created": {"names": names("Editors")}})), "Root made the group Editors"),
        (
            by_root("group", json!({"group.changed": {"before": names("Old"), "after": names("New")}})),
            "Root changed the group New",
        ),
        (
            by_root("group", json!({"group.claims_set": {"before": [], "after": []}})),
            "Root changed the claims of editors",
        ),
        (by_root("group", json!("group.deleted")), "Root deleted editors"),
        (says(Actor::System, "signing_key", staged), "The signing key k1 was published for ES256, to sign later"),
        (
            says(Actor::System, "signing_key", json!({"signing_key.activated": {"at": AT}})),
            "The signing key k1 began to sign",
        ),
        (
            says(Actor::System, "signing_key", json!({"signing_key.retired": {"at": AT}})),
            "The signing key k1 stopped signing; what it signed still counts",
        ),
        (
            says(Actor::System, "signing_key", json!({"signing_key.removed": {"at": AT}})),
            "The signing key k1 was removed",
        ),
        (
            says(Actor::Operator, "signing_key", json!({"signing_key.removed": {"at": AT}})),
            "Somebody on the server withdrew the signing key k1; nothing that it signed counts any more",
        ),
        (
            says(Actor::Operator, "encryption_key", json!({"encryption_key.rotation_started": {"replaces": "old"}})),
            "Somebody on the server put the encryption key k1 in the place of old",
        ),
        (
            says(
                Actor::Operator,
                "encryption_key",
                json!({"encryption_key.rotation_finished": {"replaces": "old", "sealed": 3}}),
            ),
            "Everything is sealed under the encryption key k1 (3 keys); old is needed no more",
        ),
    ];
    for (said, expected) in table {
        assert_eq!(said, expected);
    }
}

#[test]
fn a_change_says_from_what_to_what() {
    let mut after = settings("Git");
    after["is_public"] = json!(true);
    after["launch_url"] = json!("https://git.example.com");
    after["access_token_seconds"] = json!(900);

    let changed = changes(&json!({"client.changed": {"before": settings("Git"), "after": after}}), "client");

    assert_eq!(
        changed,
        [
            change("Runs without a secret", "no", "yes"),
            change("Launch URL", "", "https://git.example.com"),
            change("Access tokens last", "1 hour", "15 minutes"),
        ]
    );
}

#[test]
fn a_new_app_and_a_new_group_say_what_they_began_with() {
    let mut chosen = settings("Git");
    chosen["skip_consent"] = json!(true);
    chosen["pkce_required"] = json!(false);
    chosen["access_token_seconds"] = json!(900);

    assert_eq!(
        changes(&json!({"client.registered": {"settings": chosen}}), "client"),
        [
            change("Callback URLs", "", "https://git.example.com/cb"),
            change("PKCE required", "", "no"),
            change("Trusted without asking people", "", "yes"),
            change("Access tokens last", "", "15 minutes"),
        ]
    );
    let created = json!({"group.created": {"names": {"name": "editors", "friendly_name": "The Editors"}}});
    assert_eq!(changes(&created, "group"), [change("Name for apps", "", "editors")]);
}

#[test]
fn a_wider_consent_says_from_what_to_what_in_words() {
    let widened = json!({"consent.widened": {"user_id": ADA, "client_id": "forgejo", "before": ["openid"],
                                             "scopes": ["openid", "email", "offline_access"]}});

    assert_eq!(
        changes(&widened, "consent"),
        [change("What the app may see", "who they are", "their e-mail address, also while they are away")]
    );
}

#[test]
fn a_claim_is_added_changed_and_removed() {
    let before = json!([{"key": "team", "value": "red"}, {"key": "floor", "value": "2"}]);
    let after = json!([{"key": "team", "value": "blue"}, {"key": "desk", "value": "9"}]);

    let changed = changes(&json!({"group.claims_set": {"before": before, "after": after}}), "group");

    assert_eq!(changed, [change("team", "red", "blue"), change("floor", "2", ""), change("desk", "", "9")]);
}

#[test]
fn groups_chosen_for_an_app_go_by_their_names() {
    let limited = json!({"client.access_restricted": {"before": [KEY], "after": [EDITORS]}});

    assert_eq!(changes(&limited, "client"), [change("Chosen groups", "a deleted group", "editors")]);
}
