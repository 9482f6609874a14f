//! Forms that another site's page posts to us: a browser sends none of our `SameSite=Lax` cookies with them.

use axum::Router;
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::get;
use chancery_tests::browser::{Browser, Page};
use chancery_tests::server::Server;
use serde_json::json;

use crate::stories::{app_elsewhere, assert_quiet, enroll, invite};

/// Shows a page of another site, `127.0.0.1`, with a form for this address, and presses its button.
async fn post_from_elsewhere(page: &Page, action: &str, pairs: &[(String, String)]) {
    let members = pairs.iter().map(|(name, value)| format!("<input name='{name}' value='{value}'>"));
    let members = members.collect::<String>();
    let html = format!("<!doctype html><form method=post action='{action}'>{members}<button id=go>Go</button></form>");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/", get(|| async { Html(html) }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    page.goto(&format!("http://{address}/")).await;
    page.click("#go").await;
}

#[tokio::test]
async fn c11_an_authorization_request_that_an_app_posts_finds_who_is_signed_in() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let wiki = app_elsewhere(&server, true).await;
    let page = browser.page().await;
    page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;

    for more in [("nonce", "n"), ("prompt", "none")] {
        let path = wiki.authorize(&[more]);
        let url = url::Url::parse(server.issuer()).unwrap().join(&path).unwrap();
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        post_from_elsewhere(&page, &format!("{}/authorize", server.issuer()), &pairs).await;

        page.wait_for_path("/help").await;
        assert!(page.url().await.contains("?code="), "{more:?}: {}", page.url().await);
    }
    assert_quiet(&page);
}

#[tokio::test]
async fn c47_a_sign_out_that_an_app_posts_ends_the_session() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let wiki = app_elsewhere(&server, true).await;
    let page = browser.page().await;
    let authenticator = page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;
    page.goto(&format!("{}{}", server.issuer(), wiki.authorize(&[]))).await;
    page.wait_for_path("/help").await;
    let url: url::Url = page.url().await.parse().unwrap();
    let code = url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let hint = tokens["id_token"].as_str().unwrap().to_owned();

    let action = format!("{}/api/oidc/end-session", server.issuer());
    post_from_elsewhere(&page, &action, &[("id_token_hint".to_owned(), hint)]).await;

    page.wait_for("#signed-out").await;
    authenticator.set_presence(false).await;
    page.goto(&format!("{}/account", server.issuer())).await;
    page.wait_for_path("/login").await;
    assert_quiet(&page);
}

#[tokio::test]
async fn ru06_consent_leads_back_to_an_app_on_the_loopback_address_of_ipv6() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let app = Router::new().route("/cb", get(|| async { Html("<!doctype html><p id=back>Back") }));
    let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
    let callback = format!("http://{}/cb", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let native = server.client(&json!({ "callbackURLs": ["http://[::1]/cb"] })).await;
    let page = browser.page().await;
    page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;

    page.goto(&format!("{}{}", server.issuer(), native.authorize(&[("redirect_uri", &callback)]))).await;
    page.click("#allow").await;

    page.wait_for("#back").await;
    assert_quiet(&page);
}

/// An app of another origin that answers at this path.
async fn app_at(path: &str, answer: impl IntoResponse + Clone + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route(path, get(|| async { answer }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}{path}")
}

#[tokio::test]
async fn se08_our_forms_lead_back_to_an_app_that_leads_on_to_another_origin() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let guarded = app_at("/app", Html("<!doctype html><p id=back>Back")).await;
    let callback = app_at("/cb", Redirect::to(&guarded)).await;
    let wiki = server.client(&json!({ "callbackURLs": [callback], "logoutCallbackURLs": [callback] })).await;
    let page = browser.page().await;
    page.add_authenticator(json!({})).await;
    enroll(&page, &invite(&server, "ada").await).await;

    let sheets: [(&[_], _); 5] = [
        (&[], "#cancel"),
        (&[], "#allow"),
        (&[("prompt", "select_account")], "#continue"),
        (&[("prompt", "consent")], "#cancel"),
        (&[("prompt", "login")], "#cancel"),
    ];
    for (more, press) in sheets {
        page.goto(&format!("{}{}", server.issuer(), wiki.authorize(more))).await;
        page.click(press).await;
        page.wait_for("#back").await;
    }
    page.goto(&format!(
        "{}/api/oidc/end-session?client_id={}&post_logout_redirect_uri={callback}",
        server.issuer(),
        wiki.id
    ))
    .await;
    page.click("#confirm").await;
    page.wait_for("#back").await;
    assert_quiet(&page);
}
