//! What a browser must not let happen, and what a provider of passkeys must hear: attacks WR-12 and WA-10.

use std::time::{Duration, Instant};

use chancery_tests::browser::Browser;
use chancery_tests::server::Server;
use serde_json::{Value, json};

use crate::stories::{assert_quiet, enroll, invite};

#[tokio::test]
async fn wr12_hostile_names_stay_text_from_enrollment_to_consent() {
    const HOSTILE: &str = "</script>\u{2028}<script>pwned=1</script><!--";
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    page.add_authenticator(json!({})).await;
    let user = json!({
        "username": "mallory", "firstName": HOSTILE, "lastName": "<img src=x onerror=pwned=1>", "displayName": HOSTILE
    });
    let mut admin = server.admin.clone();
    let made = admin.post("/api/users", &user).await;
    // Characters that cannot be shown are refused outright; the rest is a name like any other.
    assert_eq!(made.status, 400, "{}", made.text);
    let shown = HOSTILE.replace('\u{2028}', "");
    let user = json!({
        "username": "mallory", "firstName": shown, "lastName": "<img src=x onerror=pwned=1>", "displayName": shown
    });
    let id = admin.post("/api/users", &user).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let link = admin.post(&format!("/api/users/{id}/one-time-access-token"), &json!({})).await.expect(201).json();
    let app = server.client(&json!({ "name": "\"><script>pwned=1</script>" })).await;

    enroll(&page, link["url"].as_str().unwrap()).await;
    assert!(page.text("h1").await.contains("</script>"), "{}", page.text("h1").await);
    assert_eq!(page.eval("typeof pwned").await, "undefined");
    page.goto(&format!("{}{}", server.issuer(), app.authorize(&[]))).await;
    page.wait_for_path("/consent").await;
    assert!(page.text("h1").await.contains("<script>"));
    for path in ["/account/passkeys", "/account/sessions", "/account/activity", "/enroll/second"] {
        page.goto(&format!("{}{path}", server.issuer())).await;
        assert_eq!(page.eval("typeof pwned").await, "undefined", "{path}");
    }
    assert_quiet(&page);
}

#[tokio::test]
async fn wa10_no_other_site_shows_our_pages_in_a_frame() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    page.add_authenticator(json!({})).await;
    // The page begins a ceremony as soon as it is shown anywhere.
    let begun = async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM short_lived").fetch_one(&server.app.pool);
        count.await.unwrap()
    };

    page.goto(&format!("data:text/html,<iframe src='{}/login'></iframe>", server.issuer())).await;
    page.goto(&format!("{}/login", server.issuer())).await;
    let deadline = Instant::now() + Duration::from_secs(15);
    while begun().await == 0 {
        assert!(Instant::now() < deadline, "shown by itself, it begins one");
    }

    assert_eq!(begun().await, 1, "in the frame it began none");
}

#[tokio::test]
async fn a_passkey_that_was_removed_here_leaves_its_provider_at_the_next_try() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;
    let mut admin = server.admin.clone();
    let ada = admin.get("/api/users?search=ada").await.json()["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/users/{ada}/webauthn-credentials");
    let passkey = admin.get(&path).await.json()[0]["id"].as_str().unwrap().to_owned();
    admin.send(reqwest::Method::DELETE, &format!("{path}/{passkey}"), None, &[]).await.expect(204);

    page.goto(&format!("{}/login", server.issuer())).await;
    page.until("an explanation", "!document.querySelector('#alert').hidden").await;

    assert!(page.text("#alert").await.contains("not known here any more"));
    assert_eq!(authenticator.credentials().await, Vec::<Value>::new(), "the picker offers it no more");
}

#[tokio::test]
async fn the_passkey_of_somebody_who_is_disabled_stays_with_its_provider() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;
    let mut admin = server.admin.clone();
    let mut ada = admin.get("/api/users?search=ada").await.json()["data"][0].clone();
    let path = format!("/api/users/{}", ada["id"].as_str().unwrap());
    ada["disabled"] = json!(true);
    admin.json(reqwest::Method::PUT, &path, &ada).await.expect(200);

    page.goto(&format!("{}/login", server.issuer())).await;
    page.until("an explanation", "!document.querySelector('#alert').hidden").await;

    assert_eq!(authenticator.credentials().await.len(), 1, "it works again once they are enabled");
}

#[tokio::test]
async fn a_passkey_stays_with_its_provider_where_nobody_knows_whether_it_was_enrolled() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;
    page.goto(&invite(&server, "ada").await).await;
    page.wait_for("#enroll").await;
    // The passkey is recorded, and the answer is lost on its way.
    page.eval(
        "{ const sent = fetch; window.fetch = async (url, more) => { const answer = await sent(url, more); \
         return String(url).endsWith('/finish') ? new Response('{}', { status: 503 }) : answer; } }",
    )
    .await;

    page.click("#enroll").await;
    page.until("an explanation", "!document.querySelector('#alert').hidden").await;

    assert_eq!(authenticator.credentials().await.len(), 1);
    page.goto(&format!("{}/login", server.issuer())).await;
    page.wait_for_path("/account").await;
}
