//! What an authorization request may say, and what comes of it: OpenID Connect Core §3.1.2.1, §5.5; conformance 12 to 25.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_tests::node::{Client, Person, userinfo};
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

async fn setting() -> (Server, Person, Client) {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    (server, ada, wiki)
}

fn claims(tokens: &Value) -> Value {
    let body = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

/// What the app gets for a request that asks for this beside the usual.
async fn tokens(server: &Server, ada: &mut Person, client: &Client, more: &[(&str, &str)]) -> Value {
    let code = ada.authorize(client, more).await.expect(303).parameter("code").expect("a code");
    client.redeem(server, &code).await.expect(200).json()
}

/// The same request with its parameters in the opposite order.
fn reversed(path: &str) -> String {
    let url = url::Url::parse("http://localhost").unwrap().join(path).unwrap();
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    pairs.reverse();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("/authorize?{query}")
}

#[tokio::test]
async fn c12_c13_neither_order_nor_unknown_parameters_matter() {
    let (server, mut ada, wiki) = setting().await;
    ada.authorize(&wiki, &[]).await.expect(303);

    let other_order = reversed(&wiki.authorize(&[("scope", "email profile openid"), ("extra", "foobar")]));
    let code = ada.visitor.get(&other_order).await.expect(303).parameter("code").unwrap();

    assert_eq!(wiki.redeem(&server, &code).await.expect(200).json()["scope"], "openid profile email");
}

#[tokio::test]
async fn c16_errors_carry_the_state_whole_the_issuer_and_nothing_else() {
    let (server, mut ada, wiki) = setting().await;
    let state = "s".repeat(128);
    let discovery = server.visitor().get("/.well-known/openid-configuration").await.json();

    for ask in [
        ("response_type", "token"),
        ("response_type", ""),
        ("scope", "profile"),
        ("request", "x"),
        ("prompt", "none login"),
        ("prompt", "none"),
        ("max_age", "x"),
    ] {
        let answer = ada.visitor.get(&wiki.authorize(&[ask, ("state", &state)])).await.expect(303);
        let location = answer.location();
        let mut names: Vec<_> = location.query_pairs().map(|(name, _)| name.into_owned()).collect();
        names.sort_unstable();
        assert_eq!(names, ["error", "error_description", "iss", "state"], "{ask:?}");
        assert_eq!(answer.parameter("state"), Some(state.clone()));
        assert_eq!(answer.parameter("iss").as_deref(), discovery["issuer"].as_str());
        let description = answer.parameter("error_description").unwrap();
        assert!(description.bytes().all(|c| matches!(c, 0x20..=0x7E) && c != b'"' && c != b'\\'), "{description}");
    }
    let answer = ada.visitor.get(&wiki.authorize(&[("response_type", "token"), ("state", "")])).await.expect(303);
    assert_eq!(answer.parameter("state"), None, "none came, none goes back");
}

#[tokio::test]
async fn c17_a_nonce_may_be_left_out_and_comes_back_unchanged() {
    let (server, mut ada, wiki) = setting().await;

    assert_eq!(claims(&tokens(&server, &mut ada, &wiki, &[("nonce", "")]).await).get("nonce"), None);
    for nonce in ["n".repeat(384), "a \"b\" +/=&%20 ü".to_owned()] {
        let tokens = tokens(&server, &mut ada, &wiki, &[("nonce", &nonce)]).await;
        assert_eq!(claims(&tokens)["nonce"], nonce.as_str());
    }
}

#[tokio::test]
async fn c18_wishes_about_pages_and_languages_do_no_harm() {
    let (_server, mut ada, wiki) = setting().await;
    ada.authorize(&wiki, &[]).await.expect(303);

    for wish in [
        ("display", "page"),
        ("display", "popup"),
        ("display", "touch"),
        ("display", "hologram"),
        ("ui_locales", "se de fr-CA"),
        ("claims_locales", "x-no-language"),
        ("login_hint", "ada"),
        ("login_hint", "somebody.else@example.org"),
    ] {
        let answer = ada.visitor.get(&wiki.authorize(&[wish])).await.expect(303);
        assert!(answer.parameter("code").is_some(), "{wish:?}");
    }
}

#[tokio::test]
async fn c19_c23_a_silent_request_tells_of_the_same_sign_in() {
    let (server, mut ada, wiki) = setting().await;
    let first = tokens(&server, &mut ada, &wiki, &[]).await;
    server.later(Duration::minutes(3));

    let hint = first["id_token"].as_str().unwrap();
    for more in [&[("prompt", "none")][..], &[("prompt", "none"), ("id_token_hint", hint)]] {
        let code = ada.visitor.get(&wiki.authorize(more)).await.expect(303).parameter("code").expect("no question");
        let again = wiki.redeem(&server, &code).await.expect(200).json();
        for same in ["sub", "auth_time", "sid", "acr"] {
            assert_eq!(claims(&again)[same], claims(&first)[same], "{same}");
        }
    }
}

#[tokio::test]
async fn c20_c22_a_new_ceremony_moves_the_time_of_authentication() {
    let (server, mut ada, wiki) = setting().await;
    let auth_time = |tokens: &Value| claims(tokens)["auth_time"].as_i64().expect("auth_time");
    let first = auth_time(&tokens(&server, &mut ada, &wiki, &[("max_age", "10000")]).await);
    server.later(Duration::seconds(2));
    assert_eq!(auth_time(&tokens(&server, &mut ada, &wiki, &[("max_age", "10000")]).await), first);

    for ask in [("prompt", "login"), ("max_age", "1")] {
        server.later(Duration::seconds(2));
        let sent = ada.visitor.get(&wiki.authorize(&[ask])).await.expect(303);
        assert_eq!(sent.location().path(), "/reauthenticate", "{ask:?}");
        server.later(Duration::seconds(1));
        ada.step_up().await.expect(204);
        let resumed = ada.visitor.get(&format!("/authorize?{}", sent.location().query().unwrap())).await.expect(303);
        let tokens = wiki.redeem(&server, &resumed.parameter("code").unwrap()).await.expect(200).json();
        assert_eq!(auth_time(&tokens), server.app.now().unix_timestamp(), "{ask:?}");
        assert!(auth_time(&tokens) > first);
    }
}

#[tokio::test]
async fn c24_whatever_acr_is_wished_for_the_token_tells_the_true_one() {
    let (server, mut ada, wiki) = setting().await;

    for wish in ["phr", "phrh phr", "1 2", "urn:mace:incommon:iap:silver"] {
        let tokens = tokens(&server, &mut ada, &wiki, &[("acr_values", wish)]).await;
        assert_eq!(claims(&tokens)["acr"], "phr", "{wish}");
    }
}

#[tokio::test]
async fn c25_a_claim_asked_for_by_name_is_consented_to_and_released() {
    let (server, mut ada, wiki) = setting().await;
    ada.authorize(&wiki, &[("scope", "openid")]).await.expect(303);
    let name = r#"{"userinfo": {"name": {"essential": true}, "acr": null}}"#;
    let ask = [("scope", "openid"), ("claims", name)];

    let asked = ada.visitor.get(&wiki.authorize(&ask)).await.expect(303);
    assert_eq!(asked.location().path(), "/consent", "the scope alone was allowed");
    let sheet = ada.visitor.get(asked.header("location")).await.expect(200);
    assert!(sheet.text.contains("Ada Lindqvist"), "the value is shown");
    let silent = [ask[0], ask[1], ("prompt", "none")];
    let answer = ada.visitor.get(&wiki.authorize(&silent)).await.expect(303);
    assert_eq!(answer.parameter("error").as_deref(), Some("consent_required"));

    let tokens = tokens(&server, &mut ada, &wiki, &ask).await;
    let told = userinfo(&server, tokens["access_token"].as_str().unwrap()).await.expect(200).json();
    assert_eq!(told, json!({ "sub": ada.id, "name": "Ada Lindqvist" }), "that claim, and none beside it");
    for malformed in ["{", "[]", "7", r#"{"userinfo": 7}"#] {
        let more = [("scope", "openid"), ("claims", malformed), ("prompt", "none")];
        let answer = ada.visitor.get(&wiki.authorize(&more)).await.expect(303);
        assert!(answer.parameter("code").is_some(), "{malformed} asks for nothing");
    }
}

#[tokio::test]
async fn c25_a_subject_that_is_asked_for_is_told_or_nobody_is() {
    let (server, mut ada, wiki) = setting().await;
    let bob = server.person("bob").await;
    ada.authorize(&wiki, &[]).await.expect(303);
    let asking = |id: &str| json!({ "id_token": { "sub": { "value": id } } }).to_string();

    let claims_of_bob = asking(&bob.id);
    let silent = [("claims", claims_of_bob.as_str()), ("prompt", "none")];
    let answer = ada.visitor.get(&wiki.authorize(&silent)).await.expect(303);
    assert_eq!(answer.parameter("error").as_deref(), Some("login_required"), "OpenID Connect Core §3.1.2.2");
    let asked = ada.visitor.get(&wiki.authorize(&silent[..1])).await.expect(303);
    assert_eq!(asked.location().path(), "/login");

    let claims_of_ada = asking(&ada.id);
    let own = tokens(&server, &mut ada, &wiki, &[("claims", &claims_of_ada)]).await;
    assert_eq!(claims(&own)["sub"], ada.id);
}

#[tokio::test]
async fn az11_a_scope_of_fifty_thousand_characters_is_refused_unread() {
    let (_server, mut ada, wiki) = setting().await;
    let url = url::Url::parse("http://localhost").unwrap().join(&wiki.authorize(&[])).unwrap();
    let scope = "openid ".repeat(7_200);
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(name, _)| name != "scope").collect();
    pairs.push(("scope".into(), scope));
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();

    let answer = ada.visitor.form("/authorize", &pairs).await.expect(303);

    assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
    assert_eq!(answer.parameter("code"), None);
}

#[tokio::test]
async fn un03_text_that_no_database_takes_is_an_invalid_request() {
    let (server, mut ada, wiki) = setting().await;
    ada.authorize(&wiki, &[]).await.expect(303);

    for name in ["state", "nonce", "login_hint", "id_token_hint", "acr_values", "claims", "extra"] {
        let path = wiki.authorize(&[(name, "a\0b")]);
        // Whether the answer is there at once, or the request has to wait for somebody to sign in.
        for visitor in [&mut ada.visitor, &mut server.visitor()] {
            let answer = visitor.get(&path).await.expect(303);
            assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{name}");
        }
    }
    for claims in [
        r#"{"userinfo": {"a\u0000b": null}}"#,
        r#"{"id_token": {"acr": {"essential": true, "values": ["phr", "a\u0000b"]}}}"#,
    ] {
        let answer = server.visitor().get(&wiki.authorize(&[("claims", claims)])).await.expect(303);
        assert_eq!(answer.location().path(), "/login", "{claims} asks for nothing");
    }
}

#[tokio::test]
async fn az16_a_mere_look_issues_no_code_and_ends_no_session() {
    let (server, mut ada, wiki) = setting().await;
    let hint = tokens(&server, &mut ada, &wiki, &[]).await["id_token"].as_str().unwrap().to_owned();
    let before = server.app.store.feed().head().await.unwrap();

    let sign_out = format!("/api/oidc/end-session?id_token_hint={hint}");
    for path in [&wiki.authorize(&[]), &sign_out] {
        let answer = ada.visitor.send(Method::HEAD, path, None, &[]).await.expect(405);
        assert_eq!(answer.header("allow"), "GET, POST", "RFC 9110 §15.5.6: {path}");
    }

    assert_eq!(server.app.store.feed().head().await.unwrap(), before);
    ada.visitor.get("/api/users/me").await.expect(200);
}
