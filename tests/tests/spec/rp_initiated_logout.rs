//! OpenID Connect RP-Initiated Logout 1.0; attacks ES, conformance 47 to 52.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::signing_algorithm::SigningAlgorithm;
use chancery_tests::node::{Client, Person};
use chancery_tests::server::Server;
use serde_json::{Value, json};

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

    // From a page of the same site: cookies go along.
    let headers = [("origin", "http://localhost:8000")];
    let answer = ada.visitor.form_with("/api/oidc/end-session", &pairs, &headers).await.expect(303);

    assert_eq!(answer.header("location"), "https://wiki.example/bye");
    assert!(!signed_in(&mut ada).await);
}

#[tokio::test]
async fn c47_what_another_site_posts_without_our_cookies_comes_again_with_them() {
    let (server, mut ada, _wiki, hint) = setting().await;
    let pairs =
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://wiki.example/bye"), ("state", "s 1")];
    let headers = [("origin", "https://wiki.example"), ("sec-fetch-site", "cross-site")];

    // SameSite=Lax: a post from another site brings no cookie, and must not be taken for one of nobody.
    let again = server.visitor().form_with("/api/oidc/end-session", &pairs, &headers).await.expect(303);

    assert_eq!(again.header("location"), path(&pairs));
    assert!(signed_in(&mut ada).await);
    let answer = ada.visitor.get(again.header("location")).await.expect(303);
    assert_eq!(answer.header("location"), "https://wiki.example/bye?state=s+1");
    assert!(!signed_in(&mut ada).await);
    // And whoever has no session at all is not sent round in circles.
    let answer = server.visitor().get(again.header("location")).await.expect(303);
    assert_eq!(answer.header("location"), "https://wiki.example/bye?state=s+1");
}

#[tokio::test]
async fn c47_where_a_posted_hint_is_too_long_for_an_address_the_person_is_asked() {
    let (server, mut ada, wiki, _hint) = setting().await;
    let long = "x".repeat(8_000);
    let pairs = [("id_token_hint", long.as_str()), ("client_id", wiki.id.as_str()), ("state", "s1")];

    let again = server.visitor().form("/api/oidc/end-session", &pairs).await.expect(303);

    assert_eq!(again.header("location"), path(&pairs[1..]));
    let asked = ada.visitor.get(again.header("location")).await.expect(200);
    assert!(asked.text.contains("id=\"confirm\""), "{}", asked.text);
}

#[tokio::test]
async fn c51_with_a_hint_alone_the_session_ends_and_a_page_says_so() {
    let (_server, mut ada, _wiki, hint) = setting().await;

    let answer = ada.visitor.get(&path(&[("id_token_hint", hint.as_str()), ("state", "s1")])).await.expect(200);

    assert!(answer.text.contains("id=\"signed-out\""), "{}", answer.text);
    assert!(answer.headers.get("location").is_none());
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
    // The very claims of the true one, and the same said by somebody else's server.
    let claims = hint.split('.').nth(1).unwrap();
    let unsigned = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#));
    let other = Server::start().await;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let foreign = other.app.keyring.sign(SigningAlgorithm::RS256, "JWT", &claims).unwrap();
    let registered = ("post_logout_redirect_uri", "https://wiki.example/bye");

    for pairs in [
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://wiki.example/bye?x=1")],
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://evil.example/")],
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "javascript:alert(1)")],
        [("id_token_hint", unsigned.as_str()), registered],
        [("id_token_hint", foreign.as_str()), registered],
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
    assert!(asked.header("content-security-policy").contains("form-action 'self';"));
    assert!(signed_in(&mut ada).await);
    let answer = ada.visitor.form("/sign-out", &pairs).await.expect(200);

    assert_eq!(answer.location().as_str(), "https://wiki.example/bye?state=s1");
    assert!(!signed_in(&mut ada).await);
    let nobody = server.visitor().get(&path(&pairs)).await.expect(200);
    assert!(nobody.text.contains("id=\"signed-out\""), "whoever is not asked is sent nowhere");
}

#[tokio::test]
async fn s2_a_hint_that_was_issued_in_another_session_ends_this_one_only_when_the_person_says_so() {
    let (server, mut ada, wiki, hint) = setting().await;
    let mut elsewhere = Person { visitor: server.visitor(), ..ada.clone() };
    elsewhere.sign_in().await.expect(200);
    let bye = ("post_logout_redirect_uri", "https://wiki.example/bye");

    // §2: "If the ID Token's sid claim does not correspond to the RP's current session … the OP SHOULD treat the logout
    // request as suspect".
    let asked = elsewhere.visitor.get(&path(&[("id_token_hint", &hint), bye, ("state", "s1")])).await.expect(200);

    assert!(asked.text.contains("id=\"confirm\""), "{}", asked.text);
    assert!(signed_in(&mut elsewhere).await && signed_in(&mut ada).await);
    let members = [("client_id", wiki.id.as_str()), bye, ("state", "s1")];
    for (name, value) in members {
        assert!(asked.text.contains(&format!("name=\"{name}\" value=\"{value}\"")), "{name}: {}", asked.text);
    }
    let answer = elsewhere.visitor.form("/sign-out", &members).await.expect(200);
    assert_eq!(answer.location().as_str(), "https://wiki.example/bye?state=s1");
    assert!(!signed_in(&mut elsewhere).await);
    assert!(signed_in(&mut ada).await, "the session of the hint goes on: nobody there was asked");
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

#[tokio::test]
async fn s2_a_hint_that_was_issued_to_another_app_than_the_one_named_is_none() {
    let (server, mut ada, wiki, hint) = setting().await;
    let notes = server.client(&json!({ "name": "Notes" })).await;
    let registered = ("post_logout_redirect_uri", "https://wiki.example/bye");

    // §2: "the OP MUST verify that the Client Identifier matches".
    for other in [notes.id.as_str(), "nobody", "no id!"] {
        let pairs = [("id_token_hint", hint.as_str()), ("client_id", other)];
        let asked = ada.visitor.get(&path(&pairs)).await.expect(200);
        assert!(asked.text.contains("id=\"confirm\""), "{other}");
        let answer = ada.visitor.get(&path(&[pairs[0], pairs[1], registered])).await.expect(400);
        assert!(answer.headers.get("location").is_none(), "{other}");
        assert!(signed_in(&mut ada).await, "{other}");
    }
    ada.visitor.get(&path(&[("id_token_hint", &hint), ("client_id", &wiki.id), registered])).await.expect(303);
    assert!(!signed_in(&mut ada).await);
}
