//! What people do, from the first administrator to a cancelled ceremony.

use chancery_api::accounts;
use chancery_api::http::caller::Caller;
use chancery_tests::browser::{Browser, Page};
use chancery_tests::node::Client;
use chancery_tests::server::Server;
use serde_json::{Value, json};
use time::Duration;

async fn setup_link(server: &Server) -> String {
    accounts::issue_setup_link(&server.app, &Caller::trusted(server.app.system()), Duration::DAY).await.unwrap().url
}

pub async fn invite(server: &Server, username: &str) -> String {
    let mut admin = server.admin.clone();
    let user = json!({ "username": username, "firstName": "Ada", "lastName": "Lindqvist", "email": "ada@example.org" });
    let id = admin.post("/api/users", &user).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let link = admin.post(&format!("/api/users/{id}/one-time-access-token"), &json!({})).await.expect(201).json();
    link["url"].as_str().unwrap().to_owned()
}

/// Enrolls through a link and puts the second passkey off.
pub async fn enroll(page: &Page, link: &str) {
    page.goto(link).await;
    page.wait_for_path("/enroll").await;
    page.click("#enroll").await;
    page.wait_for_path("/enroll/second").await;
    page.click("#skip").await;
    page.wait_for_path("/account").await;
}

/// An app whose callback is a page of another origin.
pub async fn app_elsewhere(server: &Server, trusted: bool) -> Client {
    let callback = format!("{}/help", server.issuer().replace("localhost", "127.0.0.1"));
    server.client(&json!({ "callbackURLs": [callback], "skipConsent": trusted })).await
}

pub fn assert_quiet(page: &Page) {
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn the_first_admin_sets_up_in_a_browser() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;

    page.goto(&setup_link(&server).await).await;
    page.wait_for_path("/enroll").await;
    page.fill("#username", "root").await;
    page.fill("#firstName", "Root").await;
    page.fill("#email", "root@example.org").await;
    page.click("#enroll").await;

    page.wait_for_path("/enroll/second").await;
    assert!(page.text("body").await.contains("only an administrator"), "why one passkey is not enough");
    page.click("#skip").await;
    page.wait_for_path("/account").await;
    assert!(page.text("h1").await.contains("Root"));
    assert_eq!(authenticator.credentials().await.len(), 1);
    page.goto(&format!("{}/admin", server.issuer())).await;
    assert_eq!(page.text("h1").await, "Chancery");
    assert_quiet(&page);
}

#[tokio::test]
async fn an_invited_person_enrolls_signs_out_and_signs_in_by_button() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;
    page.click("#sign-out").await;
    page.wait_for("#signed-out").await;

    // Nobody touches it while the page offers autofill, so that it is the button that signs in.
    authenticator.set_presence(false).await;
    page.goto(&format!("{}/login", server.issuer())).await;
    assert_eq!(page.text("#sign-in").await, "Use a passkey");
    assert_eq!(page.url().await, format!("{}/login", server.issuer()));
    authenticator.set_presence(true).await;
    page.click("#sign-in").await;

    page.wait_for_path("/account").await;
    assert_quiet(&page);
}

#[tokio::test]
async fn autofill_needs_no_press_and_the_field_invites_it() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;
    page.click("#sign-out").await;
    page.wait_for("#signed-out").await;
    authenticator.set_presence(false).await;
    page.goto(&format!("{}/login", server.issuer())).await;
    assert_eq!(page.eval("document.querySelector('#passkey').autocomplete").await, "username webauthn");

    // With somebody there, the request that the page made on load is answered without a press.
    authenticator.set_presence(true).await;
    page.goto(&format!("{}/login", server.issuer())).await;

    page.wait_for_path("/account").await;
    assert_quiet(&page);
}

#[tokio::test]
async fn consent_tells_the_app_and_so_does_cancel() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let wiki = app_elsewhere(&server, false).await;
    let page = browser.page().await;
    page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;

    for (button, told) in [("#cancel", "error=access_denied"), ("#allow", "code=")] {
        page.goto(&format!("{}{}", server.issuer(), wiki.authorize(&[]))).await;
        page.wait_for_path("/consent").await;
        assert!(page.text("body").await.contains("ada@example.org"), "the values are shown");
        page.click(button).await;
        page.wait_for_path("/help").await;
        let url = page.url().await;
        assert!(url.contains(told) && url.contains("state=the-state") && url.contains("iss="), "{url}");
    }
    assert_quiet(&page);
}

#[tokio::test]
async fn a_second_passkey_is_added_behind_a_step_up_and_the_first_removed() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let first = page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;
    server.later(Duration::minutes(6));

    page.goto(&format!("{}/account/passkeys", server.issuer())).await;
    page.click("#add-passkey").await;
    page.wait_for_path("/reauthenticate").await;
    page.click("#reauthenticate").await;
    page.wait_for_path("/account/passkeys").await;
    let kept = first.credentials().await;
    first.remove().await;
    let second = page.add_authenticator(json!({ "transport": "usb" })).await;
    page.click("#add-passkey").await;
    page.until("two passkeys", "document.querySelectorAll('.keyrow').length === 2").await;
    assert_eq!(second.credentials().await.len(), 1);
    assert_eq!(kept.len(), 1);

    page.click("a[href$='/remove']").await;
    page.wait_for("#confirm").await;
    page.click("#confirm").await;
    // The passkey that opened this session is gone, and the session with it.
    page.wait_for_path("/login").await;
    page.click("#sign-in").await;
    page.wait_for_path("/account/passkeys").await;
    page.until("one passkey", "document.querySelectorAll('.keyrow').length === 1").await;
    assert_quiet(&page);
}

#[tokio::test]
async fn a_cancelled_ceremony_says_so_and_leaves_the_way_open() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;
    page.click("#sign-out").await;
    page.wait_for("#signed-out").await;

    authenticator.set_user_verified(false).await;
    page.goto(&format!("{}/login", server.issuer())).await;
    page.click("#sign-in").await;
    page.until("an explanation", "!document.querySelector('#alert').hidden").await;
    let words = page.text("#alert").await;
    assert!(words.contains("cancelled") || words.contains("No passkey"), "{words}");
    assert_eq!(page.eval("document.activeElement.id").await, "sign-in", "focus returns to the button");

    authenticator.set_user_verified(true).await;
    page.click("#sign-in").await;
    page.wait_for_path("/account").await;
}

#[tokio::test]
async fn a_copied_passkey_is_stopped_with_words_for_people() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;
    page.click("#sign-out").await;
    page.wait_for("#signed-out").await;
    let mut copy: Value = authenticator.credentials().await.remove(0);
    copy["signCount"] = json!(0);
    authenticator.clear().await;
    authenticator.add(&copy).await;

    page.goto(&format!("{}/login", server.issuer())).await;
    page.until("an explanation", "!document.querySelector('#alert').hidden").await;

    assert!(page.text("#alert").await.contains("stopped this passkey to protect you"));
    let events = server.app.store.feed().read(0, 1000).await.unwrap();
    assert!(events.iter().any(|recorded| recorded.event.name() == "user.passkey_suspended"));
}

#[tokio::test]
async fn a_session_ended_elsewhere_is_over_here() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;
    let ada = server.admin.clone().get("/api/users?search=ada").await.json()["data"][0]["id"].clone();

    authenticator.set_presence(false).await;
    let path = format!("/api/users/{}/sessions", ada.as_str().unwrap());
    server.admin.clone().send(reqwest::Method::DELETE, &path, None, &[]).await.expect(204);

    page.goto(&format!("{}/account", server.issuer())).await;
    page.wait_for_path("/login").await;
}

#[tokio::test]
async fn az07_an_app_that_asks_for_a_fresh_sign_in_gets_one() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let wiki = app_elsewhere(&server, true).await;
    let page = browser.page().await;
    page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;
    server.later(Duration::minutes(1));

    page.goto(&format!("{}{}", server.issuer(), wiki.authorize(&[("prompt", "login")]))).await;
    page.wait_for_path("/reauthenticate").await;
    server.later(Duration::seconds(1));
    page.click("#reauthenticate").await;

    page.wait_for_path("/help").await;
    assert!(page.url().await.contains("code="), "{}", page.url().await);
    assert_quiet(&page);
}

#[tokio::test]
async fn c28_an_answer_by_form_post_reaches_the_app_by_itself() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let wiki = app_elsewhere(&server, true).await;
    let page = browser.page().await;
    page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;

    for more in [("nonce", "n"), ("prompt", "none login")] {
        let path = wiki.authorize(&[("response_mode", "form_post"), more]);
        page.goto(&format!("{}{path}", server.issuer())).await;
        // The app's address takes no posts here; what counts is that the form got there, and nothing is in the query.
        page.until("the app", "location.hostname === '127.0.0.1' && document.readyState === 'complete'").await;
        assert_eq!(page.url().await, wiki.redirect_uri);
    }
    assert_quiet(&page);
}

#[tokio::test]
async fn what_was_entered_outlives_the_session_for_whoever_entered_it() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;
    page.goto(&setup_link(&server).await).await;
    page.wait_for_path("/enroll").await;
    page.fill("#username", "root").await;
    page.fill("#firstName", "Root").await;
    page.click("#enroll").await;
    page.wait_for_path("/enroll/second").await;
    let account = format!("{}/account", server.issuer());
    let last_name = "document.querySelector('[name=last_name]').value";

    page.goto(&account).await;
    page.fill("[name=last_name]", "Byron").await;
    server.later(Duration::days(31));
    page.click("#save").await;
    // The browser offers the passkey in the field, and the authenticator says yes to it.
    page.wait_for("#kept:not([hidden])").await;
    assert_eq!(page.url().await, account);
    assert_eq!(page.eval(last_name).await, "Byron");

    server.later(Duration::days(31));
    authenticator.clear().await;
    page.click("#save").await;
    page.wait_for_path("/login").await;
    enroll(&page, &invite(&server, "ada").await).await;
    page.goto(&account).await;
    page.wait_for("#kept[hidden]").await;
    assert_eq!(page.eval(last_name).await, "Lindqvist", "somebody else sees nothing of it");
    assert_quiet(&page);
}

#[tokio::test]
async fn what_was_entered_outlives_a_ceremony_and_an_error() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    page.add_authenticator(json!({})).await;
    page.goto(&setup_link(&server).await).await;
    page.wait_for_path("/enroll").await;
    page.fill("#username", "root").await;
    page.fill("#firstName", "Root").await;
    page.click("#enroll").await;
    page.wait_for_path("/enroll/second").await;
    let new = format!("{}/admin/apps/new", server.issuer());

    for (press, name) in [("#cancel", "Forgejo"), ("#reauthenticate", "Coder")] {
        server.later(Duration::minutes(6));
        page.goto(&new).await;
        assert_eq!(page.eval("document.querySelector('[name=name]').value").await, "", "another time is another time");
        page.fill("[name=name]", name).await;
        page.fill("[name=callback_urls]", "https://app.example/a\nhttps://app.example/b").await;
        page.click("[name=skip_consent]").await;
        page.click("#audience-groups").await;
        page.click("#create").await;
        page.wait_for_path("/reauthenticate").await;
        page.click(press).await;

        page.wait_for("#kept:not([hidden])").await;
        assert_eq!(page.url().await, new);
        let held = "(() => { const { name, callback_urls, skip_consent, pkce_enabled, audience } = \
                    document.querySelector('.hall form').elements; return [name.value, callback_urls.value, \
                    skip_consent.checked, pkce_enabled.checked, audience.value]; })()";
        let lines = "https://app.example/a\nhttps://app.example/b";
        assert_eq!(page.eval(held).await, json!([name, lines, true, true, "groups"]));
    }
    let long = "x".repeat(70_000);
    page.fill("[name=callback_urls]", &long).await;
    page.click("#create").await;
    page.wait_for("#error").await;
    page.eval("history.back()").await;
    page.wait_for("#kept:not([hidden])").await;
    assert_eq!(page.eval("document.querySelector('[name=callback_urls]').value").await, long, "an error is in between");
    page.fill("[name=callback_urls]", "https://app.example/a").await;
    page.click("#create").await;
    page.until("the app", "document.querySelector('h1').textContent === 'Coder'").await;
    assert_quiet(&page);
}
