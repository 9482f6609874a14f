//! What is told to whom, in which words and to which address; attacks AD-08, IN-01, IN-05, RT-01.

use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::mailbox::Mailbox;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::json;
use time::Duration;

use super::{CHROME, FIREFOX, change, last, make_link, person, register, server};

#[tokio::test]
async fn an_invitation_is_one_mail_to_one_person_and_its_link_enrolls() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let id = register(&server, "ada", &json!({})).await;
    let code = make_link(&server, &id).await;

    let mails = mailbox.when_there_are(1).await;

    let mail = &mails[0];
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("chancery@id.example", &["ada@example.org".to_owned()][..]));
    let event: uuid::Uuid = sqlx::query_scalar("SELECT event_id FROM events WHERE event_type = 'enrollment.issued'")
        .fetch_one(&server.app.pool)
        .await
        .unwrap();
    let mut headers = mail.headers();
    headers.sort();
    assert_eq!(headers.len(), 8, "{headers:?}");
    assert_eq!(headers[0], "Auto-Submitted: auto-generated");
    assert!(headers[1].starts_with("Content-Type: multipart/alternative;"), "{headers:?}");
    assert_eq!(headers[2], "Date: Mon, 23 Nov 2026 12:00:00 +0000");
    assert_eq!(headers[3], "From: Chancery <chancery@id.example>");
    assert_eq!(headers[4], "MIME-Version: 1.0");
    assert!(headers[5].starts_with(&format!("Message-ID: <{event}.")) && headers[5].ends_with("@localhost>"));
    assert_eq!(headers[6], "Subject: Your invitation to Chancery");
    assert_eq!(headers[7], "To: ada@example.org");
    let link = format!("{}/enroll/{code}", server.issuer());
    let text = format!(
        "Hello Ada Lindqvist,\n\nYou have been invited to Chancery.\n\
         Create a passkey, and from then on it signs you in: there is no password.\n\n\
         Create your passkey:\n{link}\n\n\
         The link works once, until 24 November 2026, 12:00 UTC.\n\
         If you did not expect this, leave it: nothing happens without you.\n\n\
         -- \nYou get this mail because an administrator of Chancery entered your address.\n{}\n",
        server.issuer()
    );
    assert_eq!(mail.text().trim_end(), text.trim_end());
    assert!(mail.html().contains(&format!("<a href=\"{link}\"")), "{}", mail.html());
    let mut ada = Person {
        id,
        visitor: server.visitor(),
        authenticator: SoftAuthenticator::new(),
        issuer: server.issuer().to_owned(),
    };
    ada.redeem(&code, &json!({})).await.expect(204);
}

#[tokio::test]
async fn an_invitation_can_be_mailed_without_anybody_seeing_its_link() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let mut admin = server.admin.clone();
    let id = register(&server, "ada", &json!({})).await;
    let path = format!("/api/users/{id}/one-time-access-email");
    let bad = admin.post(&path, &json!({ "ttl": "soon" })).await.expect(400).json();
    assert_eq!(bad["code"], "validation_failed");

    let answer = admin.post(&path, &json!({ "ttl": "2h" })).await.expect(204);

    assert_eq!(answer.text, "");
    let mail = mailbox.when_there_are(1).await.pop().unwrap();
    assert_eq!((mail.subject().as_str(), mail.to[0].as_str()), ("Your invitation to Chancery", "ada@example.org"));
    assert!(mail.text().contains("The link works once, until 23 November 2026, 14:00 UTC."), "{}", mail.text());
    let mut ada = Person {
        id,
        visitor: server.visitor(),
        authenticator: SoftAuthenticator::new(),
        issuer: server.issuer().to_owned(),
    };
    ada.redeem(mail.link("/enroll/").rsplit('/').next().unwrap(), &json!({})).await.expect(204);

    // Now it would be a recovery link, which is never mailed.
    let before = server.app.store.feed().head().await.unwrap();
    let refused = admin.post(&path, &json!({})).await.expect(403).json();
    assert_eq!(refused["code"], "one_time_access_disabled");
    assert!(refused["error"].as_str().unwrap().contains("never mailed"), "{refused}");
    assert_eq!(server.app.store.feed().head().await.unwrap(), before);
    last(&server, &mailbox, 2).await;
}

#[tokio::test]
async fn an_invitation_is_mailed_only_where_there_is_mail_and_an_address() {
    let mailbox = Mailbox::open().await;
    let with = server(&mailbox, &[]).await;
    let without = Server::start().await;
    let email_to = |id: &str| format!("/api/users/{id}/one-time-access-email");

    let id = register(&with, "ada", &json!({ "email": null })).await;
    let refused = with.admin.clone().post(&email_to(&id), &json!({})).await.expect(409).json();
    assert_eq!(refused["code"], "user_email_not_set");
    let nobody = email_to("00000000-0000-4000-8000-000000000001");
    assert_eq!(with.admin.clone().post(&nobody, &json!({})).await.expect(404).json()["code"], "user_not_found");
    let id = register(&without, "ada", &json!({})).await;
    let refused = without.admin.clone().post(&email_to(&id), &json!({})).await.expect(403).json();
    assert_eq!(refused["code"], "one_time_access_disabled");
    for server in [&with, &without] {
        let log = server.admin.clone().get("/api/events?limit=1000").await.expect(200).text;
        assert!(!log.contains("enrollment.issued"));
    }
}

#[tokio::test]
async fn a_recovery_link_is_told_and_not_mailed_and_its_use_is_told() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;

    let code = make_link(&server, &ada.id).await;

    let issued = mailbox.when_there_are(2).await.pop().unwrap();
    assert_eq!(issued.subject(), "A recovery link for your account at Chancery");
    assert!(!issued.raw.contains("/enroll/") && !issued.text().contains(&code[..8]), "{}", issued.text());
    let mut recovered = Person { authenticator: SoftAuthenticator::new(), ..ada };
    recovered.redeem(&code, &json!({})).await.expect(204);
    let used = mailbox.when_there_are(3).await.pop().unwrap();
    assert_eq!(
        (used.subject().as_str(), used.to[0].as_str()),
        ("A recovery link was used at Chancery", "ada@example.org")
    );
    assert!(used.text().contains("Device: Firefox on Linux\n"), "{}", used.text());
    last(&server, &mailbox, 4).await;
}

#[tokio::test]
async fn a_sign_in_on_a_new_device_is_told_once() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let mut ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;
    ada.sign_in().await.expect(200);

    let mut elsewhere = Person { visitor: server.visitor(), ..ada.clone() };
    elsewhere.visitor.headers.push(("user-agent".to_owned(), CHROME.to_owned()));
    elsewhere.sign_in().await.expect(200);
    elsewhere.sign_in().await.expect(200);
    ada.sign_in().await.expect(200);

    let told = mailbox.when_there_are(2).await.pop().unwrap();
    assert_eq!((told.subject().as_str(), told.to[0].as_str()), ("A new sign-in to Chancery", "ada@example.org"));
    assert!(
        told.text().contains("\nDevice: Chrome on Windows\nPlace: Localhost\nAddress: 127.0.0.1\n"),
        "{}",
        told.text()
    );
    last(&server, &mailbox, 3).await;
}

#[tokio::test]
async fn a_sign_in_at_a_new_place_is_told_once() {
    let mailbox = Mailbox::open().await;
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/geo/GeoLite2-City-Test.mmdb");
    let more = [("GEOLITE_DB_PATH", database), ("TRUST_PROXY", "127.0.0.0/8,::1/128")];
    let server = server(&mailbox, &more).await;
    let ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;
    let at = |address: &str| {
        let mut there = ada.clone();
        there.visitor.headers.push(("x-forwarded-for".to_owned(), address.to_owned()));
        there
    };
    // Where nobody knows where it is, nothing is new about it.
    at("8.8.8.8").sign_in().await.expect(200);

    at("89.160.20.112").sign_in().await.expect(200);
    at("89.160.20.112").sign_in().await.expect(200);
    at("89.160.20.113").sign_in().await.expect(200);

    let told = mailbox.when_there_are(2).await.pop().unwrap();
    assert!(told.text().contains("\nPlace: Linköping, Sweden\nAddress: 89.160.20.112\n"), "{}", told.text());
    last(&server, &mailbox, 3).await;
}

#[tokio::test]
async fn new_sign_ins_are_not_told_where_that_is_switched_off() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[("EMAIL_LOGIN_NOTIFICATION_ENABLED", "false")]).await;
    let ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;

    let mut elsewhere = Person { visitor: server.visitor(), ..ada };
    elsewhere.visitor.headers.push(("user-agent".to_owned(), CHROME.to_owned()));
    elsewhere.sign_in().await.expect(200);

    last(&server, &mailbox, 2).await;
}

#[tokio::test]
async fn a_passkey_that_is_added_removed_or_stopped_is_told() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let mut ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;
    let options = ada.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let mut key = SoftAuthenticator::hardware();
    let made = key.create(&options, server.issuer());
    let made = ada.visitor.post("/api/webauthn/register/finish", &made).await.expect(200).json();
    let added = mailbox.when_there_are(2).await.pop().unwrap();
    assert_eq!(added.subject(), "A passkey was added at Chancery");
    assert!(added.text().contains(&format!("The passkey “{}” can now sign you in.", made["name"].as_str().unwrap())));

    let mut with_key = Person { authenticator: SoftAuthenticator { counter: 100, ..key.clone() }, ..ada.clone() };
    with_key.sign_in().await.expect(200);
    let mut copy = Person { authenticator: key, ..ada.clone() };
    copy.sign_in().await.expect(401);
    let stopped = mailbox.when_there_are(3).await.pop().unwrap();
    assert_eq!(stopped.subject(), "We stopped one of your passkeys at Chancery");
    assert!(stopped.text().contains("may have been copied"), "{}", stopped.text());

    let path = format!("/api/users/{}/webauthn-credentials/{}", ada.id, made["id"].as_str().unwrap());
    server.admin.clone().send(Method::DELETE, &path, None, &[]).await.expect(204);
    let removed = mailbox.when_there_are(4).await.pop().unwrap();
    assert_eq!(removed.subject(), "A passkey was removed at Chancery");
    assert!(removed.text().contains("An administrator removed one of your passkeys."));
    assert!(removed.text().contains("ask your administrator") && !removed.text().contains("If this was not you"));
}

#[tokio::test]
async fn ad08_a_changed_address_is_told_to_the_old_and_the_new_and_ends_the_proof_of_the_old() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let mut ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;
    ada.visitor.post("/api/users/me/send-email-verification", &json!({})).await.expect(204);
    let asked = mailbox.when_there_are(2).await.pop().unwrap();
    let token = url::Url::parse(&asked.link("/verify-email")).unwrap().query_pairs().next().unwrap().1.into_owned();

    change(&server, &ada.id, &[("email", json!("new@example.org"))]).await;

    let mails = mailbox.when_there_are(4).await;
    let mut told: Vec<_> = mails[2..].iter().map(|mail| mail.to.concat()).collect();
    told.sort();
    assert_eq!(told, ["ada@example.org", "new@example.org"]);
    for mail in &mails[2..] {
        assert!(mail.text().contains("The e-mail address of your account is now new@example.org."));
    }
    assert_ne!(mails[2].parsed().message_id(), mails[3].parsed().message_id());
    let refused = ada.visitor.post("/api/users/me/verify-email", &json!({ "token": token })).await.expect(400);
    assert_eq!(refused.json()["code"], "invalid_email_verification_token");
    assert_eq!(ada.visitor.get("/api/users/me").await.json()["emailVerified"], false);
}

#[tokio::test]
async fn ad08_an_address_is_proven_once_by_whoever_it_belongs_to() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let mut ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;
    let mut eve = person(&server, &mailbox, "eve", FIREFOX, 2).await;
    ada.visitor.post("/api/users/me/send-email-verification", &json!({})).await.expect(204);
    let mail = mailbox.when_there_are(3).await.pop().unwrap();
    assert_eq!(
        (mail.subject().as_str(), mail.to[0].as_str()),
        ("Confirm your e-mail address for Chancery", "ada@example.org")
    );
    let link = url::Url::parse(&mail.link("/verify-email")).unwrap();
    let path = format!("{}?{}", link.path(), link.query().unwrap());
    let token = link.query_pairs().next().unwrap().1.into_owned();
    let verified =
        async |person: &mut Person| person.visitor.get("/api/users/me").await.json()["emailVerified"].clone();

    let soon = ada.visitor.post("/api/users/me/send-email-verification", &json!({})).await.expect(429);
    assert_eq!(soon.header("retry-after"), "300");
    let stranger = server.visitor().get(&path).await.expect(303);
    assert!(stranger.header("location").starts_with("/login?next=%2Fverify-email%3Ftoken%3D"));
    eve.visitor.form("/verify-email", &[("token", token.as_str())]).await.expect(400);
    let stranger = server.visitor().form("/verify-email", &[("token", token.as_str())]).await.expect(303);
    assert!(stranger.header("location").starts_with("/login?next=%2Fverify-email%3Ftoken%3D"));
    assert!(ada.visitor.get(&path).await.expect(200).text.contains("ada@example.org will be confirmed"));
    assert_eq!(verified(&mut ada).await, false, "looking uses nothing up");

    ada.visitor.form("/verify-email", &[("token", token.as_str())]).await.expect(200);

    assert_eq!(verified(&mut ada).await, true);
    assert_eq!(verified(&mut eve).await, false);
    ada.visitor.post("/api/users/me/verify-email", &json!({ "token": token })).await.expect(400);
    eve.visitor.post("/api/users/me/send-email-verification", &json!({})).await.expect(204);
    let token = mailbox.when_there_are(4).await.pop().unwrap().link("/verify-email");
    let token = token.rsplit('=').next().unwrap();
    server.later(Duration::DAY);
    eve.sign_in().await.expect(200);
    eve.visitor.post("/api/users/me/verify-email", &json!({ "token": token })).await.expect(400);
}

#[tokio::test]
async fn in01_in05_names_stay_text_in_every_part_of_a_mail() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[("APP_NAME", "Ink, Bcc: <eve@evil> é")]).await;
    let hostile = "{{7*7}} ${7*7} {% include \"x\" %} <img src=x onerror=alert(1)>";
    let id = register(&server, "ada", &json!({ "displayName": hostile })).await;
    make_link(&server, &id).await;

    let mail = mailbox.when_there_are(1).await.pop().unwrap();

    assert_eq!(mail.to, ["ada@example.org"]);
    assert_eq!(mail.headers().len(), 8, "{:?}", mail.headers());
    assert!(!mail.headers().iter().any(|header| header.starts_with("Bcc")));
    assert_eq!(mail.subject(), "Your invitation to Ink, Bcc: <eve@evil> é");
    assert!(mail.text().contains(&format!("Hello {hostile},")), "{}", mail.text());
    assert!(!mail.html().contains("<img"));
    assert!(mail.html().contains("{{7*7}} ${7*7} {% include &#34;x&#34; %} &#60;img src=x onerror=alert(1)&#62;"));
    for email in
        ["a>b@example.org", "\"a\"@example.org", "a@b RCPT TO:<eve@evil>", &format!("{}@x.org", "a".repeat(300))]
    {
        let user = json!({ "username": "bob", "firstName": "Bob", "email": email });
        server.admin.clone().post("/api/users", &user).await.expect(400);
    }
}

#[tokio::test]
async fn a_mail_is_in_the_language_of_its_reader() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let id = register(&server, "ada", &json!({ "locale": "de-AT" })).await;
    make_link(&server, &id).await;

    let mail = mailbox.when_there_are(1).await.pop().unwrap();

    assert_eq!(mail.subject(), "Deine Einladung zu Chancery");
    assert!(mail.html().contains("<html lang=\"de\">"));
}

#[tokio::test]
async fn rt01_a_refresh_token_that_comes_again_is_told_to_the_person_once() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let mut ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;
    let wiki = server.client(&json!({ "name": "The Wiki", "skipConsent": true })).await;
    let code = ada.authorize(&wiki, &[("scope", "openid offline_access")]).await.parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let first = tokens["refresh_token"].as_str().unwrap();
    let successor = wiki.refresh(&server, first).await.expect(200).json();
    // Within the grace it is a lost answer, and nobody is alarmed.
    wiki.refresh(&server, first).await.expect(200);
    server.later(Duration::seconds(31));

    wiki.refresh(&server, first).await.expect(400);
    wiki.refresh(&server, first).await.expect(400);
    wiki.refresh(&server, successor["refresh_token"].as_str().unwrap()).await.expect(400);

    let told = mailbox.when_there_are(2).await.pop().unwrap();
    assert_eq!(told.to, ["ada@example.org"]);
    assert_eq!(told.subject(), "We signed The Wiki out of your account at Chancery");
    let text = told.text();
    assert!(text.contains("The Wiki presented a token of yours that had been replaced."), "{text}");
    assert!(text.contains("\nWhen: "), "{text}");
    assert!(text.contains("\nAddress: 127.0.0.1\n"), "{text}");
    assert!(!told.raw.contains(first) && !text.contains(first));
    last(&server, &mailbox, 3).await;
}
