//! What Pocket ID's tools ask about the instance: its settings, its version, whether it is set up.

use chancery_tests::mailbox::Mailbox;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/application-configuration";

fn value<'a>(settings: &'a Value, key: &str) -> &'a str {
    let found = settings.as_array().unwrap().iter().find(|setting| setting["key"] == key);
    found.unwrap_or_else(|| panic!("no {key} in {settings}"))["value"].as_str().unwrap()
}

#[tokio::test]
async fn everybody_sees_the_public_settings() {
    let server = Server::with(&[("APP_NAME", "The House")]).await;

    let public = server.visitor().get(PATH).await.expect(200).json();

    let setting = |key: &str, value: &str| json!({ "key": key, "type": "", "value": value });
    let flag = |key: &str, value: &str| json!({ "key": key, "type": "boolean", "value": value });
    assert_eq!(
        public,
        json!([
            setting("appName", "The House"),
            setting("homePageUrl", "/account"),
            setting("allowOwnAccountEdit", "true"),
            setting("allowUserSignups", "disabled"),
            setting("requireUserEmail", "false"),
            setting("emailOneTimeAccessAsUnauthenticatedEnabled", "false"),
            setting("emailOneTimeAccessAsAdminEnabled", "false"),
            setting("emailVerificationEnabled", "false"),
            setting("ldapEnabled", "false"),
            flag("uiConfigDisabled", "true"),
            flag("tracingEnabled", "false")
        ])
    );
}

#[tokio::test]
async fn administrators_see_all_settings_but_no_secret() {
    let mailbox = Mailbox::open().await;
    let port = mailbox.port();
    let server = Server::with(&[
        ("SESSION_DURATION", "90"),
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_PORT", &port),
        ("SMTP_TLS", "none"),
        ("SMTP_FROM", "chancery@id.example"),
        ("SMTP_USER", "id"),
        ("SMTP_PASSWORD", "a secret"),
        ("EMAIL_LOGIN_NOTIFICATION_ENABLED", "false"),
    ])
    .await;

    let answer = server.admin.clone().get(&format!("{PATH}/all")).await.expect(200);

    assert!(!answer.text.contains("a secret"));
    let all = answer.json();
    for (key, expected) in [
        ("appName", "Chancery"),
        ("sessionDuration", "90"),
        ("smtpHost", "127.0.0.1"),
        ("smtpPort", &port),
        ("smtpFrom", "chancery@id.example"),
        ("smtpUser", "id"),
        ("smtpPassword", "XXXXXXXXXX"),
        ("smtpTls", "none"),
        ("emailLoginNotificationEnabled", "false"),
        ("emailOneTimeAccessAsAdminEnabled", "true"),
        ("emailVerificationEnabled", "true"),
        ("webauthnUserVerification", "required"),
    ] {
        assert_eq!(value(&all, key), expected, "{key}");
    }
    assert_eq!(all[0], json!({ "key": "appName", "type": "", "value": "Chancery", "isPublic": true }));
    assert_eq!(all[1], json!({ "key": "sessionDuration", "type": "", "value": "90", "isPublic": false }));
    let without = Server::start().await;
    let all = without.admin.clone().get(&format!("{PATH}/all")).await.expect(200).json();
    assert_eq!((value(&all, "smtpHost"), value(&all, "smtpPassword")), ("", ""));
}

#[tokio::test]
async fn settings_are_changed_in_the_environment_only() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    let refused = server.admin.clone().json(Method::PUT, PATH, &json!({ "appName": "Mine" })).await.expect(403);

    assert_eq!(refused.json()["code"], "ui_config_disabled");
    assert_eq!(value(&server.visitor().get(PATH).await.json(), "appName"), "Chancery");
    assert_eq!(ada.visitor.json(Method::PUT, PATH, &json!({})).await.expect(403).json()["code"], "forbidden");
    ada.visitor.get(&format!("{PATH}/all")).await.expect(403);
}

#[tokio::test]
async fn nobody_is_asked_for_a_newer_version() {
    let server = Server::start().await;

    assert_eq!(server.visitor().get("/api/version/latest").await.expect(200).json(), json!({ "latestVersion": "" }));
}

#[tokio::test]
async fn whether_the_first_administrator_is_still_to_come_is_told() {
    let server = Server::start().await;
    // The account of the static API key does not count.
    server.admin.clone().get("/api/users").await.expect(200);

    assert_eq!(server.visitor().get("/api/signup/setup").await.expect(204).text, "");
    server.first_admin().await;
    let done = server.visitor().get("/api/signup/setup").await.expect(404).json();
    assert_eq!(done["code"], "setup_not_available");
}
