//! What UserInfo tells of a person: OpenID Connect Core §5.1 to §5.4; conformance 43 to 46 and 69, attack UI-02.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_tests::node::{Client, Person, userinfo};
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

async fn setting() -> (Server, Person, Client) {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    (server, ada, wiki)
}

async fn tokens(server: &Server, ada: &mut Person, client: &Client, scope: &str) -> Value {
    let code = ada.authorize(client, &[("scope", scope)]).await.expect(303).parameter("code").expect("a code");
    client.redeem(server, &code).await.expect(200).json()
}

async fn told(server: &Server, tokens: &Value) -> Value {
    let answer = userinfo(server, tokens["access_token"].as_str().unwrap()).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

async fn set_claims(server: &Server, ada: &Person, claims: &[(&str, &str)]) {
    let claims: Value = claims.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let path = format!("/api/custom-claims/user/{}", ada.id);
    server.admin.clone().json(Method::PUT, &path, &claims).await.expect(200);
}

#[tokio::test]
async fn c43_c69_every_standard_claim_can_be_set_and_has_its_type() {
    let (server, mut ada, wiki) = setting().await;
    let mut admin = server.admin.clone();
    let path = format!("/api/users/{}", ada.id);
    let mut user = admin.get(&path).await.expect(200).json();
    user["locale"] = json!("en");
    admin.json(Method::PUT, &path, &user).await.expect(200);
    let address = r#"{"formatted": "12 St James's Square\nLondon", "country": "GB"}"#;
    set_claims(
        &server,
        &ada,
        &[
            ("middle_name", "King"),
            ("nickname", "Countess"),
            ("profile", "https://people.example/ada"),
            ("website", "https://ada.example"),
            ("gender", "female"),
            ("birthdate", "1815"),
            ("zoneinfo", "Europe/London"),
            ("phone_number", "442079460000"),
            ("phone_number_verified", "true"),
            ("address", address),
        ],
    )
    .await;

    let tokens = tokens(&server, &mut ada, &wiki, "openid profile email").await;
    let mut claims = told(&server, &tokens).await;

    let updated_at = claims.as_object_mut().unwrap().remove("updated_at").unwrap();
    assert!(updated_at.is_i64(), "{updated_at}");
    assert_eq!(
        claims,
        json!({
            "sub": ada.id, "name": "Ada Lindqvist", "display_name": "Ada Lindqvist", "given_name": "Ada",
            "family_name": "Lindqvist", "middle_name": "King", "nickname": "Countess", "preferred_username": "ada",
            "profile": "https://people.example/ada", "website": "https://ada.example", "gender": "female",
            "birthdate": "1815",
            "picture": format!("{}/api/users/{}/profile-picture.png", server.issuer(), ada.id), "zoneinfo": "Europe/London", "locale": "en", "phone_number": "442079460000",
            "phone_number_verified": true, "email": "ada@example.org", "email_verified": true,
            "address": { "formatted": "12 St James's Square\nLondon", "country": "GB" }
        })
    );
}

#[tokio::test]
async fn c43_a_standard_claim_of_another_type_cannot_be_set() {
    let (server, ada, _wiki) = setting().await;
    let mut admin = server.admin.clone();
    let group = json!({ "name": "editors", "friendlyName": "Editors" });
    let group = admin.post("/api/user-groups", &group).await.expect(201).json()["id"].as_str().unwrap().to_owned();

    for (key, value) in [
        ("birthdate", "10.12.1815"),
        ("phone_number_verified", "yes"),
        ("address", "London"),
        ("address", r#"{"country": null}"#),
        ("team", "\"\""),
        ("team", ""),
    ] {
        let claims = json!([{ "key": key, "value": value }]);
        for holder in [format!("user/{}", ada.id), format!("user-group/{group}")] {
            let path = format!("/api/custom-claims/{holder}");
            let answer = admin.json(Method::PUT, &path, &claims).await.expect(400).json();
            assert_eq!(answer["code"], "validation_failed", "{key}: {value}");
        }
    }
}

#[tokio::test]
async fn what_an_administrator_set_is_on_the_consent_sheet_with_the_profile() {
    let (server, mut ada, wiki) = setting().await;
    let address = r#"{"locality": "London"}"#;
    set_claims(&server, &ada, &[("phone_number", "442079460000"), ("level", "3"), ("address", address)]).await;
    let mut sheet = async |scope| {
        let asked = ada.visitor.get(&wiki.authorize(&[("scope", scope)])).await.expect(303);
        ada.visitor.get(asked.header("location")).await.expect(200).text
    };

    let shown = sheet("openid profile").await;
    for (key, value) in [("Phone number", "442079460000"), ("level", "3"), ("Address", "locality: London")] {
        let begins = format!("<li><span>{key}</span><span class=\"value\">");
        let row = shown.split_once(&begins).unwrap_or_else(|| panic!("{key}: {shown}")).1;
        assert!(row.split("</span>").next().unwrap().contains(value), "{key}: {row}");
    }
    assert!(!sheet("openid email").await.contains("442079460000"), "it goes with the profile only");
}

#[tokio::test]
async fn c44_ui02_each_scope_releases_its_claims_and_none_of_anothers() {
    let (server, mut ada, wiki) = setting().await;
    let names = |claims: &Value| {
        let mut names: Vec<_> = claims.as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        names.join(" ")
    };
    let profile = "display_name family_name given_name name nickname picture preferred_username sub updated_at";

    for (scope, expected) in [
        ("openid", "sub"),
        ("openid profile", profile),
        ("openid email", "email email_verified sub"),
        ("openid groups", "groups sub"),
        ("openid offline_access", "sub"),
    ] {
        let tokens = tokens(&server, &mut ada, &wiki, scope).await;
        assert_eq!(names(&told(&server, &tokens).await), expected, "{scope}");
        assert_eq!(tokens["scope"], scope);
    }
}

#[tokio::test]
async fn c45_the_subject_is_the_same_at_userinfo_and_in_the_id_token() {
    let (server, mut ada, wiki) = setting().await;
    let notes = server.client(&json!({ "name": "Notes" })).await;

    for client in [&wiki, &notes] {
        let tokens = tokens(&server, &mut ada, client, "openid").await;
        let body = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
        let id_token: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap();
        assert_eq!(told(&server, &tokens).await["sub"], id_token["sub"]);
        assert_eq!(id_token["sub"], ada.id.as_str(), "public subjects: the same for every app");
    }
}

#[tokio::test]
async fn ui02_only_a_proven_address_is_verified_and_what_is_deleted_disappears() {
    let (server, mut ada, wiki) = setting().await;
    set_claims(&server, &ada, &[("team", "engines")]).await;
    let tokens = tokens(&server, &mut ada, &wiki, "openid profile email").await;
    let before = told(&server, &tokens).await;
    assert_eq!((&before["email_verified"], &before["team"]), (&json!(true), &json!("engines")));

    let profile = json!({
        "username": "ada", "email": "new@example.org", "firstName": "Ada", "lastName": "L", "displayName": "Ada L"
    });
    ada.visitor.json(Method::PUT, "/api/users/me", &profile).await.expect(200);
    set_claims(&server, &ada, &[]).await;

    let after = told(&server, &tokens).await;
    assert_eq!((&after["email"], &after["email_verified"]), (&json!("new@example.org"), &json!(false)));
    assert_eq!(after.get("team"), None);
}
