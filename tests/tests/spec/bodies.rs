//! What bodies of the REST API may say, and how each mistake in one is told, as the tools made for Pocket ID rely on it.

use chancery_tests::server::Server;
use chancery_tests::visitor::Answer;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// Field and code of everything that is wrong.
#[track_caller]
fn wrong(answer: Answer) -> Vec<(String, String)> {
    let body = answer.expect(400).json();
    assert_eq!(body["code"], "validation_failed", "{body}");
    let fields = body["details"]["fields"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    fields.iter().map(|field| (text(&field["field"]), text(&field["code"]))).collect()
}

fn pairs(named: &[(&str, &str)]) -> Vec<(String, String)> {
    named.iter().map(|(field, code)| ((*field).to_owned(), (*code).to_owned())).collect()
}

#[tokio::test]
async fn null_is_as_if_nothing_were_said() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let nulls = |names: &[&str]| Value::Object(names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect());
    let with = |mut body: Value, more: Value| {
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };

    let client = nulls(&[
        "id",
        "description",
        "callbackURLs",
        "logoutCallbackURLs",
        "isPublic",
        "pkceEnabled",
        "requiresReauthentication",
        "requiresPushedAuthorizationRequests",
        "skipConsent",
        "credentials",
        "launchURL",
        "logoUrl",
        "darkLogoUrl",
        "isGroupRestricted",
        "accessTokenDurationMinutes",
        "refreshTokenDurationMinutes",
        "idTokenSigningAlg",
        "minimalIdToken",
    ]);
    let plain = admin.post("/api/oidc/clients", &json!({ "name": "Wiki" })).await.expect(201).json();
    let made = admin.post("/api/oidc/clients", &with(client, json!({ "name": "Wiki" }))).await.expect(201).json();
    assert_eq!(with(made, json!({ "id": plain["id"] })), plain);

    let user = nulls(&[
        "id",
        "email",
        "emailVerified",
        "firstName",
        "lastName",
        "displayName",
        "isAdmin",
        "locale",
        "disabled",
        "userGroupIds",
    ]);
    let made = admin.post("/api/users", &with(user, json!({ "username": "mira" }))).await.expect(201).json();
    assert_eq!(
        (&made["displayName"], &made["isAdmin"], &made["disabled"]),
        (&json!("mira"), &json!(false), &json!(false))
    );

    let none = pairs(&[("name", "required"), ("friendlyName", "required")]);
    assert_eq!(wrong(admin.post("/api/user-groups", &nulls(&["name", "friendlyName"])).await), none);
    assert_eq!(wrong(admin.post("/api/oidc/clients", &nulls(&["name"])).await), pairs(&[("name", "required")]));
}

#[tokio::test]
async fn what_protects_is_not_accepted_and_forgotten() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let wiki = server.client(&json!({})).await;
    let identity = json!({ "issuer": "https://ci.example.net", "subject": "repo:a/b" });
    let path = format!("/api/oidc/clients/{}", wiki.id);

    for (asked, field) in [
        (json!({ "requiresPushedAuthorizationRequests": true }), "requiresPushedAuthorizationRequests"),
        (json!({ "credentials": { "federatedIdentities": [identity] } }), "credentials.federatedIdentities"),
        (json!({ "logoUrl": "https://wiki.example/logo.png" }), "logoUrl"),
        (json!({ "darkLogoUrl": "https://wiki.example/dark.png" }), "darkLogoUrl"),
    ] {
        let mut body = json!({ "name": "Wiki" });
        body.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
        for (method, path) in [(Method::POST, "/api/oidc/clients"), (Method::PUT, path.as_str())] {
            let answer = admin.json(method, path, &body).await;
            assert_eq!(wrong(answer), pairs(&[(field, "invalid_value")]), "{asked}");
        }
    }
    let nothing = json!({
        "name": "Wiki", "requiresPushedAuthorizationRequests": false, "logoUrl": "", "darkLogoUrl": null,
        "credentials": { "federatedIdentities": [], "secrets": [] }
    });
    admin.json(Method::PUT, &path, &nothing).await.expect(200);
    let nothing = json!({ "name": "Wiki", "credentials": { "federatedIdentities": null } });
    admin.json(Method::PUT, &path, &nothing).await.expect(200);
}

#[tokio::test]
async fn pk01_an_app_asks_for_pkce_unless_its_administrator_says_no() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let mut ada = server.person("ada").await;
    // As if nothing were said.
    let wiki = server.client(&json!({ "pkceEnabled": null })).await;
    let path = format!("/api/oidc/clients/{}", wiki.id);
    assert_eq!(ada.authorize(&wiki, &[]).await.expect(303).parameter("error").as_deref(), Some("invalid_request"));

    for (said, is_enabled) in [
        (json!({}), true),
        (json!({ "pkceEnabled": false }), false),
        (json!({}), false),
        (json!({ "pkceEnabled": true }), true),
    ] {
        let mut body = json!({ "name": "Wiki", "callbackURLs": ["https://wiki.example/cb"] });
        body.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        let changed = admin.json(Method::PUT, &path, &body).await.expect(200).json();
        assert_eq!(changed["pkceEnabled"], is_enabled, "{said}");
        let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code");
        assert_eq!(code.is_none(), is_enabled, "{said}");
    }

    let log = admin.get("/api/events?limit=1000").await.expect(200).json();
    let waived = |event: &&Value| {
        event["type"] == "client.changed"
            && event.pointer("/payload/client.changed/before/pkce_required") == Some(&json!(true))
            && event.pointer("/payload/client.changed/after/pkce_required") == Some(&json!(false))
    };
    assert_eq!(log["events"].as_array().unwrap().iter().filter(waived).count(), 1, "{log}");
}

#[tokio::test]
async fn what_pocket_id_does_not_know_of_stays_where_its_tools_leave_it_out() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let ada = server.person("ada").await;
    let settings = json!({ "idTokenSigningAlg": "ES256", "minimalIdToken": true, "isGroupRestricted": true });
    let wiki = server.client(&settings).await;
    let group = admin.post("/api/user-groups", &json!({ "name": "ops", "friendlyName": "Ops" })).await.json();
    let group = group["id"].as_str().unwrap();
    let claims = json!([{ "key": "team", "value": "ops" }]);
    for path in [format!("/api/custom-claims/user/{}", ada.id), format!("/api/custom-claims/user-group/{group}")] {
        admin.json(Method::PUT, &path, &claims).await.expect(200);
    }
    let member = json!({ "userIds": [ada.id] });
    admin.json(Method::PUT, &format!("/api/user-groups/{group}/users"), &member).await.expect(200);
    let allowed = json!({ "oidcClientIds": [wiki.id] });
    admin.json(Method::PUT, &format!("/api/user-groups/{group}/allowed-oidc-clients"), &allowed).await.expect(200);

    // All that Pocket ID writes (its ClientInput, UserInput and GroupInput).
    let client_members = [
        "name",
        "description",
        "callbackURLs",
        "logoutCallbackURLs",
        "isPublic",
        "pkceEnabled",
        "requiresReauthentication",
        "requiresPushedAuthorizationRequests",
        "skipConsent",
        "launchURL",
        "isGroupRestricted",
        "accessTokenDurationMinutes",
        "refreshTokenDurationMinutes",
    ];
    let user_members =
        ["username", "email", "emailVerified", "firstName", "lastName", "displayName", "isAdmin", "locale", "disabled"];
    for (path, members) in [
        (format!("/api/oidc/clients/{}", wiki.id), &client_members[..]),
        (format!("/api/users/{}", ada.id), &user_members[..]),
        (format!("/api/user-groups/{group}"), &["name", "friendlyName"][..]),
    ] {
        let before = admin.get(&path).await.expect(200).json();
        let written = members.iter().map(|name| ((*name).to_owned(), before[*name].clone())).collect();
        let after = admin.json(Method::PUT, &path, &Value::Object(written)).await.expect(200).json();
        assert_eq!(after, before, "{path}");
        assert_eq!(admin.get(&path).await.json(), before, "{path}");
    }
}

#[tokio::test]
async fn what_only_we_have_can_be_set_and_null_is_its_default() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let path = format!("/api/oidc/clients/{}", server.client(&json!({})).await.id);
    for (said, algorithm, minimal) in [
        (json!({}), "RS256", false),
        (json!({ "idTokenSigningAlg": "EdDSA", "minimalIdToken": true }), "EdDSA", true),
        (json!({}), "EdDSA", true),
        (json!({ "minimalIdToken": false }), "EdDSA", false),
        (json!({ "minimalIdToken": true }), "EdDSA", true),
        (json!({ "idTokenSigningAlg": null }), "RS256", true),
        (json!({ "minimalIdToken": null }), "RS256", false),
    ] {
        let mut body = json!({ "name": "Wiki" });
        body.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        let changed = admin.json(Method::PUT, &path, &body).await.expect(200).json();
        assert_eq!((&changed["idTokenSigningAlg"], &changed["minimalIdToken"]), (&json!(algorithm), &json!(minimal)));
    }
    let bad = admin.json(Method::PUT, &path, &json!({ "name": "Wiki", "idTokenSigningAlg": "" })).await;
    assert_eq!(wrong(bad), pairs(&[("idTokenSigningAlg", "oneof")]));
}

#[tokio::test]
async fn what_must_be_there_is_named_where_it_is_missing() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let mut root = server.first_admin().await;
    let wiki = server.client(&json!({})).await;
    let group = admin.post("/api/user-groups", &json!({ "name": "ops", "friendlyName": "Ops" })).await.json();
    let group = group["id"].as_str().unwrap();

    for (path, member) in [
        (format!("/api/users/{}/user-groups", root.id), "userGroupIds"),
        (format!("/api/oidc/clients/{}/allowed-user-groups", wiki.id), "userGroupIds"),
        (format!("/api/user-groups/{group}/users"), "userIds"),
        (format!("/api/user-groups/{group}/allowed-oidc-clients"), "oidcClientIds"),
    ] {
        for body in [json!({}), json!({ member: null })] {
            let answer = admin.json(Method::PUT, &path, &body).await;
            assert_eq!(wrong(answer), pairs(&[(member, "required")]), "{path}");
        }
        admin.json(Method::PUT, &path, &json!({ member: [] })).await.expect(200);
    }
    let keys = root.visitor.post("/api/api-keys", &json!({ "name": "x" })).await;
    assert_eq!(wrong(keys), pairs(&[("name", "too_short"), ("expiresAt", "required")]));
    let renewal = root.visitor.post(&format!("/api/api-keys/{}/renew", Uuid::new_v4()), &json!({})).await;
    assert_eq!(wrong(renewal), pairs(&[("expiresAt", "required")]));
    let end = (server.app.now() + Duration::days(1)).format(&Rfc3339).unwrap();
    let long = root.visitor.post("/api/api-keys", &json!({ "name": "x".repeat(51), "expiresAt": end })).await;
    assert_eq!(wrong(long), pairs(&[("name", "too_long")]));

    let claims = json!([{ "key": "team", "value": "ops" }, { "key": null, "value": "x" }, { "key": "level" }]);
    for path in [format!("/api/custom-claims/user/{}", root.id), format!("/api/custom-claims/user-group/{group}")] {
        let answer = admin.json(Method::PUT, &path, &claims).await;
        assert_eq!(wrong(answer), pairs(&[("[1].key", "required"), ("[2].value", "required")]), "{path}");
    }
    let named = admin.post("/api/user-groups", &json!({ "name": "x", "friendlyName": "y".repeat(51) })).await;
    assert_eq!(wrong(named), pairs(&[("name", "too_short"), ("friendlyName", "too_long")]));
    let passkey = root.visitor.get("/api/webauthn/credentials").await.json()[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/webauthn/credentials/{passkey}");
    for (name, code) in [(json!(""), "required"), (json!(null), "required"), (json!("x".repeat(51)), "too_long")] {
        let renamed = root.visitor.json(Method::PATCH, &path, &json!({ "name": name })).await;
        assert_eq!(wrong(renamed), pairs(&[("name", code)]));
    }
    for (secret, code) in [("short", "too_short"), ("sixteen blanks or", "printascii")] {
        let answer = admin.post(&format!("/api/oidc/clients/{}/secrets", wiki.id), &json!({ "secret": secret })).await;
        assert_eq!(wrong(answer), pairs(&[("secret", code)]));
    }
}

#[tokio::test]
async fn ids_that_are_none_are_dropped_from_lists_and_named_where_they_stand_alone() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let group = admin.post("/api/user-groups", &json!({ "name": "ops", "friendlyName": "Ops" })).await.json();
    let group = group["id"].as_str().unwrap();

    let ids = json!({ "userGroupIds": ["no-uuid", group, Uuid::new_v4()] });
    let of_ada = admin.json(Method::PUT, &format!("/api/users/{}/user-groups", ada.id), &ids).await.expect(200).json();
    assert_eq!(of_ada["userGroups"][0]["id"], group);
    let path = format!("/api/oidc/clients/{}", wiki.id);
    admin.json(Method::PUT, &format!("{path}/allowed-user-groups"), &ids).await.expect(200);
    assert_eq!(admin.get(&path).await.json()["allowedUserGroups"].as_array().unwrap().len(), 1);
    let members = json!({ "userIds": ["no-uuid", ada.id, Uuid::new_v4()] });
    let set = admin.json(Method::PUT, &format!("/api/user-groups/{group}/users"), &members).await.expect(200).json();
    assert_eq!(set["users"].as_array().unwrap().len(), 1);
    let made = json!({ "username": "mira", "userGroupIds": ["no-uuid", group] });
    assert_eq!(admin.post("/api/users", &made).await.expect(201).json()["userGroups"][0]["id"], group);

    let chosen = admin.post("/api/users", &json!({ "username": "noor", "id": "no-uuid" })).await;
    assert_eq!(wrong(chosen), pairs(&[("id", "uuid")]));
    let kept = json!({ "username": "ada", "id": "no-uuid" });
    admin.json(Method::PUT, &format!("/api/users/{}", ada.id), &kept).await.expect(200);
}

#[tokio::test]
async fn a_group_may_be_larger_than_other_bodies() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let ada = server.person("ada").await;
    let group = admin.post("/api/user-groups", &json!({ "name": "all", "friendlyName": "All" })).await.json();
    let path = format!("/api/user-groups/{}/users", group["id"].as_str().unwrap());
    let ids = |count: usize| (0..count).map(|_| Uuid::new_v4().to_string()).chain([ada.id.clone()]).collect::<Vec<_>>();

    let set = admin.json(Method::PUT, &path, &json!({ "userIds": ids(25_000) })).await.expect(200).json();
    assert_eq!(set["users"].as_array().unwrap().len(), 1);
    let refused = admin.json(Method::PUT, &path, &json!({ "userIds": ids(28_000) })).await.expect(413).json();
    assert_eq!(refused["code"], "request_too_large");
    let mut stranger = server.visitor();
    stranger.origin = "https://evil.example".to_owned();
    stranger.json(Method::PUT, &path, &json!({ "userIds": [] })).await.expect(403);
    server.visitor().json(Method::PUT, &path, &json!({ "userIds": [] })).await.expect(401);
    admin.get(&path).await.expect(405);
}

#[tokio::test]
async fn what_looks_the_same_is_the_same() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let (composed, decomposed) = ("Caf\u{e9}", "Cafe\u{301}");

    let body = json!({ "name": decomposed, "friendlyName": decomposed });
    let made = admin.post("/api/user-groups", &body).await.expect(201).json();
    assert_eq!((&made["name"], &made["friendlyName"]), (&json!(composed), &json!(composed)));
    for name in [composed, decomposed] {
        let again = admin.post("/api/user-groups", &json!({ "name": name, "friendlyName": "Other" })).await.expect(409);
        assert_eq!(again.json()["details"]["property"], "name");
    }
    let body = json!({ "name": decomposed, "description": decomposed });
    let made = admin.post("/api/oidc/clients", &body).await.expect(201).json();
    assert_eq!((&made["name"], &made["description"]), (&json!(composed), &json!(composed)));
    let mut root = server.first_admin().await;
    let end = (server.app.now() + Duration::days(1)).format(&Rfc3339).unwrap();
    let made = root.visitor.post("/api/api-keys", &json!({ "name": decomposed, "expiresAt": end })).await.expect(201);
    assert_eq!(made.json()["apiKey"]["name"], composed);
}

#[tokio::test]
async fn an_older_name_of_the_launch_url_and_durations_of_go_are_understood() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let ada = server.person("ada").await;

    let body = json!({ "name": "Wiki", "launchUrl": "https://wiki.example" });
    assert_eq!(admin.post("/api/oidc/clients", &body).await.expect(201).json()["launchURL"], "https://wiki.example");
    let path = format!("/api/users/{}/one-time-access-token", ada.id);
    for (ttl, lasts) in [
        (json!("1.5h"), Duration::minutes(90)),
        (json!("90000ms"), Duration::seconds(90)),
        (json!(90.5), Duration::milliseconds(90_500)),
        (json!(null), Duration::DAY),
    ] {
        let link = admin.post(&path, &json!({ "ttl": ttl })).await.expect(201).json();
        let end = (server.app.now() + lasts).format(&Rfc3339).unwrap();
        assert_eq!(link["expiresAt"], end, "{ttl}");
    }
    for ttl in [json!("745h"), json!("900ms"), json!("1d"), json!(true)] {
        assert_eq!(wrong(admin.post(&path, &json!({ "ttl": ttl })).await), pairs(&[("ttl", "ttl")]), "{ttl}");
    }
}
