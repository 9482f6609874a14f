//! The administration API as Pocket ID's tools use it, and who may: attacks AD.

use chancery_tests::server::Server;
use chancery_tests::visitor::Visitor;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_user_has_pocket_ids_members_and_comes_whole_everywhere() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let input = json!({
        "username": "mira", "email": "mira@example.org", "emailVerified": true, "firstName": "Mira",
        "lastName": "Okafor", "displayName": "Mira Okafor", "isAdmin": false, "locale": "en", "disabled": false,
        "id": "8f6f2b1e-58a5-4c0c-9c55-2d2f8a3b7b10"
    });

    let made = admin.post("/api/users", &input).await.expect(201).json();

    assert_eq!(
        made,
        json!({
            "id": "8f6f2b1e-58a5-4c0c-9c55-2d2f8a3b7b10", "username": "mira", "email": "mira@example.org",
            "emailVerified": true, "firstName": "Mira", "lastName": "Okafor", "displayName": "Mira Okafor",
            "isAdmin": false, "locale": "en", "customClaims": [], "userGroups": [], "ldapId": null, "disabled": false
        })
    );
    let path = "/api/users/8f6f2b1e-58a5-4c0c-9c55-2d2f8a3b7b10";
    assert_eq!(admin.get(path).await.expect(200).json(), made);
    let list = admin.get("/api/users?search=okafor&pagination[limit]=5").await.expect(200).json();
    assert_eq!(list["data"], json!([made]));
    let pagination = json!({ "totalPages": 1, "totalItems": 1, "currentPage": 1, "itemsPerPage": 5 });
    assert_eq!(list["pagination"], pagination);
    let again = admin.post("/api/users", &input).await.expect(409).json();
    assert_eq!(again["code"], "already_in_use");
    let other = json!({ "username": "MIRA", "firstName": "M" });
    let taken = admin.post("/api/users", &other).await.expect(409).json();
    assert_eq!(taken["details"], json!({ "property": "username" }), "UN-01: the case does not matter");
    admin.send(Method::DELETE, path, None, &[]).await.expect(204);
    assert_eq!(admin.get(path).await.expect(404).json()["code"], "user_not_found");
}

#[tokio::test]
async fn a_wrong_field_is_named_with_its_code() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();

    let input = json!({ "username": "-bad-", "email": "nobody", "firstName": "x".repeat(51) });
    let answer = admin.post("/api/users", &input).await.expect(400);

    let body = answer.json();
    assert_eq!(body["code"], "validation_failed");
    assert_eq!(body["request_id"], answer.header("x-request-id"));
    let fields = body["details"]["fields"].as_array().unwrap();
    let mut named: Vec<_> =
        fields.iter().map(|f| (f["field"].as_str().unwrap(), f["code"].as_str().unwrap())).collect();
    named.sort_unstable();
    assert_eq!(named, [("email", "invalid_format"), ("firstName", "too_long"), ("username", "invalid_format")]);
    let answer = admin.send(Method::POST, "/api/users", Some("username=x".into()), &[]).await.expect(400);
    assert_eq!(answer.json()["code"], "invalid_request_body");
    // Where a body may be left out, one that is there is JSON as well, and says so.
    let secrets = format!("/api/oidc/clients/{}/secrets", server.client(&json!({})).await.id);
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let headers = [("content-type", content_type)];
        let answer = admin.send(Method::POST, &secrets, Some("{}".into()), &headers).await.expect(400);
        assert_eq!(answer.json()["code"], "invalid_request_body", "{content_type}");
    }
}

#[tokio::test]
async fn groups_and_their_members() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let ada = server.person("ada").await;

    let made =
        admin.post("/api/user-groups", &json!({ "name": "ops", "friendlyName": "Operations" })).await.expect(201);
    let made = made.json();
    let expected = ["allowedOidcClients", "createdAt", "customClaims", "friendlyName", "id", "ldapId", "name", "users"];
    assert_eq!(members(&made), expected);
    let id = made["id"].as_str().unwrap();
    let ids = json!({ "userIds": [ada.id, "00000000-0000-4000-8000-000000000001"] });
    let group = admin.json(Method::PUT, &format!("/api/user-groups/{id}/users"), &ids).await.expect(200).json();
    assert_eq!(group["users"].as_array().unwrap().len(), 1, "unknown ids are dropped");
    let list = admin.get("/api/user-groups?sort[column]=userCount&sort[direction]=desc").await.expect(200).json();
    assert_eq!(list["data"][0]["userCount"], 1);
    let of_ada = admin.get(&format!("/api/users/{}", ada.id)).await.json();
    assert_eq!(of_ada["userGroups"][0]["name"], "ops");
    let claims = json!([{ "key": "level", "value": "3" }]);
    let set = admin.json(Method::PUT, &format!("/api/custom-claims/user-group/{id}"), &claims).await.expect(200);
    assert_eq!(set.json(), claims);
    assert_eq!(admin.get("/api/custom-claims/suggestions").await.json(), json!(["level"]));
    let taken = admin.post("/api/user-groups", &json!({ "name": "OPS", "friendlyName": "Other" })).await.expect(409);
    assert_eq!(taken.json()["details"]["property"], "name");
    admin.send(Method::DELETE, &format!("/api/user-groups/{id}"), None, &[]).await.expect(204);
    assert_eq!(admin.get(&format!("/api/users/{}", ada.id)).await.json()["userGroups"], json!([]));
}

#[tokio::test]
async fn claims_that_mean_something_or_come_twice_are_refused() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let path = format!("/api/custom-claims/user/{}", server.person("ada").await.id);

    for (claims, code) in [
        (json!([{ "key": "sub", "value": "x" }]), "reserved_claim"),
        (json!([{ "key": "email_verified", "value": "true" }]), "reserved_claim"),
        (json!([{ "key": "a", "value": "1" }, { "key": "a", "value": "2" }]), "duplicate_claim"),
    ] {
        let answer = admin.json(Method::PUT, &path, &claims).await.expect(400).json();
        assert_eq!(answer["code"], code);
        assert!(answer["details"]["key"].is_string());
    }
    let nobody = "/api/custom-claims/user/00000000-0000-4000-8000-000000000001";
    assert_eq!(admin.json(Method::PUT, nobody, &json!([])).await.expect(404).json()["code"], "user_not_found");
}

#[tokio::test]
async fn a_client_has_pocket_ids_members_and_keeps_the_order_of_its_urls() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let urls = ["https://b.example/cb", "https://a.example/cb"];
    let input = json!({
        "id": "wiki", "name": "Wiki", "description": "All we know", "callbackURLs": urls,
        "logoutCallbackURLs": [], "isPublic": false, "pkceEnabled": true, "launchURL": "https://wiki.example.org"
    });

    let made = admin.post("/api/oidc/clients", &input).await.expect(201).json();

    assert_eq!(made["id"], "wiki");
    assert_eq!(made["callbackURLs"], json!(urls));
    assert_eq!(made["accessTokenDurationMinutes"], 60);
    assert_eq!(made["refreshTokenDurationMinutes"], 43_200);
    assert_eq!(made["credentials"], json!({ "secrets": [] }));
    assert_eq!(made["clientType"], "standard");
    let secret = admin.post("/api/oidc/clients/wiki/secrets", &json!({})).await.expect(201).json();
    assert_eq!(members(&secret), ["createdAt", "expiresAt", "id", "isActive", "prefix", "secret", "visiblePrefix"]);
    let own = json!({ "secret": "a-secret-of-my-own-choice" });
    let own = admin.post("/api/oidc/clients/wiki/secrets", &own).await.expect(201).json();
    assert_eq!((own["prefix"].as_str(), own["secret"].as_str()), (Some("a-se"), Some("a-secret-of-my-own-choice")));
    let meta = server.visitor().get("/api/oidc/clients/wiki/meta").await.expect(200).json();
    let expected =
        ["clientType", "description", "hasDarkLogo", "hasLogo", "id", "launchURL", "name", "requiresReauthentication"];
    assert_eq!(members(&meta), expected);
    let encoded = admin.get("/api/oidc/clients/~d2lraQ").await.expect(200).json();
    assert_eq!(encoded["id"], "wiki");
    let legacy = admin.post("/api/oidc/clients/wiki/secret", &json!({})).await.expect(200).json();
    assert_eq!(members(&legacy), ["secret"]);
    assert_eq!(admin.get("/api/oidc/clients/wiki/secrets").await.json().as_array().unwrap().len(), 1);
    for _ in 1..20 {
        admin.post("/api/oidc/clients/wiki/secrets", &json!({})).await.expect(201);
    }
    admin.post("/api/oidc/clients/wiki/secrets", &json!({})).await.expect(400);
    admin.post("/api/oidc/clients/wiki/secret", &json!({})).await.expect(200);
    assert_eq!(admin.get("/api/oidc/clients/wiki/secrets").await.json().as_array().unwrap().len(), 1);
    let unnamed = admin.post("/api/oidc/clients", &json!({ "id": "", "name": "Unnamed" })).await.expect(201).json();
    assert!(unnamed["id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
    let taken = admin.post("/api/oidc/clients", &input).await.expect(409).json();
    assert_eq!(taken["code"], "client_id_already_exists");
    admin.send(Method::DELETE, "/api/oidc/clients/wiki", None, &[]).await.expect(204);
    assert_eq!(admin.get("/api/oidc/clients/wiki").await.expect(404).json()["code"], "not_found");
}

#[tokio::test]
async fn api_keys_act_for_their_owner_until_they_end() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let end = server.app.now() + Duration::days(1);
    let end = end.format(&time::format_description::well_known::Rfc3339).unwrap();

    let made = root.visitor.post("/api/api-keys", &json!({ "name": "Deploy", "expiresAt": end })).await.expect(201);
    let made = made.json();
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("chk_"), "AD-04: a leaked one can be found");
    let mut tool = Visitor::with_api_key(&server.base, token);
    assert_eq!(tool.get("/api/users/me").await.expect(200).json()["username"], "root");
    tool.post("/api/users", &json!({ "username": "made-by-key" })).await.expect(201);
    let refused = tool.post("/api/api-keys", &json!({ "name": "More", "expiresAt": end })).await.expect(403).json();
    assert_eq!(refused["code"], "api_key_auth_not_allowed", "AD-04: a key cannot make keys");
    assert!(!root.visitor.get("/api/api-keys").await.expect(200).text.contains(token), "AD-07");

    server.later(Duration::days(1));
    tool.get("/api/users/me").await.expect(401);
    root.sign_in().await.expect(200);
    let id = made["apiKey"]["id"].as_str().unwrap();
    let later = server.app.now() + Duration::days(1);
    let later = json!({ "expiresAt": later.format(&time::format_description::well_known::Rfc3339).unwrap() });
    let renewed = root.visitor.post(&format!("/api/api-keys/{id}/renew"), &later).await.expect(200).json();
    let mut tool = Visitor::with_api_key(&server.base, renewed["token"].as_str().unwrap());
    tool.get("/api/users/me").await.expect(200);
    root.visitor.send(Method::DELETE, &format!("/api/api-keys/{id}"), None, &[]).await.expect(204);
    tool.get("/api/users/me").await.expect(401);
}

#[tokio::test]
async fn ad02_ad03_a_person_changes_only_themselves_and_only_what_is_theirs() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    let greedy = json!({
        "username": "ada", "email": "new@example.org", "emailVerified": true, "firstName": "Ada", "lastName": "L",
        "displayName": "Ada L", "isAdmin": true, "disabled": true
    });
    let changed = ada.visitor.json(Method::PUT, "/api/users/me", &greedy).await.expect(200).json();

    assert_eq!(changed["displayName"], "Ada L");
    assert_eq!(changed["isAdmin"], false);
    assert_eq!(changed["disabled"], false);
    assert_eq!(changed["emailVerified"], false, "AD-08: a changed address is unproven");
}

#[tokio::test]
async fn ad05_somebody_must_remain_to_administer() {
    let server = Server::start().await;
    let root = server.first_admin().await;
    let mut admin = server.admin.clone();
    let path = format!("/api/users/{}", root.id);
    let mut user = admin.get(&path).await.expect(200).json();

    user["isAdmin"] = json!(false);
    assert_eq!(admin.json(Method::PUT, &path, &user).await.expect(409).json()["code"], "last_admin");
    user["isAdmin"] = json!(true);
    user["disabled"] = json!(true);
    assert_eq!(admin.json(Method::PUT, &path, &user).await.expect(409).json()["code"], "last_admin");
    admin.send(Method::DELETE, &path, None, &[]).await.expect(409);
}

#[tokio::test]
async fn administering_in_a_browser_needs_a_recent_ceremony() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    server.later(Duration::minutes(6));

    root.visitor.get("/api/users").await.expect(200);
    let refused = root.visitor.post("/api/users", &json!({ "username": "bob" })).await.expect(401).json();
    assert_eq!(refused["code"], "reauthentication_required");
    root.step_up().await.expect(204);
    root.visitor.post("/api/users", &json!({ "username": "bob" })).await.expect(201);
}
