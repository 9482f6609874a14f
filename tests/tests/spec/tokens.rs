//! What tokens are worth: UserInfo (OpenID Connect Core §5.3, RFC 6750), introspection (RFC 7662), revocation (RFC 7009);
//! attacks UI and IR, conformance 42 to 46.

use chancery_tests::node::{Client, Person, userinfo};
use chancery_tests::server::Server;
use chancery_tests::visitor::Answer;
use serde_json::{Value, json};
use time::Duration;

async fn setting(scope: &str) -> (Server, Person, Client, Value) {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[("scope", scope)]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    (server, ada, wiki, tokens)
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

#[track_caller]
fn assert_invalid_token(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert!(answer.header("www-authenticate").starts_with("Bearer error=\"invalid_token\""));
}

async fn post(server: &Server, client: &Client, path: &str, pairs: &[(&str, &str)]) -> Answer {
    let credentials = [("client_id", client.id.as_str()), ("client_secret", client.secret.as_str())];
    server.visitor().form(path, &[pairs, &credentials].concat()).await
}

#[tokio::test]
async fn c42_the_token_may_come_by_header_or_in_the_body() {
    let (server, ada, _wiki, tokens) = setting("openid").await;
    let token = text(&tokens, "access_token");
    let header = format!("bearer {token}");

    let claims = userinfo(&server, token).await.expect(200).json();
    assert_eq!(claims, json!({ "sub": ada.id }), "no claim beyond the scopes");
    let headers = [("authorization", header.as_str())];
    server.visitor().send(reqwest::Method::POST, "/api/oidc/userinfo", None, &headers).await.expect(200);
    server.visitor().form("/api/oidc/userinfo", &[("access_token", token)]).await.expect(200);
}

#[tokio::test]
async fn ui01_what_is_no_access_token_of_ours_is_invalid() {
    let (server, _ada, wiki, tokens) = setting("openid offline_access").await;
    let access = text(&tokens, "access_token");
    let other = Server::start().await;

    for token in ["x", "a.b.c", &access[..access.len() - 2], text(&tokens, "id_token"), text(&tokens, "refresh_token")]
    {
        assert_invalid_token(&userinfo(&server, token).await);
    }
    assert_invalid_token(&userinfo(&other, access).await);
    let own = wiki.token(&server, &[("grant_type", "client_credentials")]).await.expect(200).json();
    let answer = userinfo(&server, text(&own, "access_token")).await.expect(403);
    assert!(answer.header("www-authenticate").starts_with("Bearer error=\"insufficient_scope\""));
    server.later(Duration::hours(1));
    assert_invalid_token(&userinfo(&server, access).await);
}

#[tokio::test]
async fn ui01_whoever_presents_no_token_hears_how_and_of_no_error() {
    let server = Server::start().await;

    for headers in [&[][..], &[("authorization", "Bearer ")], &[("authorization", "Basic eDp5")]] {
        let answer = server.visitor().send(reqwest::Method::GET, "/api/oidc/userinfo", None, headers).await.expect(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"Chancery\"", "RFC 6750 §3.1");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.text, "");
    }
}

#[tokio::test]
async fn ui03_a_token_in_the_uri_or_twice_is_refused() {
    let (server, _ada, _wiki, tokens) = setting("openid").await;
    let token = text(&tokens, "access_token");
    let header = format!("Bearer {token}");

    let invalid = |answer: Answer| {
        let answer = answer.expect(400);
        assert_eq!(answer.json()["error"], "invalid_request");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("Bearer error=\"invalid_request\""), "RFC 6750 §3: {challenge}");
    };
    invalid(server.visitor().get(&format!("/api/oidc/userinfo?access_token={token}")).await);
    let headers = [("authorization", header.as_str())];
    invalid(server.visitor().form_with("/api/oidc/userinfo", &[("access_token", token)], &headers).await);
    let headers = [("content-type", "application/json")];
    let json = Some(json!({ "access_token": token }).to_string());
    invalid(server.visitor().send(reqwest::Method::POST, "/api/oidc/userinfo", json, &headers).await);
    // Which of two counts is not for us to choose: a gateway may have looked at the other.
    for pairs in [[("access_token", token), ("access_token", "x")], [("access_token", "x"), ("access_token", token)]] {
        invalid(server.visitor().form("/api/oidc/userinfo", &pairs).await);
    }
    for second in ["Bearer x", "Basic eDp5", &header] {
        let headers = [("authorization", header.as_str()), ("authorization", second)];
        invalid(server.visitor().send(reqwest::Method::GET, "/api/oidc/userinfo", None, &headers).await);
    }
}

#[tokio::test]
async fn ui04_a_token_dies_with_the_session_on_every_node_at_once() {
    let (server, mut ada, _wiki, tokens) = setting("openid").await;
    let second = server.second().await;
    userinfo(&second, text(&tokens, "access_token")).await.expect(200);

    ada.visitor.post("/api/webauthn/logout", &json!({})).await.expect(204);

    for node in [&server, &second] {
        assert_invalid_token(&userinfo(node, text(&tokens, "access_token")).await);
    }
}

#[tokio::test]
async fn c43_c44_claims_have_their_types_and_the_changed_ones_change() {
    let (server, ada, _wiki, tokens) = setting("openid profile email groups").await;
    let mut admin = server.admin.clone();
    let claims = json!([{ "key": "quota", "value": "42" }, { "key": "roles", "value": "[\"a\",\"b\"]" }]);
    let put = reqwest::Method::PUT;
    admin.json(put.clone(), &format!("/api/custom-claims/user/{}", ada.id), &claims).await.expect(200);

    let told = userinfo(&server, text(&tokens, "access_token")).await.expect(200).json();

    assert_eq!(told["quota"], 42);
    assert_eq!(told["roles"], json!(["a", "b"]));
    assert!(told["updated_at"].is_i64());
    assert_eq!(told["groups"], json!([]));
    assert!(told.as_object().unwrap().values().all(|value| !value.is_null()));
    let mut user = admin.get(&format!("/api/users/{}", ada.id)).await.json();
    user["email"] = Value::Null;
    admin.json(put, &format!("/api/users/{}", ada.id), &user).await.expect(200);
    let told = userinfo(&server, text(&tokens, "access_token")).await.expect(200).json();
    assert_eq!((told.get("email"), told.get("email_verified")), (None, None));
}

#[tokio::test]
async fn ir01_ir02_only_the_token_s_own_confidential_client_learns_anything() {
    let (server, ada, wiki, tokens) = setting("openid email offline_access").await;
    let other = server.client(&json!({ "name": "Other" })).await;
    let public = server.client(&json!({ "isPublic": true })).await;
    let access = text(&tokens, "access_token");

    let told = wiki.introspect(&server, access).await;
    assert_eq!(told["active"], true);
    assert_eq!(told["sub"], ada.id);
    assert_eq!(told["client_id"], wiki.id.as_str());
    assert_eq!(told["scope"], "openid email offline_access");
    let told = wiki.introspect(&server, text(&tokens, "refresh_token")).await;
    assert_eq!(told["token_type"], "refresh_token");
    for token in [access, text(&tokens, "refresh_token"), text(&tokens, "id_token"), "garbage"] {
        assert_eq!(other.introspect(&server, token).await, json!({ "active": false }));
    }
    assert_eq!(wiki.introspect(&server, text(&tokens, "id_token")).await, json!({ "active": false }));
    server.visitor().form("/api/oidc/introspect", &[("token", access)]).await.expect(401);
    let pairs = [("token", access), ("client_id", public.id.as_str())];
    server.visitor().form("/api/oidc/introspect", &pairs).await.expect(401);
}

#[tokio::test]
async fn ir05_a_token_that_is_revoked_again_and_again_is_revoked_once() {
    let (server, _ada, wiki, tokens) = setting("openid").await;
    let access = text(&tokens, "access_token");

    for _ in 0..3 {
        post(&server, &wiki, "/api/oidc/revoke", &[("token", access)]).await.expect(200);
    }

    let events = server.app.store.feed().read(0, 1000).await.unwrap();
    let revoked = events.iter().filter(|recorded| recorded.event.name() == "grant.token_revoked");
    assert_eq!(revoked.count(), 1);
}

#[tokio::test]
async fn ui02_introspection_tells_no_more_of_a_person_than_was_allowed() {
    let (server, mut ada, wiki, tokens) = setting("openid email").await;
    assert_eq!(wiki.introspect(&server, text(&tokens, "access_token")).await.get("username"), None);

    let by_name = ("claims", r#"{"userinfo": {"preferred_username": null}}"#);
    for more in [&[("scope", "openid profile")][..], &[("scope", "openid"), by_name]] {
        let code = ada.authorize(&wiki, more).await.expect(303).parameter("code").unwrap();
        let tokens = wiki.redeem(&server, &code).await.expect(200).json();
        assert_eq!(wiki.introspect(&server, text(&tokens, "access_token")).await["username"], "ada", "{more:?}");
    }
}

#[tokio::test]
async fn ir04_hints_change_nothing_and_strangers_revoke_nothing() {
    let (server, _ada, wiki, tokens) = setting("openid offline_access").await;
    let other = server.client(&json!({ "name": "Other" })).await;
    let access = text(&tokens, "access_token");

    for hint in ["refresh_token", "access_token", "nonsense"] {
        let told = post(&server, &wiki, "/api/oidc/introspect", &[("token", access), ("token_type_hint", hint)]).await;
        assert_eq!(told.json()["active"], true, "{hint}");
    }
    for token in [access, text(&tokens, "refresh_token")] {
        post(&server, &other, "/api/oidc/revoke", &[("token", token)]).await.expect(400);
        assert_eq!(wiki.introspect(&server, token).await["active"], true);
    }
    post(&server, &wiki, "/api/oidc/revoke", &[("token", "unknown")]).await.expect(200);
}

#[tokio::test]
async fn ir05_a_refresh_token_takes_its_grant_with_it_and_an_access_token_goes_alone() {
    let (server, _ada, wiki, tokens) = setting("openid offline_access").await;
    let second = server.second().await;
    let refreshed = wiki.refresh(&server, text(&tokens, "refresh_token")).await.expect(200).json();

    post(&server, &wiki, "/api/oidc/revoke", &[("token", text(&tokens, "access_token"))]).await.expect(200);
    assert_invalid_token(&userinfo(&second, text(&tokens, "access_token")).await);
    userinfo(&second, text(&refreshed, "access_token")).await.expect(200);

    post(&server, &wiki, "/api/oidc/revoke", &[("token", text(&refreshed, "refresh_token"))]).await.expect(200);
    for node in [&server, &second] {
        assert_invalid_token(&userinfo(node, text(&refreshed, "access_token")).await);
        wiki.refresh(node, text(&refreshed, "refresh_token")).await.expect(400);
    }
}
