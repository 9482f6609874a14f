//! Redirect URIs: RFC 9700 §2.1, RFC 8252 §7; attacks RU.

use chancery_domain::client::{Client as ClientAggregate, ClientCommand};
use chancery_tests::node::Client;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn ru01_to_ru04_anything_but_the_registered_characters_gets_a_page() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let app = server.client(&json!({ "callbackURLs": ["https://app.example/cb"] })).await;

    for mutation in [
        "https://app.example/cb/",
        "https://app.example/CB",
        "https://APP.example/cb",
        "HTTPS://app.example/cb",
        "https://app.example:443/cb",
        "https://app.example:8443/cb",
        "https://app.example/cb?x=1",
        "https://app.example/cb#x",
        "https://app.example/cb/../cb",
        "https://app.example/./cb",
        "https://app.example./cb",
        "https://app.example/cb.",
        "https://app.example/cb%20",
        "https://app.example/%63b",
        "https://app.example//cb",
        "https://app.example/cb;x",
        "http://app.example/cb",
        "https://app.example",
        "https://app.example/",
        "app.example/cb",
        "//app.example/cb",
        "/cb",
        "https:/app.example/cb",
        "https:app.example/cb",
        "https://app.example@evil.example/cb",
        "https://app.example:443@evil.example/cb",
        "https://app.example%40evil.example/cb",
        "https://evil.example/https://app.example/cb",
        "https://evil.example?https://app.example/cb",
        "https://evil.example#https://app.example/cb",
        "https://app.example.evil.tld/cb",
        "https://evilapp.example/cb",
        "https://appXexample/cb",
        "https://xn--pp-gia.example/cb",
        "https://аpp.example/cb",
        "https://sub.app.example/cb",
        "https://app.example\\@evil.example/cb",
        "https://app.example\t/cb",
        " https://app.example/cb",
        "https://app.example/cb ",
        "https://app.example/cb\n",
        "javascript:alert(1)",
        "data:text/html,x",
        "",
    ] {
        let answer = ada.visitor.get(&app.authorize(&[("redirect_uri", mutation)])).await;
        assert_eq!(answer.status, 400, "{mutation:?}");
        assert!(answer.headers.get("location").is_none(), "{mutation:?}");
    }
}

#[tokio::test]
async fn ru05_ru07_what_would_be_dangerous_cannot_be_registered() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let wiki = format!("/api/oidc/clients/{}", server.client(&json!({})).await.id);

    for uri in [
        "javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://x/y",
        "http://app.example/cb",
        "https://user@app.example/cb",
        "https://app.example/cb#f",
        "*",
        "https://*",
        "https://*.com/*",
        "https://*foo.com/*",
        "/relative",
        "https://",
        "not a uri",
    ] {
        for field in ["callbackURLs", "logoutCallbackURLs"] {
            for (method, path) in [(Method::POST, "/api/oidc/clients"), (Method::PUT, wiki.as_str())] {
                let answer = admin.json(method, path, &json!({ "name": "App", field: [uri] })).await;
                assert_eq!(answer.status, 400, "{uri}");
                assert_eq!(answer.json()["code"], "validation_failed");
                assert_eq!(answer.json()["details"]["fields"][0]["field"], format!("{field}[0]"));
            }
        }
    }
    for url in
        ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "https://a@b.example", "x"]
    {
        for (method, path) in [(Method::POST, "/api/oidc/clients"), (Method::PUT, wiki.as_str())] {
            let answer = admin.json(method, path, &json!({ "name": "App", "launchURL": url })).await.expect(400).json();
            assert_eq!(answer["details"]["fields"][0]["field"], "launchURL", "{url}");
        }
    }
    let launched = json!({ "name": "App", "launchURL": "http://app.example" });
    admin.json(Method::PUT, &wiki, &launched).await.expect(200);
}

#[tokio::test]
async fn ru06_a_literal_loopback_address_may_have_any_port() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let uris = ["http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost:8000/cb", "app.immich:///oauth-callback"];
    let native = server.client(&json!({ "callbackURLs": uris, "skipConsent": true })).await;

    for uri in ["http://127.0.0.1:51234/cb", "http://127.0.0.1/cb", "http://[::1]:1/cb", "http://localhost:8000/cb"] {
        let answer = ada.visitor.get(&native.authorize(&[("redirect_uri", uri)])).await.expect(303);
        assert!(answer.location().as_str().starts_with(uri), "{uri}");
    }
    let custom = ada.visitor.get(&native.authorize(&[("redirect_uri", "app.immich:///oauth-callback")])).await;
    assert!(custom.expect(303).header("location").starts_with("app.immich:///oauth-callback?code="));
    for uri in [
        "http://localhost:8001/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://localhost.evil.example/cb",
        "http://2130706433/cb",
        "http://127.0.0.1:1/other",
        "http://127.0.0.1:1/cb?x",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:/cb",
        "https://127.0.0.1/cb",
        "http://127.1/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://127.0.0.1:1@evil.example/cb",
    ] {
        ada.visitor.get(&native.authorize(&[("redirect_uri", uri)])).await.expect(400);
    }
}

/// What becomes of the app while somebody looks at its consent sheet.
enum Meanwhile {
    Unregistered,
    Disabled,
    Deleted,
}

async fn befalls(server: &Server, wiki: &Client, meanwhile: &Meanwhile) {
    let mut admin = server.admin.clone();
    let path = format!("/api/oidc/clients/{}", wiki.id);
    match meanwhile {
        Meanwhile::Unregistered => {
            let settings = json!({ "name": "Wiki", "callbackURLs": ["https://wiki.example/other"] });
            admin.json(Method::PUT, &path, &settings).await.expect(200);
        }
        Meanwhile::Disabled => {
            let system = server.app.system();
            server.app.store.execute::<ClientAggregate>(&wiki.id, ClientCommand::Disable, &system).await.unwrap();
        }
        Meanwhile::Deleted => drop(admin.send(Method::DELETE, &path, None, &[]).await.expect(204)),
    }
}

#[tokio::test]
async fn ru08_what_an_app_may_not_hear_any_more_it_does_not_hear_whatever_is_pressed() {
    for meanwhile in [Meanwhile::Unregistered, Meanwhile::Disabled, Meanwhile::Deleted] {
        let server = Server::start().await;
        let mut ada = server.person("ada").await;
        let wiki = server.client(&json!({})).await;
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(ada.visitor.get(&wiki.authorize(&[])).await.parameter("interaction").unwrap());
        }
        befalls(&server, &wiki, &meanwhile).await;
        let before = server.app.store.feed().head().await.unwrap();

        for (page, answer, interaction) in [
            ("/consent", "cancel", &waiting[0]),
            ("/consent", "allow", &waiting[1]),
            ("/select-account", "continue", &waiting[2]),
            ("/select-account", "switch", &waiting[2]),
        ] {
            let form = [("interaction", interaction.as_str()), ("answer", answer)];
            let told = ada.visitor.form(page, &form).await.expect(400);
            assert!(told.headers.get("location").is_none(), "{page} {answer}");
            ada.visitor.get(&format!("/authorize?interaction={interaction}")).await.expect(400);
            ada.visitor.get(&format!("{page}?interaction={interaction}")).await.expect(400);
        }
        assert_eq!(server.app.store.feed().head().await.unwrap(), before, "no consent, no code, and nobody signed out");
        ada.visitor.get("/api/users/me").await.expect(200);
    }
}
