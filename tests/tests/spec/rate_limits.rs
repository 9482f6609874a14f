//! Rate limits: attacks RL-01, RL-04 to RL-06 and WA-09. Time stands still, so what is used up stays so until it is moved.

use chancery_tests::node::{Client, Person};
use chancery_tests::server::Server;
use chancery_tests::visitor::{Answer, Visitor};
use reqwest::Method;
use serde_json::json;
use time::Duration;

const LIMITED: &[(&str, &str)] = &[("DISABLE_RATE_LIMITING", "false"), ("TRUST_PROXY", "127.0.0.0/8,::1/128")];

/// Somebody at this address, behind the trusted proxy.
fn at(visitor: &Visitor, address: &str) -> Visitor {
    let mut visitor = visitor.clone();
    visitor.headers.push(("x-forwarded-for".to_owned(), address.to_owned()));
    visitor
}

/// Asks until it is refused and answers how often it was not.
async fn until_refused(mut ask: impl AsyncFnMut() -> Answer) -> (usize, Answer) {
    for n in 0..2_000 {
        let answer = ask().await;
        if answer.status == 429 {
            return (n, answer);
        }
    }
    panic!("there is no limit");
}

fn retry_after(answer: &Answer) -> Duration {
    Duration::seconds(answer.header("retry-after").parse().unwrap())
}

async fn events(server: &Server) -> i64 {
    server.app.store.feed().head().await.unwrap()
}

#[tokio::test]
async fn wa09_beginning_a_hundred_sign_ins_is_capped_and_comes_back_with_time() {
    let server = Server::with(LIMITED).await;
    let mut attacker = at(&server.visitor(), "192.0.2.1");

    let (begun, refused) = until_refused(async || attacker.get("/api/webauthn/login/start").await).await;

    assert_eq!(begun, 60);
    assert_eq!(refused.json()["code"], "rate_limited");
    assert_eq!(refused.json()["request_id"], refused.header("x-request-id"));
    assert_eq!(refused.header("x-content-type-options"), "nosniff");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM short_lived").fetch_one(&server.app.pool).await.unwrap();
    assert_eq!(kept, 60);
    server.later(retry_after(&refused));
    attacker.get("/api/webauthn/login/start").await.expect(200);
    server.later(Duration::minutes(11));
    server.app.short_lived.sweep(server.app.now()).await.unwrap();
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM short_lived").fetch_one(&server.app.pool).await.unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn each_endpoint_refuses_in_its_own_words() {
    let server = Server::with(LIMITED).await;

    let mut app = at(&server.visitor(), "192.0.2.1");
    let (asked, refused) = until_refused(async || app.form("/api/oidc/token", &[]).await).await;
    assert_eq!(asked, 500);
    let expected =
        json!({ "error": "temporarily_unavailable", "error_description": "too many requests; see Retry-After" });
    assert_eq!(refused.json(), expected);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("cache-control"), "no-store");
    assert_eq!(refused.header("access-control-allow-origin"), "*", "an app in a browser can read it");

    let mut browser = at(&server.visitor(), "192.0.2.2");
    let (asked, refused) = until_refused(async || browser.get("/authorize").await).await;
    assert_eq!(asked, 100);
    assert!(refused.text.contains("Please wait a moment"), "{}", refused.text);
    assert!(refused.text.contains("wait 1 second and try again"));
    assert!(refused.header("content-security-policy").contains("default-src 'none'"));
    assert!(refused.headers.get("location").is_none());

    let mut browser = at(&server.visitor(), "192.0.2.3");
    let (asked, _) = until_refused(async || browser.get("/nowhere").await).await;
    assert_eq!(asked, 300);
    let refused = browser.get("/api/oidc/end-session").await.expect(429);
    assert!(refused.text.contains("Please wait a moment"), "people look at it");
    assert_eq!(browser.get("/api/users/me").await.expect(429).json()["code"], "rate_limited");
    browser.get("/healthz").await.expect(204);
    browser.get("/api/webauthn/login/start").await.expect(200);
}

#[tokio::test]
async fn rl01_a_flood_from_one_address_keeps_nobody_out_at_another() {
    let server = Server::with(LIMITED).await;
    let mut ada = server.person("ada").await;
    let mut attacker = at(&server.visitor(), "192.0.2.1");
    until_refused(async || attacker.get("/api/webauthn/login/start").await).await;

    ada.visitor = at(&ada.visitor, "198.51.100.7");
    ada.sign_in().await.expect(200);
}

/// Signs in with somebody else's passkey, altered so that the signature is wrong.
async fn fail_to_sign_in(person: &mut Person) -> Answer {
    let options = person.visitor.get("/api/webauthn/login/start").await.expect(200).json();
    let mut response = person.authenticator.get(&options, &person.issuer);
    response["response"]["signature"] = json!("MAYCAQECAQE");
    person.visitor.post("/api/webauthn/login/finish", &response).await
}

#[tokio::test]
async fn rl01_whoever_fails_to_sign_in_to_an_account_is_refused_there_and_the_person_is_not() {
    let settings = [LIMITED, &[("RATE_LIMIT_PERCENT", "1000")]].concat();
    let server = Server::with(&settings).await;
    let mut ada = server.person("ada").await;
    let mut bob = server.person("bob").await;
    let mut attacker = ada.clone();
    attacker.visitor = at(&server.visitor(), "192.0.2.1");

    let (failed, refused) = until_refused(async || fail_to_sign_in(&mut attacker).await).await;

    assert_eq!(failed, 199);
    assert_eq!(refused.json()["code"], "rate_limited");
    attacker.sign_in().await.expect(429);
    bob.visitor = at(&bob.visitor, "192.0.2.1");
    bob.sign_in().await.expect(200);
    ada.visitor = at(&ada.visitor, "198.51.100.7");
    ada.sign_in().await.expect(200);
    server.later(retry_after(&refused));
    attacker.sign_in().await.expect(200);
}

async fn wrong_secret(server: &Server, wiki: &Client, address: &str) -> Answer {
    let pairs =
        [("grant_type", "client_credentials"), ("client_id", wiki.id.as_str()), ("client_secret", "a-wrong-guess")];
    at(&server.visitor(), address).form("/api/oidc/token", &pairs).await
}

async fn right_secret(server: &Server, wiki: &Client, address: &str) -> Answer {
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", wiki.id.as_str()),
        ("client_secret", wiki.secret.as_str()),
    ];
    at(&server.visitor(), address).form("/api/oidc/token", &pairs).await
}

#[tokio::test]
async fn rl04_guesses_at_a_secret_are_counted_for_all_nodes_together() {
    let server = Server::with(LIMITED).await;
    let second = server.second_with(LIMITED).await;
    let wiki = server.client(&json!({})).await;
    let other = server.client(&json!({})).await;

    for _ in 0..10 {
        wrong_secret(&server, &wiki, "192.0.2.1").await.expect(401);
        let answer = wrong_secret(&second, &wiki, "192.0.2.1").await;
        assert_eq!(
            answer.json()["error"],
            if answer.status == 401 { "invalid_client" } else { "temporarily_unavailable" }
        );
    }
    wrong_secret(&server, &wiki, "192.0.2.1").await.expect(429);

    for node in [&server, &second] {
        let refused = right_secret(node, &wiki, "192.0.2.1").await.expect(429);
        assert_eq!(refused.header("retry-after"), "15");
        right_secret(node, &wiki, "198.51.100.7").await.expect(200);
        right_secret(node, &other, "192.0.2.1").await.expect(200);
    }
    server.later(Duration::seconds(15));
    right_secret(&second, &wiki, "192.0.2.1").await.expect(200);
}

#[tokio::test]
async fn rl05_ids_that_no_client_has_share_one_allowance() {
    let server = Server::with(LIMITED).await;
    let wiki = server.client(&json!({})).await;
    let mut attacker = at(&server.visitor(), "192.0.2.1");

    let mut n = 0;
    let (guessed, _) = until_refused(async || {
        n += 1;
        let id = format!("client-{n}");
        let pairs = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", "guess")];
        attacker.form("/api/oidc/token", &pairs).await
    })
    .await;

    assert_eq!(guessed, 19);
    right_secret(&server, &wiki, "192.0.2.1").await.expect(200);
}

#[tokio::test]
async fn rl01_guessing_enrollment_links_and_api_keys_is_bounded() {
    let server = Server::with(LIMITED).await;
    let mut attacker = at(&server.visitor(), "192.0.2.1");
    let (guessed, page) = until_refused(async || attacker.get("/enroll/AAAA").await).await;
    assert_eq!(guessed, 9);
    assert!(page.text.contains("wait 30 seconds"), "{}", page.text);
    assert_eq!(page.header("retry-after"), "30");
    attacker.get("/lc/AAAA").await.expect(429);

    let mut attacker = at(&Visitor::with_api_key(&server.base, "chk_guess"), "192.0.2.1");
    let (guessed, refused) = until_refused(async || attacker.get("/api/users").await).await;
    assert_eq!((guessed, refused.json()["code"].as_str()), (19, Some("rate_limited")));
    at(&server.admin, "198.51.100.7").get("/api/users").await.expect(200);
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused() {
    let server = Server::with(LIMITED).await;
    let wiki = server.client(&json!({})).await;
    sqlx::raw_sql("DROP TABLE attempts").execute(&server.app.pool).await.unwrap();

    let answer = wrong_secret(&server, &wiki, "192.0.2.1").await.expect(503);

    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    server.visitor().get("/enroll/AAAA").await.expect(503);
    right_secret(&server, &wiki, "192.0.2.1").await.expect(200);
}

#[tokio::test]
async fn rl06_refused_floods_leave_the_log_alone_and_headers_cannot_bar_anybody_else() {
    let server = Server::with(&[("DISABLE_RATE_LIMITING", "false")]).await;
    let mut victim = server.visitor();
    let mut attacker = at(&server.visitor(), "198.51.100.7");
    until_refused(async || attacker.post("/api/webauthn/login/finish", &json!({})).await).await;
    let before = events(&server).await;

    for _ in 0..50 {
        attacker.post("/api/webauthn/login/finish", &json!({})).await.expect(429);
    }

    assert_eq!(events(&server).await, before);
    victim.get("/api/webauthn/login/start").await.expect(429);
}

#[tokio::test]
async fn rl06_who_failed_and_until_when_is_shown_on_every_node() {
    let server = Server::with(LIMITED).await;
    let second = server.second_with(LIMITED).await;
    let mut root = server.first_admin().await;
    let wiki = server.client(&json!({ "name": "The Wiki" })).await;
    let mut bob = server.person("bob").await;
    bob.visitor = at(&bob.visitor, "192.0.2.2");
    let nobody = root.visitor.get("/admin/diagnostics").await.expect(200).text;
    assert!(nobody.contains("nobody failed to prove who they are"), "{nobody}");

    until_refused(async || wrong_secret(&server, &wiki, "192.0.2.1").await).await;
    fail_to_sign_in(&mut bob).await.expect(401);
    bob.visitor = at(&bob.visitor, "2001:db8:1:2:3::4");
    fail_to_sign_in(&mut bob).await.expect(401);

    let mut elsewhere = root.visitor.clone();
    elsewhere.base = second.base.clone();
    for visitor in [&mut root.visitor, &mut elsewhere] {
        let page = visitor.get("/admin/diagnostics").await.expect(200).text;
        let shown = page.split("id=\"attempts\"").nth(1).unwrap().split("</section>").next().unwrap();
        let rows: Vec<_> = shown.split("<dt>").skip(1).collect();
        assert_eq!(rows.len(), 3, "{shown}");
        for told in ["The secret of The Wiki", "192.0.2.1", "Refused until 12:00:15 UTC"] {
            assert!(rows[0].contains(told), "{told}: {shown}");
        }
        assert!(rows[1..].iter().all(|row| row.contains("1 of 20 failures used")), "{shown}");
        assert!(rows[1..].iter().all(|row| row.contains("Ada Lindqvist’s passkeys")), "{shown}");
        assert!(rows[1..].iter().any(|row| row.contains("2001:db8:1:2::")), "{shown}");
    }
    server.later(Duration::minutes(5));
    assert_eq!(root.visitor.get("/admin/diagnostics").await.expect(200).text.matches("failures used").count(), 0);
}

#[tokio::test]
async fn one_client_is_limited_from_wherever_it_asks() {
    let settings = [LIMITED, &[("RATE_LIMIT_PERCENT", "2")]].concat();
    let unlimited = Server::start().await;
    let wiki = unlimited.client(&json!({})).await;
    let server = unlimited.second_with(&settings).await;
    for n in 0..10 {
        right_secret(&server, &wiki, &format!("192.0.2.{n}")).await.expect(200);
    }

    let refused = right_secret(&server, &wiki, "192.0.2.99").await.expect(429);

    assert_eq!(refused.json()["error"], "temporarily_unavailable");
    let introspect = [("token", "x"), ("client_id", wiki.id.as_str()), ("client_secret", wiki.secret.as_str())];
    at(&server.visitor(), "192.0.2.98").form("/api/oidc/introspect", &introspect).await.expect(429);
}

#[tokio::test]
async fn limits_can_be_raised_and_switched_off() {
    let raised = Server::with(&[LIMITED, &[("RATE_LIMIT_PERCENT", "200")]].concat()).await;
    let mut visitor = at(&raised.visitor(), "192.0.2.1");
    let (begun, _) = until_refused(async || visitor.get("/api/webauthn/login/start").await).await;
    assert_eq!(begun, 120);

    let off = Server::with(&[("DISABLE_RATE_LIMITING", "true")]).await;
    let mut visitor = off.visitor();
    for _ in 0..400 {
        visitor.send(Method::GET, "/nowhere", None, &[]).await.expect(404);
    }
}
