//! Sign-ins that are not what they should be, and those that come at once: WebAuthn Level 3 §7.2; attacks WA.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

async fn begin(person: &mut Person) -> Value {
    person.visitor.get("/api/webauthn/login/start").await.expect(200).json()
}

/// The person in another browser, with this authenticator.
fn with(server: &Server, person: &Person, authenticator: SoftAuthenticator) -> Person {
    Person { visitor: server.visitor(), authenticator, ..person.clone() }
}

/// Somebody with a second passkey, on a key that counts.
async fn with_hardware(server: &Server) -> (Person, SoftAuthenticator) {
    let mut ada = server.person("ada").await;
    let options = ada.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let mut key = SoftAuthenticator::hardware();
    let made = key.create(&options, server.issuer());
    ada.visitor.post("/api/webauthn/register/finish", &made).await.expect(200);
    (ada, key)
}

/// One bit of a base64url member of the response, the other way round.
fn flipped(mut response: Value, member: &str, byte: usize) -> Value {
    let member = &mut response["response"][member];
    let mut bytes = URL_SAFE_NO_PAD.decode(member.as_str().unwrap()).unwrap();
    bytes[byte] ^= 1;
    *member = json!(URL_SAFE_NO_PAD.encode(bytes));
    response
}

#[tokio::test]
async fn wa04_c72_keys_that_never_count_and_keys_that_count_up_go_on_signing_in() {
    let server = Server::start().await;
    let (ada, key) = with_hardware(&server).await;

    let mut never_counts = with(&server, &ada, ada.authenticator.clone());
    let mut counts = with(&server, &ada, key);
    for _ in 0..3 {
        never_counts.sign_in().await.expect(200);
        counts.sign_in().await.expect(200);
    }
    // As the virtual authenticators of browsers do: a synced passkey that counts.
    counts.authenticator.step = 7;
    counts.sign_in().await.expect(200);
}

#[tokio::test]
async fn wa04_the_same_count_twice_is_a_copy() {
    let server = Server::start().await;
    let (ada, key) = with_hardware(&server).await;
    let mut owner = with(&server, &ada, key.clone());
    owner.sign_in().await.expect(200);

    let mut copy = with(&server, &ada, key);
    assert_eq!(copy.sign_in().await.expect(401).json()["code"], "passkey_suspended");
}

#[tokio::test]
async fn wa04_two_sign_ins_at_once_on_two_nodes_leave_the_higher_count() {
    let server = Server::start().await;
    let second = server.second().await;
    let (ada, key) = with_hardware(&server).await;
    let mut tries = Vec::new();
    for (nth, node) in [&server, &second, &server, &second].into_iter().enumerate() {
        let mut person = with(&server, &ada, key.clone());
        person.visitor.base = node.base.clone();
        let options = begin(&mut person).await;
        person.authenticator.step = u32::try_from(nth).unwrap() + 1;
        let count = person.authenticator.counter + person.authenticator.step;
        let response = person.authenticator.get(&options, server.issuer());
        tries.push(tokio::spawn(async move {
            let answer = person.visitor.post("/api/webauthn/login/finish", &response).await;
            (count, answer.status)
        }));
    }

    let mut highest = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            (count, 200) => highest = highest.max(count),
            (_, status) => assert_eq!(status, 401),
        }
    }

    let stored: i64 =
        sqlx::query_scalar("SELECT max(counter) FROM passkeys").fetch_one(&server.app.pool).await.unwrap();
    assert!(highest > 1, "somebody got in");
    assert_eq!(stored, i64::from(highest));
}

#[tokio::test]
async fn wa06_one_bit_anywhere_is_enough_to_be_refused() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let fresh = async || {
        let mut person = with(&server, &ada, ada.authenticator.clone());
        let options = begin(&mut person).await;
        let response = person.authenticator.get(&options, server.issuer());
        (person, response)
    };
    let id = URL_SAFE_NO_PAD.encode([7; 16]);

    let mut spoiled: Vec<(Person, Value)> = Vec::new();
    for (member, byte) in [
        ("authenticatorData", 0),
        ("authenticatorData", 31),
        ("authenticatorData", 32),
        ("authenticatorData", 36),
        ("clientDataJSON", 0),
        ("clientDataJSON", 40),
        ("signature", 5),
        ("signature", 20),
        ("userHandle", 3),
    ] {
        let (person, response) = fresh().await;
        spoiled.push((person, flipped(response, member, byte)));
    }
    for change in [
        json!({ "id": id }),
        json!({ "rawId": id }),
        json!({ "id": id, "rawId": id }),
        json!({ "type": "password" }),
        json!({ "response": null }),
    ] {
        let (person, mut response) = fresh().await;
        for (name, value) in change.as_object().unwrap() {
            response[name] = value.clone();
        }
        spoiled.push((person, response));
    }
    for member in ["signature", "authenticatorData", "clientDataJSON", "userHandle"] {
        let (person, mut response) = fresh().await;
        response["response"][member] = json!("");
        spoiled.push((person, response));
    }

    for (mut person, response) in spoiled {
        let answer = person.visitor.post("/api/webauthn/login/finish", &response).await;
        assert!(matches!(answer.status, 400 | 401), "{}: {response}", answer.status);
        assert!(!person.visitor.cookies.contains_key("__Host-session"), "{response}");
    }
    let (mut person, response) = fresh().await;
    person.visitor.post("/api/webauthn/login/finish", &response).await.expect(200);
}

#[tokio::test]
async fn a_refusal_is_on_the_record_for_what_it_was_and_a_failure_of_ours_is_none() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let refusals = async || {
        let list = "/api/audit-logs/all?filters[event]=SIGN_IN_ATTEMPT_FAILED";
        let list = server.admin.clone().get(list).await.expect(200).json();
        let told = list["data"].as_array().unwrap().iter().map(|row| row["data"]["description"].clone());
        told.collect::<Vec<_>>()
    };

    begin(&mut ada).await;
    ada.visitor.post("/api/webauthn/login/finish", &json!({ "response": {} })).await.expect(400);
    assert_eq!(refusals().await, ["A sign-in was refused: what the browser sent could not be read"]);

    let options = begin(&mut ada).await;
    let response = ada.authenticator.get(&options, server.issuer());
    sqlx::raw_sql("ALTER TABLE short_lived RENAME TO gone").execute(&server.app.pool).await.unwrap();
    ada.visitor.post("/api/webauthn/login/finish", &response).await.expect(503);
    assert_eq!(refusals().await.len(), 1, "nobody was refused");
    sqlx::raw_sql("ALTER TABLE gone RENAME TO short_lived").execute(&server.app.pool).await.unwrap();
    ada.visitor.post("/api/webauthn/login/finish", &response).await.expect(200);
    ada.visitor.post("/api/webauthn/login/finish", &response).await.expect(400);
    assert_eq!(refusals().await[0], "A sign-in was refused: it came too late or came twice");
}

#[tokio::test]
async fn wa07_a_removed_passkey_is_as_unknown_as_any() {
    let server = Server::start().await;
    let (mut ada, _key) = with_hardware(&server).await;
    let own = URL_SAFE_NO_PAD.encode(&ada.authenticator.credential_id);
    let listed = ada.visitor.get("/api/webauthn/credentials").await.expect(200).json();
    let first = listed.as_array().unwrap().iter().find(|row| row["credentialID"] == own.as_str());
    let first = first.unwrap()["id"].as_str().unwrap().to_owned();
    ada.visitor.send(Method::DELETE, &format!("/api/webauthn/credentials/{first}"), None, &[]).await.expect(204);
    let mut stranger = with(&server, &ada, SoftAuthenticator::new());
    stranger.authenticator.user_handle = ada.authenticator.user_handle.clone();

    let mut answers = Vec::new();
    for person in [&mut with(&server, &ada, ada.authenticator.clone()), &mut stranger] {
        let mut answer = person.sign_in().await.expect(401).json();
        assert_eq!(
            answer["details"]["unknownCredentialId"],
            URL_SAFE_NO_PAD.encode(&person.authenticator.credential_id),
            "so that the provider forgets it, too"
        );
        for own in ["details", "request_id"] {
            answer.as_object_mut().unwrap().remove(own);
        }
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn wa08_nothing_that_begins_tells_who_has_an_account() {
    let server = Server::start().await;
    server.person("ada").await;
    let shape = |mut options: Value| {
        options.as_object_mut().unwrap().remove("challenge");
        options
    };

    let mut answers = Vec::new();
    for query in ["", "?username=ada", "?username=nobody", "?login_hint=ada"] {
        let answer = server.visitor().get(&format!("/api/webauthn/login/start{query}")).await.expect(200);
        answers.push(shape(answer.json()));
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    let pages = [server.visitor().get("/login?username=ada").await, server.visitor().get("/login?username=x").await];
    assert_eq!((pages[0].status, &pages[0].text), (pages[1].status, &pages[1].text));
}

#[tokio::test]
async fn wa09_challenges_that_nobody_answers_are_swept() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    for _ in 0..100 {
        begin(&mut ada).await;
    }
    let waiting = async || {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM short_lived").fetch_one(&server.app.pool).await.unwrap();
        count
    };
    assert!(waiting().await >= 100);

    server.later(time::Duration::minutes(10));
    server.app.short_lived.sweep(server.app.now()).await.unwrap();

    assert_eq!(waiting().await, 0);
}
