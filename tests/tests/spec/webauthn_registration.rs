//! Registrations that are not what they should be: WebAuthn Level 3 §7.1; attacks WR.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use serde_json::{Value, json};
use time::Duration;

async fn begin(ada: &mut Person) -> Value {
    ada.visitor.get("/api/webauthn/register/start").await.expect(200).json()
}

async fn finish(ada: &mut Person, response: &Value) -> (u16, Value) {
    let answer = ada.visitor.post("/api/webauthn/register/finish", response).await;
    (answer.status, answer.json())
}

async fn held(ada: &mut Person) -> usize {
    ada.visitor.get("/api/webauthn/credentials").await.expect(200).json().as_array().unwrap().len()
}

/// The response with another client data.
fn with_client_data(mut response: Value, change: impl FnOnce(&mut Value)) -> Value {
    let text = response["response"]["clientDataJSON"].as_str().unwrap();
    let mut data: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    change(&mut data);
    response["response"]["clientDataJSON"] = json!(URL_SAFE_NO_PAD.encode(data.to_string()));
    response
}

/// The response with another authenticator data in its attestation object, whose last member it is.
fn with_authenticator_data(mut response: Value, change: impl FnOnce(&mut Vec<u8>)) -> Value {
    let object = URL_SAFE_NO_PAD.decode(response["response"]["attestationObject"].as_str().unwrap()).unwrap();
    let name = b"authData";
    let start = object.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    let head = if object[start] == 0x58 { 2 } else { 3 };
    let mut data = object[start + head..].to_vec();
    change(&mut data);
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    let object = [&object[..start], &[0x59], &length, &data].concat();
    response["response"]["attestationObject"] = json!(URL_SAFE_NO_PAD.encode(object));
    response
}

#[tokio::test]
async fn wr01_a_challenge_is_good_for_five_minutes_in_one_browser_and_for_one_person() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let unknown =
        |answer: (u16, Value)| assert_eq!((answer.0, &answer.1["code"]), (400, &json!("invalid_webauthn_session")));

    let options = begin(&mut ada).await;
    assert!(options["timeout"].as_u64().unwrap() < 300_000, "the browser gives up first");
    let late = SoftAuthenticator::new().create(&options, server.issuer());
    server.later(Duration::minutes(5));
    unknown(finish(&mut ada, &late).await);

    ada.step_up().await.expect(204);
    let options = begin(&mut ada).await;
    let response = SoftAuthenticator::new().create(&options, server.issuer());
    let mut elsewhere = Person { visitor: server.visitor(), ..ada.clone() };
    elsewhere.sign_in().await.expect(200);
    unknown(finish(&mut elsewhere, &response).await);
    let mut bob = server.person("bob").await;
    unknown(finish(&mut bob, &response).await);
    server.later(Duration::minutes(5) - Duration::SECOND);
    assert_eq!(finish(&mut ada, &response).await.0, 200, "nobody used it up");

    // Somebody else signs in in the browser where it was begun.
    ada.step_up().await.expect(204);
    let options = begin(&mut ada).await;
    let response = SoftAuthenticator::new().create(&options, server.issuer());
    bob.visitor = ada.visitor.clone();
    bob.sign_in().await.expect(200);
    unknown(finish(&mut bob, &response).await);
    assert_eq!(held(&mut bob).await, 1);
    ada.visitor = server.visitor();
    ada.sign_in().await.expect(200);
    assert_eq!(held(&mut ada).await, 2);
}

#[tokio::test]
async fn wr02_wr05_what_is_not_a_whole_new_passkey_of_an_offered_kind_is_refused() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, Change); 7] = [
        ("empty", |data| data.clear()),
        ("without a credential", |data| data.truncate(37)),
        ("cut off in the key", |data| data.truncate(100)),
        ("followed by more", |data| data.extend([0; 8])),
        ("flagged as having no credential", |data| data[32] &= !0x40),
        ("longer credential id than there is", |data| data[53] = 0xFF),
        ("of an algorithm that was not offered", |data| {
            let key = [0x01, 0x02, 0x03, 0x26];
            let at = data.windows(4).rposition(|window| window == key).unwrap();
            data[at + 3] = 0x27;
        }),
    ];

    for (what, change) in changes {
        let options = begin(&mut ada).await;
        let response = with_authenticator_data(SoftAuthenticator::new().create(&options, server.issuer()), change);
        assert_eq!(finish(&mut ada, &response).await.0, 400, "{what}");
    }
    let options = begin(&mut ada).await;
    let made = SoftAuthenticator::new().create(&options, server.issuer());
    let response = with_client_data(made, |data| data["type"] = json!("webauthn.get"));
    assert_eq!(finish(&mut ada, &response).await.0, 400, "a sign-in is no registration");
    let options = begin(&mut ada).await;
    let mut response = SoftAuthenticator::new().create(&options, server.issuer());
    response["clientExtensionResults"]["credProps"]["rk"] = json!(false);
    let (status, error) = finish(&mut ada, &response).await;
    assert_eq!(status, 400);
    assert!(error["error"].as_str().unwrap().contains("can’t store passkeys"), "{error}");
    assert_eq!(held(&mut ada).await, 1);

    // The helpers change nothing but what they are told to.
    let options = begin(&mut ada).await;
    let made = SoftAuthenticator::new().create(&options, server.issuer());
    let same = with_authenticator_data(with_client_data(made, |_| {}), |_| {});
    assert_eq!(finish(&mut ada, &same).await.0, 200);
}

#[tokio::test]
async fn wr03_no_other_origin_registers_anything() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let port = server.issuer().rsplit(':').next().unwrap().to_owned();

    for origin in [
        "https://evil.example".to_owned(),
        format!("http://badlocalhost:{port}"),
        format!("http://sub.localhost:{port}"),
        format!("https://localhost:{port}"),
        "http://localhost:1".to_owned(),
        "http://localhost".to_owned(),
        "null".to_owned(),
        String::new(),
    ] {
        let options = begin(&mut ada).await;
        let mut authenticator = SoftAuthenticator { origin: Some(origin.clone()), ..SoftAuthenticator::new() };
        let response = authenticator.create(&options, server.issuer());
        assert_eq!(finish(&mut ada, &response).await.0, 400, "{origin:?}");
    }
    for (member, value) in [("topOrigin", json!("https://evil.example")), ("crossOrigin", json!("no"))] {
        let options = begin(&mut ada).await;
        let made = SoftAuthenticator::new().create(&options, server.issuer());
        let response = with_client_data(made, |data| data[member] = value);
        assert_eq!(finish(&mut ada, &response).await.0, 400, "{member}");
    }
    assert_eq!(held(&mut ada).await, 1);
}

#[tokio::test]
async fn wr04_the_user_handle_says_nothing_of_the_person() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    let options = begin(&mut ada).await;

    let handle = URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
    assert_eq!(handle.len(), 16, "WebAuthn Level 3 §5.4.3 allows 64 bytes at most");
    assert_eq!(uuid::Uuid::from_slice(&handle).unwrap().to_string(), ada.id);
    assert!(options["user"]["name"].as_str().unwrap().len() <= 64);
}

#[tokio::test]
async fn wr07_of_ten_who_hold_one_link_one_enrolls() {
    let server = Server::start().await;
    let template = server.person("template").await;
    let user = json!({ "username": "ada", "firstName": "Ada" });
    let id = server.admin.clone().post("/api/users", &user).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/users/{id}/one-time-access-token");
    let link = server.admin.clone().post(&path, &json!({})).await.expect(201).json()["token"].clone();
    let link = link.as_str().unwrap();

    // All have begun before the first one ends.
    let mut ready = Vec::new();
    for _ in 0..10 {
        let mut person =
            Person { visitor: server.visitor(), authenticator: SoftAuthenticator::new(), ..template.clone() };
        person.visitor.get(&format!("/enroll/{link}")).await.expect(303);
        let options = person.visitor.post("/api/enrollment/start", &json!({})).await.expect(200).json();
        let response = person.authenticator.create(&options, server.issuer());
        ready.push((person, response));
    }
    let mut tries = Vec::new();
    for (mut person, response) in ready {
        tries.push(tokio::spawn(async move { person.visitor.post("/api/enrollment/finish", &response).await.status }));
    }
    let mut enrolled = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            204 => enrolled += 1,
            status => assert!(matches!(status, 401 | 409), "{status}"),
        }
    }

    assert_eq!(enrolled, 1);
    let credentials = format!("/api/users/{id}/webauthn-credentials");
    assert_eq!(server.admin.clone().get(&credentials).await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn wr09_another_site_cannot_finish_what_a_person_began() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let options = begin(&mut ada).await;
    let response = SoftAuthenticator::new().create(&options, server.issuer()).to_string();
    let json = ("content-type", "application/json");

    for from in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")]
    {
        let post = reqwest::Method::POST;
        let path = "/api/webauthn/register/finish";
        ada.visitor.send(post, path, Some(response.clone()), &[json, from]).await.expect(403);
    }

    assert_eq!(held(&mut ada).await, 1);
}
