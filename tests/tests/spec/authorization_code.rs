//! Redeeming authorization codes: RFC 6749 §4.1.3, RFC 7636, OpenID Connect Core §3.1.3; attacks CR and PK, conformance 27,
//! 33 to 39.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_adapters::signing::Expected;
use chancery_tests::node::{Client, Person, userinfo};
use chancery_tests::server::Server;
use chancery_tests::visitor::Answer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};
use time::Duration;

const VERIFIER: &str = "a.verifier_of-forty~three.characters.or-more.0123456789";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

async fn setting() -> (Server, Person, Client) {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    (server, ada, wiki)
}

async fn code(ada: &mut Person, client: &Client, more: &[(&str, &str)]) -> String {
    ada.authorize(client, more).await.expect(303).parameter("code").expect("a code")
}

#[track_caller]
fn assert_refused(answer: &Answer, error: &str) {
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json()["error"], error, "{}", answer.text);
    assert_eq!(answer.json().as_object().unwrap().len(), 2, "error and error_description only");
}

fn claims(token: &Value) -> (Value, Value) {
    let parts: Vec<_> = token.as_str().unwrap().split('.').collect();
    let read = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(parts[0]), read(parts[1]))
}

#[tokio::test]
async fn c38_c39_the_id_token_says_who_when_how_and_for_whom() {
    let (server, mut ada, wiki) = setting().await;
    let code = code(&mut ada, &wiki, &[]).await;

    let tokens = wiki.redeem(&server, &code).await.expect(200).json();

    let (header, token) = claims(&tokens["id_token"]);
    assert_eq!(header["alg"], "RS256");
    assert_eq!(header["typ"], "JWT");
    assert!(header["kid"].is_string());
    let noon = server.app.now().unix_timestamp();
    let at_hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(tokens["access_token"].as_str().unwrap())[..16]);
    for (name, value) in [
        ("iss", json!(server.issuer())),
        ("sub", json!(ada.id)),
        ("aud", json!(wiki.id)),
        ("iat", json!(noon)),
        ("exp", json!(noon + 3600)),
        ("auth_time", json!(noon)),
        ("nonce", json!("the-nonce")),
        ("acr", json!("phr")),
        ("amr", json!(["pop", "user", "mfa", "swk"])),
        ("at_hash", json!(at_hash)),
        ("email", json!("ada@example.org")),
        ("preferred_username", json!("ada")),
        ("picture", json!(format!("{}/api/users/{}/profile-picture.png", server.issuer(), ada.id))),
    ] {
        assert_eq!(token[name], value, "{name}");
    }
    assert!(token["sid"].is_string());
    let (header, access) = claims(&tokens["access_token"]);
    assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("at+jwt"), Some("ES256")));
    assert_eq!(access["client_id"], wiki.id.as_str());
    assert_eq!(access["scope"], "openid profile email");
    assert_eq!(tokens.get("refresh_token"), None, "RT-09: no offline_access, no refresh token");
}

#[tokio::test]
async fn a_client_may_choose_its_algorithm_and_a_minimal_id_token() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    for algorithm in ["ES256", "EdDSA"] {
        let app = server.client(&json!({ "idTokenSigningAlg": algorithm, "minimalIdToken": true })).await;
        let code = code(&mut ada, &app, &[]).await;
        let tokens = app.redeem(&server, &code).await.expect(200).json();
        let (header, token) = claims(&tokens["id_token"]);
        assert_eq!(header["alg"], algorithm);
        let access_token = tokens["access_token"].as_str().unwrap();
        let at_hash = match algorithm {
            "EdDSA" => URL_SAFE_NO_PAD.encode(&Sha512::digest(access_token)[..32]),
            _ => URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token)[..16]),
        };
        assert_eq!(token["at_hash"], at_hash, "{algorithm}");
        let expected = Expected { typ: "JWT", issuer: server.issuer(), now: 0, allow_expired: true };
        assert_eq!(server.app.keyring.verify(tokens["id_token"].as_str().unwrap(), expected), Ok(token.clone()));
        assert_eq!(token.get("email"), None);
        let claims = userinfo(&server, tokens["access_token"].as_str().unwrap()).await.expect(200).json();
        assert_eq!(claims["email"], "ada@example.org");
    }
}

#[tokio::test]
async fn cr01_a_code_that_comes_again_takes_everything_with_it() {
    let (server, mut ada, wiki) = setting().await;
    let code = code(&mut ada, &wiki, &[("scope", "openid offline_access")]).await;
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let access = tokens["access_token"].as_str().unwrap();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    userinfo(&server, access).await.expect(200);

    server.later(Duration::seconds(30));
    assert_refused(&wiki.redeem(&server, &code).await, "invalid_grant");

    userinfo(&server, access).await.expect(401);
    assert_eq!(wiki.introspect(&server, access).await, json!({ "active": false }));
    assert_refused(&wiki.refresh(&server, refresh).await, "invalid_grant");
    let events = server.app.store.feed().read(0, 1000).await.unwrap();
    let last: Vec<_> = events.iter().rev().take(2).map(|recorded| recorded.event.name()).collect();
    assert_eq!(last, ["grant.revoked", "grant.code_replayed"]);
}

#[tokio::test]
async fn cr02_of_fifty_parallel_redemptions_on_two_nodes_one_wins() {
    let (server, mut ada, wiki) = setting().await;
    let second = std::sync::Arc::new(server.second().await);
    let first = std::sync::Arc::new(server);
    let code = code(&mut ada, &wiki, &[]).await;

    let mut tries = Vec::new();
    for n in 0..50 {
        let node = if n % 2 == 0 { first.clone() } else { second.clone() };
        let (wiki, code) = (wiki.clone(), code.clone());
        tries.push(tokio::spawn(async move { wiki.redeem(&node, &code).await }));
    }
    let mut won = Vec::new();
    for attempt in tries {
        let answer = attempt.await.unwrap();
        match answer.status {
            200 => won.push(answer.json()["access_token"].as_str().unwrap().to_owned()),
            _ => assert_refused(&answer, "invalid_grant"),
        }
    }

    assert_eq!(won.len(), 1);
    for node in [&first, &second] {
        userinfo(node, &won[0]).await.expect(401);
    }
    let events = first.app.store.feed().read(0, 1000).await.unwrap();
    let issued = events.iter().filter(|recorded| recorded.event.name() == "grant.tokens_issued").count();
    assert_eq!(issued, 1);
}

#[tokio::test]
async fn cr04_only_the_right_client_within_the_minute_redeems() {
    let (server, mut ada, wiki) = setting().await;
    let other = server.client(&json!({ "name": "Other" })).await;

    let fresh = code(&mut ada, &wiki, &[]).await;
    assert_refused(&other.redeem(&server, &fresh).await, "invalid_grant");
    server.later(Duration::seconds(59));
    wiki.redeem(&server, &fresh).await.expect(200);

    let stale = code(&mut ada, &wiki, &[]).await;
    server.later(Duration::seconds(61));
    assert_refused(&other.redeem(&server, &stale).await, "invalid_grant");
    assert_refused(&wiki.redeem(&server, &stale).await, "invalid_grant");
}

#[tokio::test]
async fn cr05_what_changed_since_the_authorization_counts() {
    let (server, mut ada, wiki) = setting().await;
    let mut admin = server.admin.clone();
    let put = reqwest::Method::PUT;

    let withdrawn = code(&mut ada, &wiki, &[]).await;
    let user = ada.id.parse().unwrap();
    let client: chancery_domain::ids::ClientId = wiki.id.parse().unwrap();
    let withdraw = chancery_domain::consent::ConsentCommand::Withdraw { user_id: user, client_id: client.clone() };
    let stream = chancery_domain::consent::stream(user, &client);
    let system = server.app.system();
    server.app.store.execute::<chancery_domain::consent::Consent>(stream, withdraw, &system).await.unwrap();
    assert_refused(&wiki.redeem(&server, &withdrawn).await, "invalid_grant");

    let left = code(&mut ada, &wiki, &[]).await;
    let restricted = json!({ "name": "Wiki", "callbackURLs": ["https://wiki.example/cb"], "isGroupRestricted": true });
    admin.json(put.clone(), &format!("/api/oidc/clients/{}", wiki.id), &restricted).await.expect(200);
    assert_refused(&wiki.redeem(&server, &left).await, "invalid_grant");
    let open = json!({ "name": "Wiki", "callbackURLs": ["https://wiki.example/cb"] });
    admin.json(put.clone(), &format!("/api/oidc/clients/{}", wiki.id), &open).await.expect(200);

    // Refresh tokens outlive the session where that was granted; a code does not.
    for scope in ["openid", "openid offline_access"] {
        let signed_out = code(&mut ada, &wiki, &[("scope", scope)]).await;
        ada.visitor.post("/api/webauthn/logout", &json!({})).await.expect(204);
        let before = server.app.store.feed().head().await.unwrap();
        assert_refused(&wiki.redeem(&server, &signed_out).await, "invalid_grant");
        assert_eq!(server.app.store.feed().head().await.unwrap(), before, "{scope}: no token was issued");
        ada.sign_in().await.expect(200);
    }

    let disabled = code(&mut ada, &wiki, &[]).await;
    let mut user = admin.get(&format!("/api/users/{}", ada.id)).await.json();
    user["disabled"] = json!(true);
    admin.json(put, &format!("/api/users/{}", ada.id), &user).await.expect(200);
    assert_refused(&wiki.redeem(&server, &disabled).await, "invalid_grant");
}

#[tokio::test]
async fn cr06_a_code_that_is_altered_in_any_way_is_no_code() {
    let (server, mut ada, wiki) = setting().await;
    let code = code(&mut ada, &wiki, &[]).await;

    let mut altered = vec![
        code[..code.len() - 1].to_owned(),
        format!("{code}A"),
        format!("{code}="),
        format!("{code}=="),
        "x".repeat(8_000),
        code.to_uppercase(),
        format!(" {code}"),
    ];
    for position in 0..code.len() {
        let mut bytes = code.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        altered.push(String::from_utf8(bytes).unwrap());
    }
    for code in altered {
        assert_refused(&wiki.redeem(&server, &code).await, "invalid_grant");
    }
    wiki.redeem(&server, &code).await.expect(200);
}

#[tokio::test]
async fn cr07_the_token_endpoint_takes_form_posts_only() {
    let (server, mut ada, wiki) = setting().await;
    let code = code(&mut ada, &wiki, &[]).await;
    let mut visitor = server.visitor();

    visitor.get("/api/oidc/token").await.expect(405);
    let in_query = format!("/api/oidc/token?grant_type=authorization_code&code={code}");
    assert_refused(&visitor.form(&in_query, &[]).await, "invalid_request");
    assert_refused(&visitor.post("/api/oidc/token", &json!({ "code": code })).await, "invalid_request");
    let twice = [("grant_type", "authorization_code"), ("code", &code), ("code", &code)];
    assert_refused(&wiki.token(&server, &twice).await, "invalid_request");
}

#[tokio::test]
async fn the_redirect_uri_is_the_one_of_the_request() {
    let (server, mut ada, wiki) = setting().await;

    for pairs in [&[][..], &[("redirect_uri", "https://wiki.example/other")]] {
        let code = code(&mut ada, &wiki, &[]).await;
        let pairs = [&[("grant_type", "authorization_code"), ("code", &code)], pairs].concat();
        assert_refused(&wiki.token(&server, &pairs).await, "invalid_grant");
    }
}

#[tokio::test]
async fn pk01_pk02_a_challenge_is_required_unless_waived_and_must_be_s256() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let public = server.client(&json!({ "isPublic": true })).await;
    let strict = server.client(&json!({ "pkceEnabled": true })).await;
    let lax = server.client(&json!({})).await;
    let challenge = challenge();

    for client in [&public, &strict] {
        let answer = ada.visitor.get(&client.authorize(&[])).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
    }
    for pair in [
        [("code_challenge", challenge.as_str()), ("code_challenge_method", "plain")],
        [("code_challenge", challenge.as_str()), ("code_challenge_method", "")],
        [("code_challenge", challenge.as_str()), ("code_challenge_method", "s256")],
        [("code_challenge", &challenge[1..]), ("code_challenge_method", "S256")],
        [("code_challenge", ""), ("code_challenge_method", "S256")],
    ] {
        for client in [&public, &lax] {
            let answer = ada.visitor.get(&client.authorize(&pair)).await;
            assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{pair:?}");
        }
    }
}

#[tokio::test]
async fn pk03_to_pk06_the_verifier_must_match_and_a_wrong_one_uses_the_code_up() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let public = server.client(&json!({ "isPublic": true })).await;
    let challenge = challenge();
    let more = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let padded = format!("{VERIFIER}=");
    let long = "v".repeat(129);

    let (nul, foreign) = (format!("{VERIFIER}\0"), format!("{VERIFIER}é"));
    let spaced = "a verifier with spaces in it that is long enough 123";
    for verifier in ["", &VERIFIER[..42], &long, spaced, &padded, &nul, &foreign] {
        let code = code(&mut ada, &public, &more).await;
        let pairs = |verifier| {
            [
                ("grant_type", "authorization_code"),
                ("code", code.as_str()),
                ("redirect_uri", public.redirect_uri.as_str()),
                ("code_verifier", verifier),
            ]
        };
        assert_refused(&public.token(&server, &pairs(verifier)).await, "invalid_grant");
        assert_refused(&public.token(&server, &pairs(VERIFIER)).await, "invalid_grant");
    }
    let code = code(&mut ada, &public, &more).await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", public.redirect_uri.as_str()),
        ("code_verifier", VERIFIER),
    ];
    public.token(&server, &pairs).await.expect(200);
}

#[tokio::test]
async fn pk06_a_wrong_verifier_is_on_the_record_and_hurts_no_other_grant() {
    let (server, mut ada, wiki) = setting().await;
    let challenge = challenge();
    let more =
        [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256"), ("scope", "openid offline_access")];
    let redeem = async |code: &str, verifier: &str| {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", wiki.redirect_uri.as_str()),
            ("code_verifier", verifier),
        ];
        wiki.token(&server, &pairs).await
    };
    let before = redeem(&code(&mut ada, &wiki, &more).await, VERIFIER).await.expect(200).json();
    let waiting = code(&mut ada, &wiki, &more).await;
    let attacked = code(&mut ada, &wiki, &more).await;

    assert_refused(&redeem(&attacked, &VERIFIER.replace('a', "b")).await, "invalid_grant");

    let events = server.admin.clone().get("/api/events?limit=1000").await.expect(200).json();
    let last = events["events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["type"], "grant.pkce_failed", "{last}");
    assert!(!last.to_string().contains(VERIFIER));
    assert_refused(&redeem(&attacked, VERIFIER).await, "invalid_grant");
    userinfo(&server, before["access_token"].as_str().unwrap()).await.expect(200);
    wiki.refresh(&server, before["refresh_token"].as_str().unwrap()).await.expect(200);
    redeem(&waiting, VERIFIER).await.expect(200);
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_a_downgrade() {
    let (server, mut ada, wiki) = setting().await;
    let code = code(&mut ada, &wiki, &[]).await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", wiki.redirect_uri.as_str()),
        ("code_verifier", VERIFIER),
    ];

    assert_refused(&wiki.token(&server, &pairs).await, "invalid_grant");
}
