//! Signing keys over their life: OpenID Connect Core §10.1.1, RFC 9068; attacks JK.

use std::collections::HashMap;
use std::time::{Duration as Patience, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_api::signing_keys::{Replaced, load, replace, rotate};
use chancery_domain::signing_algorithm::SigningAlgorithm;
use chancery_tests::node::{Client, userinfo};
use chancery_tests::server::Server;
use serde_json::{Value, json};
use time::Duration;

const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

fn part(token: &str, nth: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(nth).unwrap()).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    part(token, 0)["kid"].as_str().unwrap().to_owned()
}

/// The published keys' ids and algorithms.
async fn published(server: &Server) -> HashMap<String, String> {
    let keys = server.visitor().get("/.well-known/jwks.json").await.expect(200).json();
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    keys["keys"].as_array().unwrap().iter().map(|key| (text(key, "kid"), text(key, "alg"))).collect()
}

async fn token(server: &Server, service: &Client) -> String {
    service.token(server, &GRANT).await.expect(200).json()["access_token"].as_str().unwrap().to_owned()
}

/// What the background work does each minute.
async fn upkeep(server: &Server) {
    rotate(&server.app.store, &server.app.pool, &server.app.system(), server.app.now()).await.unwrap();
    load(&server.app.store, &server.app.pool, &server.app.keyring).await.unwrap();
}

#[tokio::test]
async fn jk01_each_kind_of_token_says_exactly_this_and_is_refused_elsewhere() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({ "minimalIdToken": true })).await;
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let (access, id) = (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());

    let names = |token| {
        let mut names: Vec<_> = part(token, 1).as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(names(id), "acr amr at_hash aud auth_time exp iat iss nonce sid sub");
    assert_eq!(names(access), "acr aud auth_time client_id exp iat iss jti scope sid sub");
    assert_eq!((&part(id, 0)["typ"], &part(access, 0)["typ"]), (&json!("JWT"), &json!("at+jwt")));
    assert_eq!(part(access, 1)["aud"], json!([wiki.id, server.issuer()]));

    userinfo(&server, id).await.expect(401);
    assert_eq!(wiki.introspect(&server, id).await, json!({ "active": false }));
    let hint = format!("/api/oidc/end-session?id_token_hint={access}");
    assert!(ada.visitor.get(&hint).await.expect(200).text.contains("id=\"confirm\""), "an access token is no hint");
    ada.visitor.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn jk02_jk03_whoever_keeps_the_key_set_for_days_verifies_through_every_rotation() {
    let server = Server::start().await;
    // A year, the longest there is.
    let service = server.client(&json!({ "accessTokenDurationMinutes": 525_600 })).await;
    let mut kept = published(&server).await;
    let first = token(&server, &service).await;
    let mut used = vec![kid(&first)];

    // Six days at a time: as long as a client may keep what it once fetched.
    for _ in 0..45 {
        server.later(Duration::days(6));
        upkeep(&server).await;
        let token = token(&server, &service).await;
        assert!(kept.contains_key(&kid(&token)), "a key signs that was not published six days ago");
        kept = published(&server).await;
        if !used.contains(&kid(&token)) {
            used.push(kid(&token));
        }
        for kid in &used {
            assert!(kept.contains_key(kid), "a key is gone whose tokens still count");
        }
    }

    assert_eq!(used.len(), 3, "270 days, looked after each six, with keys that sign for 90");
    assert_eq!(service.introspect(&server, &first).await["active"], true, "its key still verifies");
    server.later(Duration::days(200));
    upkeep(&server).await;
    assert!(!published(&server).await.contains_key(&used[0]), "a key goes when nothing that it signed can count");
}

#[tokio::test]
async fn jk04_what_a_removed_key_signed_counts_nowhere_within_a_second() {
    let server = Server::start().await;
    let second = server.second().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let (access, id) = (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());
    userinfo(&second, access).await.expect(200);

    let (now, system) = (server.app.now(), server.app.system());
    let replaced =
        replace(&server.app.store, &server.app.pool, &system, &SigningAlgorithm::ALL, true, now).await.unwrap();
    for token in [access, id] {
        assert!(
            replaced.iter().any(|key| matches!(key, Replaced::Withdrawn(_, withdrawn) if *withdrawn == kid(token)))
        );
    }
    let acknowledged = Instant::now();

    for node in [&server, &second] {
        while userinfo(node, access).await.status != 401 {
            assert!(acknowledged.elapsed() < Patience::from_secs(1), "S1: effective on every node within a second");
        }
        let hint = format!("/api/oidc/end-session?id_token_hint={id}");
        let mut there = ada.visitor.clone();
        there.base = node.base.clone();
        assert!(there.get(&hint).await.expect(200).text.contains("id=\"confirm\""), "the hint is no hint any more");
        assert_eq!(wiki.introspect(node, access).await, json!({ "active": false }));
        assert!(published(node).await.keys().all(|kid| *kid != self::kid(access) && *kid != self::kid(id)));
    }
    // The next key signs at once.
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    userinfo(&server, tokens["access_token"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn an_operator_lets_another_key_sign_at_once_and_what_the_one_before_signed_still_counts() {
    let server = Server::start().await;
    let service = server.client(&json!({})).await;
    let before = token(&server, &service).await;

    let (now, system) = (server.app.now(), server.app.system());
    let replaced = replace(&server.app.store, &server.app.pool, &system, &[SigningAlgorithm::ES256], false, now).await;
    load(&server.app.store, &server.app.pool, &server.app.keyring).await.unwrap();

    let after = token(&server, &service).await;
    assert_eq!(
        replaced.unwrap(),
        [
            Replaced::Verifies(SigningAlgorithm::ES256, kid(&before)),
            Replaced::Signs(SigningAlgorithm::ES256, kid(&after))
        ]
    );
    assert_eq!(published(&server).await.len(), 4, "of the other algorithms, the keys stay");
    for token in [&before, &after] {
        assert_eq!(service.introspect(&server, token).await["active"], true);
    }
}
