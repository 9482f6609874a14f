//! The authorization endpoint: RFC 6749 §3.1 and §4.1, OpenID Connect Core §3.1.2, RFC 9207; attacks AZ, conformance 11 to
//! 31.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_tests::node::{Client, Person};
use chancery_tests::server::Server;
use chancery_tests::visitor::Answer;
use serde_json::{Value, json};
use time::Duration;

async fn setting() -> (Server, Person, Client) {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    (server, ada, wiki)
}

#[track_caller]
fn assert_redirected(answer: &Answer, server: &Server, error: &str) {
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_told(answer, server, error);
}

#[track_caller]
fn assert_told(answer: &Answer, server: &Server, error: &str) {
    assert!(answer.location().as_str().starts_with("https://wiki.example/cb?"), "{}", answer.location());
    assert_eq!(answer.parameter("error").as_deref(), Some(error));
    assert_eq!(answer.parameter("state").as_deref(), Some("the-state"));
    assert_eq!(answer.parameter("iss").as_deref(), Some(server.issuer()));
    assert_eq!(answer.parameter("code"), None);
}

#[track_caller]
fn assert_page(answer: &Answer) {
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(answer.headers.get("location").is_none());
    assert!(answer.header("content-type").starts_with("text/html"));
    assert!(answer.text.contains("id=\"error\""), "{}", answer.text);
}

/// The value of a hidden member of a form, as a browser reads it.
fn member(answer: &Answer, name: &str) -> String {
    let begins = format!("name=\"{name}\" value=\"");
    let (_, rest) = answer.text.split_once(&begins).unwrap_or_else(|| panic!("no {name} in {}", answer.text));
    let escaped = rest.split('"').next().unwrap();
    let characters = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    characters.iter().fold(escaped.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[tokio::test]
async fn az01_an_unknown_client_gets_a_page_and_nobody_is_redirected() {
    let (_server, mut ada, wiki) = setting().await;

    for client_id in ["nobody", "", "a\u{0}b", "../../etc"] {
        assert_page(&ada.visitor.get(&wiki.authorize(&[("client_id", client_id)])).await);
    }
}

#[tokio::test]
async fn az02_an_unregistered_redirect_uri_is_never_told_anything() {
    let (server, mut ada, wiki) = setting().await;
    let evil = [("redirect_uri", "https://evil.example/cb"), ("prompt", "none")];

    assert_page(&server.visitor().get(&wiki.authorize(&evil)).await);
    assert_page(&ada.visitor.get(&wiki.authorize(&evil)).await);
}

#[tokio::test]
async fn az04_only_the_code_flow_is_offered() {
    let (server, mut ada, wiki) = setting().await;

    for response_type in ["token", "id_token", "code token", "code id_token", "none"] {
        let answer = ada.visitor.get(&wiki.authorize(&[("response_type", response_type)])).await;
        assert_redirected(&answer, &server, "unsupported_response_type");
    }
    let answer = ada.visitor.get(&wiki.authorize(&[("response_type", "")])).await;
    assert_redirected(&answer, &server, "invalid_request");
}

#[tokio::test]
async fn az06_success_carries_the_issuer_and_the_state_as_it_was() {
    let (server, mut ada, wiki) = setting().await;
    let state = "x".repeat(128);

    let answer = ada.authorize(&wiki, &[("state", &state)]).await.expect(303);

    assert_eq!(answer.parameter("iss").as_deref(), Some(server.issuer()));
    assert_eq!(answer.parameter("state"), Some(state));
    assert!(answer.parameter("code").unwrap().len() >= 43);
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
}

#[tokio::test]
async fn az07_prompt_login_and_max_age_zero_need_a_new_ceremony() {
    let (server, mut ada, wiki) = setting().await;
    ada.authorize(&wiki, &[]).await.expect(303);

    for ask in [("prompt", "login"), ("max_age", "0")] {
        server.later(Duration::minutes(1));
        let answer = ada.visitor.get(&wiki.authorize(&[ask])).await.expect(303);
        assert_eq!(answer.location().path(), "/reauthenticate", "{ask:?}");
        let resume = format!("/authorize?{}", answer.location().query().unwrap());
        // Coming back without the ceremony asks again.
        assert_eq!(ada.visitor.get(&resume).await.expect(303).location().path(), "/reauthenticate");

        server.later(Duration::seconds(1));
        ada.step_up().await.expect(204);

        assert!(ada.visitor.get(&resume).await.expect(303).parameter("code").is_some());
    }
}

#[tokio::test]
async fn az09_contradicting_or_malformed_demands_are_invalid_requests() {
    let (server, mut ada, wiki) = setting().await;

    for ask in [
        ("prompt", "none login"),
        ("prompt", "none consent"),
        ("prompt", "sometimes"),
        ("max_age", "-1"),
        ("max_age", "abc"),
        ("max_age", "1e9"),
        ("response_mode", "fragment"),
    ] {
        assert_redirected(&ada.visitor.get(&wiki.authorize(&[ask])).await, &server, "invalid_request");
    }
}

#[tokio::test]
async fn az10_request_objects_are_refused_and_never_fetched() {
    let (server, mut ada, wiki) = setting().await;

    let answer = ada.visitor.get(&wiki.authorize(&[("request", "eyJhbGciOiJub25lIn0.e30.")])).await;
    assert_redirected(&answer, &server, "request_not_supported");
    let canary = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let canary_uri = format!("http://{}/request.jwt", canary.local_addr().unwrap());
    let answer = ada.visitor.get(&wiki.authorize(&[("request_uri", &canary_uri)])).await;
    assert_redirected(&answer, &server, "request_uri_not_supported");
    for object in [("request", "eyJhbGciOiJub25lIn0.e30."), ("request_uri", &canary_uri)] {
        let evil = [object, ("redirect_uri", "https://evil.example/cb")];
        assert_page(&ada.visitor.get(&wiki.authorize(&evil)).await);
    }
    assert_eq!(canary.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody looked");
}

#[tokio::test]
async fn az11_a_scope_without_openid_or_of_absurd_size_is_invalid() {
    let (server, mut ada, wiki) = setting().await;

    for scope in ["profile", "", &"openid ".repeat(1_000)] {
        assert_redirected(&ada.visitor.get(&wiki.authorize(&[("scope", scope)])).await, &server, "invalid_scope");
    }
}

#[tokio::test]
async fn unknown_scopes_and_parameters_are_ignored() {
    let (_server, mut ada, wiki) = setting().await;

    let more =
        [("scope", "openid groups_claim teams"), ("extra", "foobar"), ("display", "popup"), ("ui_locales", "se")];
    let answer = ada.authorize(&wiki, &more).await.expect(303);

    assert!(answer.parameter("code").is_some());
}

#[tokio::test]
async fn az12_somebody_outside_the_allowed_groups_is_denied_with_or_without_a_session() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({ "isGroupRestricted": true })).await;

    assert_redirected(&ada.visitor.get(&wiki.authorize(&[])).await, &server, "access_denied");
    // Whether she has consented is not even asked.
    let silent = wiki.authorize(&[("prompt", "none")]);
    assert_redirected(&ada.visitor.get(&silent).await, &server, "access_denied");
    let mut elsewhere = Person { visitor: server.visitor(), ..ada.clone() };
    let asked = elsewhere.visitor.get(&wiki.authorize(&[])).await.expect(303);
    assert_eq!(asked.location().path(), "/login", "who it is must be known first");
    elsewhere.sign_in().await.expect(200);
    let resume = format!("/authorize?{}", asked.location().query().unwrap());
    assert_redirected(&elsewhere.visitor.get(&resume).await, &server, "access_denied");

    let mut admin = server.admin.clone();
    let group = json!({ "name": "editors", "friendlyName": "Editors" });
    let group = admin.post("/api/user-groups", &group).await.expect(201).json()["id"].clone();
    let put = reqwest::Method::PUT;
    let groups = json!({ "userGroupIds": [group] });
    admin.json(put.clone(), &format!("/api/oidc/clients/{}/allowed-user-groups", wiki.id), &groups).await.expect(200);
    assert_redirected(&ada.visitor.get(&wiki.authorize(&[])).await, &server, "access_denied");
    admin.json(put, &format!("/api/users/{}/user-groups", ada.id), &groups).await.expect(200);
    assert!(ada.authorize(&wiki, &[]).await.parameter("code").is_some());
}

#[tokio::test]
async fn az13_consent_is_for_a_person_an_app_and_scopes() {
    let (_server, mut ada, wiki) = setting().await;
    let asks = |answer: &Answer| answer.location().path() == "/consent";

    assert!(asks(&ada.visitor.get(&wiki.authorize(&[("scope", "openid")])).await));
    ada.authorize(&wiki, &[("scope", "openid")]).await.expect(303);
    assert!(!asks(&ada.visitor.get(&wiki.authorize(&[("scope", "openid")])).await), "it is remembered");
    assert!(asks(&ada.visitor.get(&wiki.authorize(&[("scope", "openid email")])).await), "a wider request asks again");
    assert!(asks(&ada.visitor.get(&wiki.authorize(&[("scope", "openid"), ("prompt", "consent")])).await));
}

#[tokio::test]
async fn az13_a_consent_that_another_site_posts_is_refused() {
    let (_server, mut ada, wiki) = setting().await;
    let answer = ada.visitor.get(&wiki.authorize(&[])).await.expect(303);
    let interaction = answer.parameter("interaction").unwrap();
    let form = [("interaction", interaction.as_str()), ("answer", "allow")];

    ada.visitor.form_with("/consent", &form, &[("origin", "https://evil.example")]).await.expect(403);
    ada.visitor.form_with("/consent", &form, &[("sec-fetch-site", "cross-site")]).await.expect(403);

    let resume = format!("/authorize?interaction={interaction}");
    assert_eq!(ada.visitor.get(&resume).await.expect(303).location().path(), "/consent");
}

#[tokio::test]
async fn c29_cancel_tells_the_app_and_ends_the_request() {
    let (server, mut ada, wiki) = setting().await;
    let interaction = ada.visitor.get(&wiki.authorize(&[])).await.parameter("interaction").unwrap();
    let form = [("interaction", interaction.as_str()), ("answer", "cancel")];

    assert_told(&ada.visitor.form("/consent", &form).await.expect(200), &server, "access_denied");

    assert_page(&ada.visitor.get(&format!("/authorize?interaction={interaction}")).await);
}

#[tokio::test]
async fn a_request_goes_on_only_in_the_browser_that_brought_it_and_once() {
    let (server, mut ada, wiki) = setting().await;
    let interaction = ada.visitor.get(&wiki.authorize(&[])).await.parameter("interaction").unwrap();
    let mut mallory = server.person("mallory").await;

    assert_page(&mallory.visitor.get(&format!("/authorize?interaction={interaction}")).await);

    let form = [("interaction", interaction.as_str()), ("answer", "allow")];
    let resume = format!("/authorize?interaction={interaction}");
    assert_eq!(ada.visitor.form("/consent", &form).await.expect(200).header("refresh"), format!("0; url={resume}"));
    assert!(ada.visitor.get(&resume).await.parameter("code").is_some());
    assert_page(&ada.visitor.get(&resume).await);
}

#[tokio::test]
async fn az15_a_hostile_state_comes_back_encoded_by_query_and_by_form() {
    let (_server, mut ada, wiki) = setting().await;

    let quoted = "\"'><script>alert(1)</script>&amp;&#34;\u{2028}";
    for state in [quoted, "a\r\nSet-Cookie: x=1", "🙂 ü", &"s".repeat(4_000)] {
        let answer = ada.authorize(&wiki, &[("state", state)]).await.expect(303);
        assert_eq!(answer.parameter("state").as_deref(), Some(state));
        assert!(answer.headers.get("set-cookie").is_none());

        let answer = ada.authorize(&wiki, &[("state", state), ("response_mode", "form_post")]).await.expect(200);
        assert!(!answer.text.contains("<script>alert"), "{}", answer.text);
        assert_eq!(member(&answer, "state"), state);
    }
    let answer = ada.visitor.get(&wiki.authorize(&[("state", &"s".repeat(4_097))])).await.expect(303);
    assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn az16_other_methods_get_no_code() {
    let (_server, mut ada, wiki) = setting().await;
    ada.authorize(&wiki, &[]).await.expect(303);

    for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::TRACE] {
        let answer = ada.visitor.send(method, &wiki.authorize(&[]), None, &[]).await;
        assert_eq!(answer.status, 405);
    }
}

fn payload(token: &str) -> &str {
    token.split('.').nth(1).unwrap()
}

#[tokio::test]
async fn az17_a_hint_names_who_must_be_signed_in_and_authenticates_nobody() {
    let (server, mut ada, wiki) = setting().await;
    let mut bob = server.person("bob").await;
    let code = bob.authorize(&wiki, &[]).await.parameter("code").unwrap();
    let of_bob = wiki.redeem(&server, &code).await.expect(200).json()["id_token"].as_str().unwrap().to_owned();
    let code = ada.authorize(&wiki, &[]).await.parameter("code").unwrap();
    let of_ada = wiki.redeem(&server, &code).await.expect(200).json()["id_token"].as_str().unwrap().to_owned();
    let silent = |hint| [("prompt", "none"), ("id_token_hint", hint)];

    assert!(ada.visitor.get(&wiki.authorize(&silent(&of_ada))).await.parameter("code").is_some());
    assert_redirected(&ada.visitor.get(&wiki.authorize(&silent(&of_bob))).await, &server, "login_required");
    assert_redirected(&server.visitor().get(&wiki.authorize(&silent(&of_ada))).await, &server, "login_required");
    // Who is named by a hint that we did not sign is nobody's business: it names nobody.
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#), payload(&of_bob));
    let other = Server::start().await;
    let mut eve = other.person("eve").await;
    let theirs = other.client(&json!({})).await;
    let code = eve.authorize(&theirs, &[]).await.parameter("code").unwrap();
    let foreign = theirs.redeem(&other, &code).await.expect(200).json()["id_token"].as_str().unwrap().to_owned();
    for hint in ["a.forged.hint", &unsigned, &foreign] {
        assert!(ada.visitor.get(&wiki.authorize(&silent(hint))).await.parameter("code").is_some(), "{hint}");
    }
}

#[tokio::test]
async fn az16_an_answer_ends_with_a_fragment_of_its_own() {
    let (_server, mut ada, wiki) = setting().await;

    let answer = ada.authorize(&wiki, &[]).await.expect(303);
    assert!(answer.header("location").ends_with('#'), "{}", answer.header("location"));
    let answer = ada.visitor.get(&wiki.authorize(&[("scope", "profile")])).await.expect(303);
    assert!(answer.header("location").ends_with('#'), "{}", answer.header("location"));
}

#[tokio::test]
async fn c19_prompt_none_answers_without_asking() {
    let (server, mut ada, wiki) = setting().await;
    let silent = wiki.authorize(&[("prompt", "none")]);

    assert_redirected(&server.visitor().get(&silent).await, &server, "login_required");
    assert_redirected(&ada.visitor.get(&silent).await, &server, "consent_required");
    ada.authorize(&wiki, &[]).await.expect(303);
    assert!(ada.visitor.get(&silent).await.parameter("code").is_some());
}

#[tokio::test]
async fn c22_max_age_is_kept_and_auth_time_tells() {
    let (server, mut ada, wiki) = setting().await;
    ada.authorize(&wiki, &[]).await.expect(303);
    server.later(Duration::seconds(2));

    let answer = ada.visitor.get(&wiki.authorize(&[("max_age", "10000")])).await.expect(303);
    assert!(answer.parameter("code").is_some());
    let answer = ada.visitor.get(&wiki.authorize(&[("max_age", "1")])).await.expect(303);
    assert_eq!(answer.location().path(), "/reauthenticate");
}

#[tokio::test]
async fn an_essential_acr_that_nothing_gives_is_unmet() {
    let (server, mut ada, wiki) = setting().await;
    let claims = r#"{"id_token":{"acr":{"essential":true,"values":["phrh"]}}}"#;

    let answer = ada.visitor.get(&wiki.authorize(&[("claims", claims)])).await;

    assert_redirected(&answer, &server, "unmet_authentication_requirements");
}

#[tokio::test]
async fn prompt_select_account_lets_a_person_go_on_or_be_somebody_else() {
    let (_server, mut ada, wiki) = setting().await;
    ada.authorize(&wiki, &[]).await.expect(303);
    let answer = ada.visitor.get(&wiki.authorize(&[("prompt", "select_account")])).await.expect(303);
    assert_eq!(answer.location().path(), "/select-account");
    let interaction = answer.parameter("interaction").unwrap();

    let form = [("interaction", interaction.as_str()), ("answer", "continue")];
    let resume = format!("/authorize?interaction={interaction}");
    let selected = ada.visitor.form("/select-account", &form).await.expect(200);
    assert_eq!(selected.header("refresh"), format!("0; url={resume}"));
    assert!(ada.visitor.get(&resume).await.parameter("code").is_some());

    let answer = ada.visitor.get(&wiki.authorize(&[("prompt", "select_account")])).await.expect(303);
    let interaction = answer.parameter("interaction").unwrap();
    let form = [("interaction", interaction.as_str()), ("answer", "switch")];
    ada.visitor.form("/select-account", &form).await.expect(303);
    let answer = ada.visitor.get(&format!("/authorize?interaction={interaction}")).await.expect(303);
    assert_eq!(answer.location().path(), "/login");
}

#[tokio::test]
async fn a_request_that_was_answered_is_revived_by_no_late_consent() {
    let server = Server::start().await;
    let (kept, now) = (&server.app.short_lived, server.app.now());
    kept.put("interaction", "browser.id", &json!({ "consented": false }), Duration::HOUR, now).await.unwrap();
    kept.change("interaction", "browser.id", &json!({ "consented": true })).await.unwrap();
    let answered = kept.take::<Value>("interaction", "browser.id", now).await.unwrap();
    assert_eq!(answered, Some(json!({ "consented": true })));

    kept.change("interaction", "browser.id", &json!({ "consented": true })).await.unwrap();

    assert_eq!(kept.take::<Value>("interaction", "browser.id", now).await.unwrap(), None);
}
