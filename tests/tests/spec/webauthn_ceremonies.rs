//! WebAuthn ceremonies over HTTP: Level 3 §7.1 and §7.2; attacks WR, WA and RL-06.

use chancery_domain::Event;
use chancery_domain::sign_in_attempt::{FailureReason, SignInAttemptEvent};
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use serde_json::{Value, json};
use time::Duration;

async fn recorded(server: &Server) -> Vec<String> {
    let events = server.app.store.feed().read(0, 1000).await.unwrap();
    events.iter().map(|recorded| recorded.event.name().to_owned()).collect()
}

/// Reasons and counts of the refused sign-ins on the record.
async fn failures(server: &Server) -> Vec<(FailureReason, u32)> {
    let events = server.app.store.feed().read(0, 1000).await.unwrap();
    let failed = events.into_iter().filter_map(|recorded| match recorded.event {
        Event::SignInAttempt(SignInAttemptEvent::Failed(failed)) => Some((failed.reason, failed.count)),
        _ => None,
    });
    failed.collect()
}

async fn begin(ada: &mut Person) -> Value {
    ada.visitor.get("/api/webauthn/login/start").await.expect(200).json()
}

#[tokio::test]
async fn options_name_nobody_and_ask_for_a_discoverable_verified_passkey() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    let request = begin(&mut ada).await;
    assert_eq!(request["rpId"], "localhost");
    assert_eq!(request["userVerification"], "required");
    assert_eq!(request.get("allowCredentials"), None);
    assert!(request["challenge"].as_str().unwrap().len() >= 43);

    let creation = ada.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    assert_eq!(creation["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(creation["authenticatorSelection"]["requireResidentKey"], true);
    assert_eq!(creation["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(creation["user"]["name"], "ada");
    assert_eq!(creation["excludeCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(creation["excludeCredentials"][0]["transports"], json!(["internal", "hybrid"]));
}

#[tokio::test]
async fn wa01_a_response_signs_in_once() {
    let server = Server::start().await;
    let second = server.second().await;
    let mut ada = server.person("ada").await;
    let options = begin(&mut ada).await;
    let response = ada.authenticator.get(&options, server.issuer());
    ada.visitor.post("/api/webauthn/login/finish", &response).await.expect(200);

    let answer = ada.visitor.post("/api/webauthn/login/finish", &response).await.expect(400);
    assert_eq!(answer.json()["code"], "invalid_webauthn_session");
    ada.visitor.base = second.base.clone();
    ada.visitor.post("/api/webauthn/login/finish", &response).await.expect(400);

    assert_eq!(failures(&server).await[0].0, FailureReason::ChallengeExpiredOrReused);
}

#[tokio::test]
async fn wa01_a_response_sent_forty_times_at_once_to_two_nodes_signs_in_once() {
    let server = Server::start().await;
    let second = server.second().await;
    let mut ada = server.person("ada").await;
    let options = begin(&mut ada).await;
    let response = ada.authenticator.get(&options, server.issuer());

    let sent = [&server.base, &second.base].into_iter().cycle().take(40).map(|base| {
        let (mut visitor, response) = (ada.visitor.clone(), response.clone());
        visitor.base = base.clone();
        tokio::spawn(async move { visitor.post("/api/webauthn/login/finish", &response).await.status })
    });
    let mut statuses = Vec::new();
    for answer in sent.collect::<Vec<_>>() {
        statuses.push(answer.await.unwrap());
    }

    statuses.sort_unstable();
    assert_eq!(statuses, [[200].as_slice(), &[400; 39]].concat());
}

#[tokio::test]
async fn wa02_a_challenge_belongs_to_its_browser_and_expires() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let options = begin(&mut ada).await;
    let response = ada.authenticator.get(&options, server.issuer());

    let mut other = server.visitor();
    let answer = other.post("/api/webauthn/login/finish", &response).await.expect(400);
    assert_eq!(answer.json()["code"], "missing_session_id");
    other.get("/api/webauthn/login/start").await.expect(200);
    let answer = other.post("/api/webauthn/login/finish", &response).await.expect(400);
    assert_eq!(answer.json()["code"], "invalid_webauthn_session");

    server.later(Duration::minutes(5));
    ada.visitor.post("/api/webauthn/login/finish", &response).await.expect(400);
    assert!(!other.cookies.contains_key("__Host-session"));
}

#[tokio::test]
async fn wa06_what_does_not_verify_is_refused_and_on_the_record_with_its_reason() {
    let server = Server::start().await;
    let base = server.person("ada").await;
    type Spoil = fn(&mut SoftAuthenticator);
    let spoiled: [(Spoil, u16, FailureReason); 7] = [
        (|a| a.bad_signature = true, 401, FailureReason::BadSignature),
        (|a| a.user_verified = false, 400, FailureReason::UserVerificationMissing),
        (|a| a.origin = Some("https://evil.example".into()), 401, FailureReason::OriginMismatch),
        (|a| a.origin = Some("http://badlocalhost".into()), 401, FailureReason::OriginMismatch),
        (|a| a.cross_origin = true, 401, FailureReason::OriginMismatch),
        (|a| a.rp_id = Some("evil.example".into()), 401, FailureReason::OriginMismatch),
        (|a| a.user_handle = Some(vec![7; 16]), 401, FailureReason::UnknownPasskey),
    ];

    for (spoil, status, reason) in spoiled {
        let mut ada = base.clone();
        ada.visitor = server.visitor();
        spoil(&mut ada.authenticator);
        server.later(Duration::seconds(2));
        let answer = ada.sign_in().await;
        assert_eq!(answer.status, status, "{reason:?}: {}", answer.text);
        assert!(answer.headers.get("set-cookie").is_none());
        assert_eq!(failures(&server).await.last().unwrap().0, reason);
    }
}

#[tokio::test]
async fn wa07_an_unknown_a_removed_and_a_disabled_ones_passkey_get_the_same_answer() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let mut disabled = server.person("disabled").await;
    let mut erased = server.person("erased").await;
    let mut user = admin.get(&format!("/api/users/{}", disabled.id)).await.json();
    user["disabled"] = json!(true);
    admin.json(reqwest::Method::PUT, &format!("/api/users/{}", disabled.id), &user).await.expect(200);
    admin.send(reqwest::Method::DELETE, &format!("/api/users/{}", erased.id), None, &[]).await.expect(204);
    let mut stranger = Person { visitor: server.visitor(), ..disabled.clone() };
    stranger.authenticator = SoftAuthenticator { user_handle: Some(vec![1; 16]), ..SoftAuthenticator::new() };

    for person in [&mut disabled, &mut erased, &mut stranger] {
        let answer = person.sign_in().await.expect(401).json();
        assert_eq!(answer["code"], "webauthn_authentication_failed");
        assert_eq!(answer["error"], "This passkey is not known here any more. Use another one.");
    }
}

#[tokio::test]
async fn wa07_a_provider_forgets_only_what_is_not_here_at_all() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let (mut ada, bob) = (server.person("ada").await, server.person("bob").await);
    let path = format!("/api/users/{}", ada.id);
    let mut user = admin.get(&path).await.json();

    // Another person's passkey in a step-up, which is here, but does not count.
    let options = ada.visitor.get("/api/webauthn/reauthenticate/start").await.expect(200).json();
    let response = bob.authenticator.clone().get(&options, server.issuer());
    let answer = ada.visitor.post("/api/webauthn/reauthenticate", &response).await.expect(401).json();
    assert_eq!(answer.get("details"), None, "{answer}");
    // Somebody who is disabled may come back.
    user["disabled"] = json!(true);
    admin.json(reqwest::Method::PUT, &path, &user).await.expect(200);
    let answer = ada.sign_in().await.expect(401).json();
    assert_eq!(answer.get("details"), None, "{answer}");
    user["disabled"] = json!(false);
    admin.json(reqwest::Method::PUT, &path, &user).await.expect(200);

    ada.sign_in().await.expect(200);
}

#[tokio::test]
async fn rl06_failures_of_one_person_are_not_told_as_those_of_another() {
    let server = Server::start().await;
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    for person in [&ada, &bob, &bob] {
        let mut thief = Person { visitor: server.visitor(), ..person.clone() };
        thief.authenticator.bad_signature = true;
        thief.sign_in().await.expect(401);
    }

    server.later(Duration::seconds(2));
    server.app.failures.flush(&server.app).await;

    let events = server.app.store.feed().read(0, 1000).await.unwrap();
    let mut counts = std::collections::BTreeMap::new();
    for recorded in events {
        if let Event::SignInAttempt(SignInAttemptEvent::Failed(failed)) = recorded.event {
            *counts.entry(failed.user_id.unwrap().to_string()).or_default() += failed.count;
        }
    }
    assert_eq!(counts, std::collections::BTreeMap::from([(ada.id, 1), (bob.id, 2)]));
}

#[tokio::test]
async fn wa04_a_counter_that_goes_back_suspends_the_passkey() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    ada.step_up().await.expect(204);
    let options = ada.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let mut key = SoftAuthenticator::hardware();
    let made = key.create(&options, server.issuer());
    ada.visitor.post("/api/webauthn/register/finish", &made).await.expect(200);
    let mut with_key = Person { visitor: server.visitor(), authenticator: key, ..ada.clone() };
    with_key.sign_in().await.expect(200);
    let copy = with_key.authenticator.clone();
    with_key.sign_in().await.expect(200);

    with_key.authenticator = copy;
    let answer = with_key.sign_in().await.expect(401).json();

    assert_eq!(answer["code"], "passkey_suspended");
    assert!(recorded(&server).await.contains(&"user.passkey_suspended".to_owned()));
    with_key.authenticator.counter = 100;
    with_key.sign_in().await.expect(401);
    assert_eq!(with_key.visitor.get("/api/users/me").await.status, 401, "SE-03: its sessions ended");
    Person { visitor: server.visitor(), ..ada }.sign_in().await.expect(200);
}

#[tokio::test]
async fn wr01_wr03_wr05_a_bad_registration_is_refused_and_its_challenge_is_gone() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    type Spoil = fn(&mut SoftAuthenticator);
    let spoiled: [Spoil; 6] = [
        |a| a.user_verified = false,
        |a| a.user_present = false,
        |a| a.origin = Some("https://badexample.com".into()),
        |a| a.cross_origin = true,
        |a| a.rp_id = Some("evil.example".into()),
        |a| (a.backup_eligible, a.backed_up) = (false, true),
    ];

    for (nth, spoil) in spoiled.into_iter().enumerate() {
        let options = ada.visitor.get("/api/webauthn/register/start").await.expect(200).json();
        let mut authenticator = SoftAuthenticator::new();
        spoil(&mut authenticator);
        let response = authenticator.create(&options, server.issuer());
        let answer = ada.visitor.post("/api/webauthn/register/finish", &response).await;
        assert_eq!(answer.status, 400, "{nth}: {}", answer.text);
        let again = ada.visitor.post("/api/webauthn/register/finish", &response).await.expect(400);
        assert_eq!(again.json()["code"], "invalid_webauthn_session");
    }
    assert_eq!(ada.visitor.get("/api/webauthn/credentials").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn wr01_one_attestation_makes_one_passkey_for_one_person() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut bob = server.person("bob").await;
    let options = bob.visitor.get("/api/webauthn/register/start").await.expect(200).json();

    let stolen = ada.authenticator.clone().create(&options, server.issuer());
    let answer = bob.visitor.post("/api/webauthn/register/finish", &stolen).await;

    assert_eq!(answer.status, 409, "{}", answer.text);
    assert_eq!(bob.visitor.get("/api/webauthn/credentials").await.json().as_array().unwrap().len(), 1);
    ada.sign_in().await.expect(200);
}

#[tokio::test]
async fn wr09_wr10_changing_passkeys_needs_a_recent_ceremony_and_never_takes_the_last() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let only = ada.visitor.get("/api/webauthn/credentials").await.json()[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/webauthn/credentials/{only}");
    let delete = reqwest::Method::DELETE;

    let answer = ada.visitor.send(delete.clone(), &path, None, &[]).await.expect(409);
    assert_eq!(answer.json()["code"], "last_passkey");

    server.later(Duration::minutes(6));
    let answer = ada.visitor.get("/api/webauthn/register/start").await.expect(401);
    assert_eq!(answer.json()["code"], "reauthentication_required");
    ada.visitor.send(delete.clone(), &path, None, &[]).await.expect(401);
    let mut with_key = server.admin.clone();
    with_key.get("/api/webauthn/register/start").await.expect(403);

    ada.step_up().await.expect(204);
    let options = ada.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let aaguid = uuid::uuid!("d548826e-79b4-db40-a3d8-11116f7e8349").into_bytes();
    let second = SoftAuthenticator { aaguid, ..SoftAuthenticator::new() }.create(&options, server.issuer());
    let made = ada.visitor.post("/api/webauthn/register/finish", &second).await.expect(200).json();
    assert_eq!(made["backupEligible"], true);
    assert_eq!(made["name"], "Bitwarden", "its provider names it");
    let page = ada.visitor.get("/account/passkeys").await.expect(200).text;
    let icon = page.split('"').find(|part| part.ends_with("/bitwarden.svg")).expect("its icon");
    let icon = ada.visitor.get(icon).await.expect(200);
    assert_eq!(icon.header("content-type"), "image/svg+xml");
    ada.visitor.send(delete, &path, None, &[]).await.expect(204);
    assert_eq!(ada.visitor.get("/api/users/me").await.status, 401, "SE-03: the session of the removed passkey ended");
}

#[tokio::test]
async fn a_step_up_by_another_persons_passkey_is_refused() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let bob = server.person("bob").await;

    ada.authenticator = bob.authenticator;
    ada.step_up().await.expect(401);

    assert_eq!(ada.visitor.get("/api/users/me").await.expect(200).json()["username"], "ada");
}

#[tokio::test]
async fn se02_a_step_up_and_a_new_sign_in_change_the_cookie() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut stolen = ada.visitor.clone();
    stolen.get("/api/users/me").await.expect(200);

    ada.step_up().await.expect(204);
    stolen.get("/api/users/me").await.expect(401);

    let mut stolen = ada.visitor.clone();
    ada.sign_in().await.expect(200);
    stolen.get("/api/users/me").await.expect(401);
    ada.visitor.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn rl06_a_flood_of_failures_is_counted_not_written_out() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    ada.authenticator.bad_signature = true;

    for _ in 0..20 {
        ada.sign_in().await.expect(401);
    }
    assert_eq!(failures(&server).await, [(FailureReason::BadSignature, 1)]);

    server.later(Duration::seconds(1));
    server.app.failures.flush(&server.app).await;
    assert_eq!(failures(&server).await, [(FailureReason::BadSignature, 1), (FailureReason::BadSignature, 19)]);
}

#[tokio::test]
async fn wr11_monstrous_responses_are_bad_requests() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    for body in [json!({}), json!([]), json!("x"), json!({ "response": { "clientDataJSON": "x".repeat(20_000) } })] {
        let answer = ada.visitor.post("/api/webauthn/login/finish", &body).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
    let deep = "[".repeat(30_000);
    let headers = [("content-type", "application/json")];
    let answer = ada.visitor.send(reqwest::Method::POST, "/api/webauthn/login/finish", Some(deep), &headers).await;
    assert_eq!(answer.status, 400);
    let options = ada.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let mut response = SoftAuthenticator::new().create(&options, server.issuer());
    response["response"]["attestationObject"] = json!("u".repeat(60_000));
    let answer = ada.visitor.post("/api/webauthn/register/finish", &response).await;
    assert!(matches!(answer.status, 400 | 413), "{}", answer.text);
}

#[tokio::test]
async fn a_step_up_without_an_assertion_is_none() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    let path = "/api/webauthn/reauthenticate";
    let answer = ada.visitor.send(reqwest::Method::POST, path, None, &[]).await.expect(401);
    assert_eq!(answer.json()["code"], "reauthentication_required");
    let answer = ada.visitor.send(reqwest::Method::POST, path, Some("{".into()), &[]).await.expect(400);
    assert_eq!(answer.json()["code"], "invalid_request_body");
    assert_eq!(
        server.visitor().send(reqwest::Method::POST, path, None, &[]).await.expect(401).json()["code"],
        "not_signed_in"
    );
}
