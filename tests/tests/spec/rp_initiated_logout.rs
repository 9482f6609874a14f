//! OpenID Connect RP-Initiated Logout 1.0; attacks ES, conformance 47 to 52.

use chancery_tests::node::{Client, Person};
use chancery_tests::server::Server;
use serde_json::json;

async fn setting() -> (Server, Person, Client, String) {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let hint = tokens["id_token"].as_str().unwrap().to_owned();
    (server, ada, wiki, hint)
}

fn path(pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("/api/oidc/end-session?{query}")
}

async fn signed_in(ada: &mut Person) -> bool {
    ada.visitor.get("/api/users/me").await.status == 200
}

#[tokio::test]
async fn c48_to_c52_with_a_hint_and_a_registered_address_the_session_ends_and_the_app_gets_its_state() {
    let (server, mut ada, wiki, hint) = setting().await;
    server.later(time::Duration::days(1) - time::Duration::minutes(5));
    let pairs =
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://wiki.example/bye"), ("state", "s1")];
    let stale = ada.visitor.clone();

    let answer = ada.visitor.get(&path(&pairs)).await.expect(303);

    assert_eq!(answer.header("location"), "https://wiki.example/bye?state=s1");
    assert!(!signed_in(&mut ada).await);
    ada.visitor = stale;
    let second = server.second().await;
    ada.visitor.base = second.base.clone();
    assert!(!signed_in(&mut ada).await, "ES-04: the old cookie is dead on every node");
    let silent = ada.visitor.get(&wiki.authorize(&[("prompt", "none")])).await.expect(303);
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn c50_without_state_nothing_is_added_and_a_post_works_too() {
    let (_server, mut ada, _wiki, hint) = setting().await;
    let pairs = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://wiki.example/bye")];

    let answer = ada.visitor.form("/api/oidc/end-session", &pairs).await.expect(303);

    assert_eq!(answer.header("location"), "https://wiki.example/bye");
    assert!(!signed_in(&mut ada).await);
}

#[tokio::test]
async fn es01_without_a_hint_the_person_is_asked() {
    let (_server, mut ada, wiki, _hint) = setting().await;

    for pairs in [&[][..], &[("state", "s")], &[("client_id", wiki.id.as_str())]] {
        let answer = ada.visitor.get(&path(pairs)).await.expect(200);
        assert!(answer.text.contains("id=\"confirm\""));
        assert!(signed_in(&mut ada).await);
    }
    ada.visitor.form_with("/sign-out", &[], &[("origin", "https://evil.example")]).await.expect(403);
    assert!(signed_in(&mut ada).await);
    let answer = ada.visitor.form("/sign-out", &[]).await.expect(200);
    assert!(answer.text.contains("id=\"signed-out\""));
    assert!(!signed_in(&mut ada).await);
}

#[tokio::test]
async fn es02_nobody_is_sent_anywhere_on_a_stranger_s_word() {
    let (server, mut ada, _wiki, hint) = setting().await;
    let mut bob = server.person("bob").await;
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30.";
    let registered = ("post_logout_redirect_uri", "https://wiki.example/bye");

    for pairs in [
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://wiki.example/bye?x=1")],
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://evil.example/")],
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "javascript:alert(1)")],
        [("id_token_hint", unsigned), registered],
        [("state", "s"), registered],
    ] {
        let answer = ada.visitor.get(&path(&pairs)).await.expect(400);
        assert!(answer.headers.get("location").is_none(), "{pairs:?}");
        assert!(signed_in(&mut ada).await);
    }
    let answer = bob.visitor.get(&path(&[("id_token_hint", hint.as_str()), registered])).await.expect(200);
    assert!(answer.text.contains("id=\"confirm\""), "another person's hint ends nobody's session");
    assert!(signed_in(&mut bob).await);
}

#[tokio::test]
async fn s3_an_app_that_only_names_itself_is_returned_to_once_the_person_has_said_so() {
    let (server, mut ada, wiki, _hint) = setting().await;
    let pairs =
        [("client_id", wiki.id.as_str()), ("post_logout_redirect_uri", "https://wiki.example/bye"), ("state", "s1")];

    let asked = ada.visitor.get(&path(&pairs)).await.expect(200);
    assert!(asked.text.contains("id=\"confirm\""));
    assert!(asked.header("content-security-policy").contains("form-action 'self' https://wiki.example;"));
    assert!(signed_in(&mut ada).await);
    let answer = ada.visitor.form("/sign-out", &pairs).await.expect(303);

    assert_eq!(answer.header("location"), "https://wiki.example/bye?state=s1");
    assert!(!signed_in(&mut ada).await);
    let nobody = server.visitor().get(&path(&pairs)).await.expect(200);
    assert!(nobody.text.contains("id=\"signed-out\""), "whoever is not asked is sent nowhere");
}

#[tokio::test]
async fn es02_an_app_that_only_names_itself_has_no_other_address() {
    let (_server, mut ada, wiki, _hint) = setting().await;
    let elsewhere = ("post_logout_redirect_uri", "https://evil.example/");

    ada.visitor.get(&path(&[("client_id", wiki.id.as_str()), elsewhere])).await.expect(400);
    assert!(signed_in(&mut ada).await);
    let answer = ada.visitor.form("/sign-out", &[("client_id", wiki.id.as_str()), elsewhere]).await.expect(200);

    assert!(answer.text.contains("id=\"signed-out\""));
}
