//! The main job: someone enrolls a passkey, an app signs them in, and every step is on the record.

use chancery_tests::node::userinfo;
use chancery_tests::server::Server;
use serde_json::json;

#[tokio::test]
async fn an_app_signs_a_person_in_and_every_step_is_on_the_record() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;

    let answer = ada.authorize(&wiki, &[("scope", "openid profile email groups offline_access")]).await.expect(303);
    assert_eq!(answer.location().as_str().split('?').next(), Some("https://wiki.example/cb"));
    assert_eq!(answer.parameter("state").as_deref(), Some("the-state"));
    assert_eq!(answer.parameter("iss").as_deref(), Some(server.issuer()));

    let tokens = wiki.redeem(&server, &answer.parameter("code").unwrap()).await.expect(200);
    assert_eq!(tokens.header("cache-control"), "no-store");
    let tokens = tokens.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 3600);

    let access_token = tokens["access_token"].as_str().unwrap();
    let claims = userinfo(&server, access_token).await.expect(200).json();
    assert_eq!(claims["sub"], ada.id);
    assert_eq!(claims["preferred_username"], "ada");
    assert_eq!(claims["email"], "ada@example.org");
    assert_eq!(claims["email_verified"], true);
    assert_eq!(claims["groups"], json!([]));

    let refreshed = wiki.refresh(&server, tokens["refresh_token"].as_str().unwrap()).await.expect(200).json();
    assert_ne!(refreshed["refresh_token"], tokens["refresh_token"]);
    assert_eq!(wiki.introspect(&server, access_token).await["active"], true);

    let events = server.app.store.feed().read(0, 1000).await.unwrap();
    let names: Vec<_> = events.iter().map(|recorded| recorded.event.name()).collect();
    let told = names.into_iter().filter(|name| !name.starts_with("signing_key."));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "user.registered", // the account of the static API key
            "user.registered",
            "enrollment.issued",
            "enrollment.opened",
            "user.passkey_enrolled",
            "enrollment.redeemed",
            "session.started",
            "client.registered",
            "client.secret_added",
            "consent.given",
            "grant.authorized",
            "grant.tokens_issued",
            "grant.refreshed",
        ]
    );
}
