//! Refresh tokens: RFC 6749 §6, RFC 9700 §4.14, OpenID Connect Core §12; attacks RT, conformance 40.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_tests::node::{Client, Person, userinfo};
use chancery_tests::server::Server;
use chancery_tests::visitor::Answer;
use serde_json::{Value, json};
use time::Duration;

async fn setting() -> (Server, Person, Client, Value) {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let tokens = tokens(&server, &mut ada, &wiki).await;
    (server, ada, wiki, tokens)
}

async fn tokens(server: &Server, ada: &mut Person, client: &Client) -> Value {
    let scope = ("scope", "openid email offline_access");
    let code = ada.authorize(client, &[scope]).await.expect(303).parameter("code").unwrap();
    client.redeem(server, &code).await.expect(200).json()
}

fn refresh_token(tokens: &Value) -> &str {
    tokens["refresh_token"].as_str().expect("a refresh token")
}

#[track_caller]
fn assert_invalid(answer: &Answer) {
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(answer.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn c40_a_refresh_gives_a_new_id_token_about_the_same_authentication() {
    let (server, _ada, wiki, tokens) = setting().await;
    server.later(Duration::minutes(10));

    let refreshed = wiki.refresh(&server, refresh_token(&tokens)).await.expect(200).json();

    let claims = |token: &Value| -> Value {
        let body = token.as_str().unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
    };
    let (before, after) = (claims(&tokens["id_token"]), claims(&refreshed["id_token"]));
    for same in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(before["nonce"], "the-nonce");
    assert_eq!(after.get("nonce"), None, "OpenID Connect Core §12.2: it belongs to the authorization request");
    assert_ne!(before["iat"], after["iat"]);
    assert_eq!(refreshed["scope"], "openid email offline_access");
}

#[tokio::test]
async fn rt01_a_rotated_token_that_comes_back_ends_the_family() {
    let (server, _ada, wiki, first) = setting().await;
    let second = wiki.refresh(&server, refresh_token(&first)).await.expect(200).json();
    server.later(Duration::seconds(31));

    assert_invalid(&wiki.refresh(&server, refresh_token(&first)).await);

    assert_invalid(&wiki.refresh(&server, refresh_token(&second)).await);
    userinfo(&server, second["access_token"].as_str().unwrap()).await.expect(401);
    let node = server.second().await;
    assert_invalid(&wiki.refresh(&node, refresh_token(&second)).await);
    let events = server.app.store.feed().read(0, 1000).await.unwrap();
    assert!(events.iter().any(|recorded| recorded.event.name() == "grant.refresh_reuse_detected"));
}

#[tokio::test]
async fn rt01_an_old_generation_is_recognized_however_long_ago_it_was_rotated() {
    let (server, _ada, wiki, first) = setting().await;
    let second = wiki.refresh(&server, refresh_token(&first)).await.expect(200).json();
    let third = wiki.refresh(&server, refresh_token(&second)).await.expect(200).json();

    assert_invalid(&wiki.refresh(&server, refresh_token(&first)).await);

    assert_invalid(&wiki.refresh(&server, refresh_token(&third)).await);
}

#[tokio::test]
async fn rt02_rt08_parallel_or_repeated_refreshes_get_the_same_successor() {
    let (server, _ada, wiki, first) = setting().await;
    let second = std::sync::Arc::new(server.second().await);
    let server = std::sync::Arc::new(server);

    let mut tries = Vec::new();
    for n in 0..20 {
        let node = if n % 2 == 0 { server.clone() } else { second.clone() };
        let (wiki, token) = (wiki.clone(), refresh_token(&first).to_owned());
        tries.push(tokio::spawn(async move { wiki.refresh(&node, &token).await.expect(200).json() }));
    }
    let mut successors = Vec::new();
    for attempt in tries {
        successors.push(attempt.await.unwrap()["refresh_token"].as_str().unwrap().to_owned());
    }

    successors.dedup();
    assert_eq!(successors.len(), 1, "one live tip");
    wiki.refresh(&server, &successors[0]).await.expect(200);
}

#[tokio::test]
async fn rt04_another_client_can_neither_use_nor_hurt_the_family() {
    let (server, _ada, wiki, tokens) = setting().await;
    let other = server.client(&json!({ "name": "Other" })).await;

    assert_invalid(&other.refresh(&server, refresh_token(&tokens)).await);

    wiki.refresh(&server, refresh_token(&tokens)).await.expect(200);
}

#[tokio::test]
async fn rt05_a_disabled_person_gets_nothing_and_enabling_revives_nothing() {
    let (server, ada, wiki, tokens) = setting().await;
    let mut admin = server.admin.clone();
    let path = format!("/api/users/{}", ada.id);
    let mut user = admin.get(&path).await.json();

    user["disabled"] = json!(true);
    admin.json(reqwest::Method::PUT, &path, &user).await.expect(200);
    assert_invalid(&wiki.refresh(&server, refresh_token(&tokens)).await);

    user["disabled"] = json!(false);
    admin.json(reqwest::Method::PUT, &path, &user).await.expect(200);
    assert_invalid(&wiki.refresh(&server, refresh_token(&tokens)).await);
}

#[tokio::test]
async fn rt05_a_deleted_client_and_a_deleted_person_end_their_grants() {
    let (server, mut ada, wiki, of_wiki) = setting().await;
    let mut admin = server.admin.clone();
    let notes = server.client(&json!({ "name": "Notes" })).await;
    let of_notes = tokens(&server, &mut ada, &notes).await;

    admin.send(reqwest::Method::DELETE, &format!("/api/oidc/clients/{}", notes.id), None, &[]).await.expect(204);
    let answer = notes.refresh(&server, refresh_token(&of_notes)).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")));

    admin.send(reqwest::Method::DELETE, &format!("/api/users/{}", ada.id), None, &[]).await.expect(204);
    assert_invalid(&wiki.refresh(&server, refresh_token(&of_wiki)).await);
}

#[tokio::test]
async fn rt06_a_scope_may_be_narrowed_and_never_widened() {
    let (server, _ada, wiki, tokens) = setting().await;
    let with_scope = |token: &str, scope: &str| {
        let pairs = [
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("refresh_token".to_owned(), token.to_owned()),
            ("scope".to_owned(), scope.to_owned()),
        ];
        let (server, wiki) = (&server, &wiki);
        async move {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            wiki.token(server, &pairs).await
        }
    };

    for wider in ["openid profile", "admin"] {
        let refused = with_scope(refresh_token(&tokens), wider).await.expect(400);
        assert_eq!(refused.json()["error"], "invalid_scope", "{wider}");
    }
    let narrower = with_scope(refresh_token(&tokens), "openid").await.expect(200).json();
    assert_eq!(narrower["scope"], "openid");
    let claims = userinfo(&server, narrower["access_token"].as_str().unwrap()).await.expect(200).json();
    assert_eq!(claims.get("email"), None);
    let whole = wiki.refresh(&server, refresh_token(&narrower)).await.expect(200).json();
    assert_eq!(whole["scope"], "openid email offline_access");
}

#[tokio::test]
async fn rt07_no_use_outlasts_the_absolute_end() {
    let (server, _ada, wiki, mut tokens) = setting().await;

    for _ in 0..29 {
        server.later(Duration::days(1));
        tokens = wiki.refresh(&server, refresh_token(&tokens)).await.expect(200).json();
    }
    server.later(Duration::days(1));

    assert_invalid(&wiki.refresh(&server, refresh_token(&tokens)).await);
}

#[tokio::test]
async fn offline_access_outlives_the_session_and_signing_out_everywhere_does_not_spare_it() {
    let (server, mut ada, wiki, tokens) = setting().await;

    ada.visitor.post("/api/webauthn/logout", &json!({})).await.expect(204);
    let tokens = wiki.refresh(&server, refresh_token(&tokens)).await.expect(200).json();

    ada.sign_in().await.expect(200);
    ada.visitor.post("/api/sessions/end-all", &json!({})).await.expect(204);
    assert_invalid(&wiki.refresh(&server, refresh_token(&tokens)).await);
    ada.visitor.get("/api/users/me").await.expect(401);
}

#[tokio::test]
async fn rt02_a_refresh_on_a_node_that_remembers_the_grant_from_before_the_tokens_works() {
    let server = Server::start().await;
    let second = server.second().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    // The node that issued the code remembers it as unused; the other one redeems it.
    let code = ada.authorize(&wiki, &[("scope", "openid offline_access")]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&second, &code).await.expect(200).json();

    wiki.refresh(&server, refresh_token(&tokens)).await.expect(200);
}

#[tokio::test]
async fn rt06_a_narrowed_token_counts_after_the_session_as_the_whole_one_does() {
    let (server, mut ada, wiki, tokens) = setting().await;
    ada.visitor.post("/api/webauthn/logout", &json!({})).await.expect(204);

    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens)), ("scope", "openid email")];
    let narrower = wiki.token(&server, &pairs).await.expect(200).json();

    assert_eq!(narrower["scope"], "openid email");
    let access = narrower["access_token"].as_str().unwrap();
    assert_eq!(userinfo(&server, access).await.expect(200).json()["email"], "ada@example.org");
    assert_eq!(wiki.introspect(&server, access).await["active"], true);
    ada.sign_in().await.expect(200);
    ada.visitor.post("/api/sessions/end-all", &json!({})).await.expect(204);
    userinfo(&server, access).await.expect(401);
}
