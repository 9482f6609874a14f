//! Mail: which events ask for one, what is in it, and that it arrives once; attacks AD-08, IN-01, IN-05, RL-08, EV-07.

use std::sync::Arc;

use chancery_adapters::event_store::{Claims, Projection};
use chancery_api::accounts;
use chancery_api::http::caller::Caller;
use chancery_projections::mails::queue::{self, MailRow};
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::mailbox::{Mailbox, Received, Tls, certificate};
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36";

/// A server that mails to this mailbox.
async fn server(mailbox: &Mailbox, more: &[(&str, &str)]) -> Server {
    Server::with(&settings(&mailbox.port(), more)).await
}

fn settings<'a>(port: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let smtp =
        [("SMTP_HOST", "127.0.0.1"), ("SMTP_PORT", port), ("SMTP_TLS", "none"), ("SMTP_FROM", "chancery@id.example")];
    [&smtp[..], more].concat()
}

/// Registers somebody who has no passkey yet, and answers their id.
async fn register(server: &Server, username: &str, more: &Value) -> String {
    let mut user = json!({
        "username": username, "firstName": "Ada", "lastName": "Lindqvist", "email": format!("{username}@example.org")
    });
    for (name, value) in more.as_object().unwrap() {
        user[name] = value.clone();
    }
    let user = server.admin.clone().post("/api/users", &user).await.expect(201).json();
    user["id"].as_str().unwrap().to_owned()
}

async fn make_link(server: &Server, id: &str) -> String {
    let path = format!("/api/users/{id}/one-time-access-token");
    let link = server.admin.clone().post(&path, &json!({})).await.expect(201).json();
    link["token"].as_str().unwrap().to_owned()
}

/// Somebody who has redeemed their link, in this browser; their invitation was the mailbox's mail number `nth`.
async fn person(server: &Server, mailbox: &Mailbox, username: &str, agent: &str, nth: usize) -> Person {
    let id = register(server, username, &json!({})).await;
    make_link(server, &id).await;
    let invitation = mailbox.when_there_are(nth).await.pop().unwrap();
    let mut person = Person {
        id,
        visitor: server.visitor(),
        authenticator: SoftAuthenticator::new(),
        issuer: server.issuer().to_owned(),
    };
    person.visitor.headers.push(("user-agent".to_owned(), agent.to_owned()));
    let link = invitation.link("/enroll/");
    person.redeem(link.rsplit('/').next().unwrap(), &json!({})).await.expect(204);
    person
}

async fn change(server: &Server, id: &str, changes: &[(&str, Value)]) {
    let path = format!("/api/users/{id}");
    let mut user = server.admin.clone().get(&path).await.expect(200).json();
    for (name, value) in changes {
        user[*name] = value.clone();
    }
    server.admin.clone().json(Method::PUT, &path, &user).await.expect(200);
}

/// A mail that comes after all others: what nobody is told would have come before it.
async fn last(server: &Server, mailbox: &Mailbox, count: usize) -> Received {
    let id = register(server, "zoe", &json!({})).await;
    make_link(server, &id).await;
    let mail = mailbox.when_there_are(count).await.pop().unwrap();
    assert_eq!(mail.to, ["zoe@example.org"]);
    mail
}

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
    server.visitor().form("/verify-email", &[("token", token.as_str())]).await.expect(401);
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
    let server = server(&mailbox, &[("APP_NAME", "Ink\r\nBcc: eve@evil\u{2028}é")]).await;
    let hostile = "{{7*7}} ${7*7} {% include \"x\" %} <img src=x onerror=alert(1)>";
    let id = register(&server, "ada", &json!({ "displayName": hostile })).await;
    make_link(&server, &id).await;

    let mail = mailbox.when_there_are(1).await.pop().unwrap();

    assert_eq!(mail.to, ["ada@example.org"]);
    assert_eq!(mail.headers().len(), 8, "{:?}", mail.headers());
    assert!(!mail.headers().iter().any(|header| header.starts_with("Bcc")));
    assert_eq!(mail.subject(), "Your invitation to Ink Bcc: eve@evil é");
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
async fn a_mail_server_that_is_away_costs_its_own_delay_only() {
    let mut mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let mut ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;
    mailbox.go_away().await;

    let id = register(&server, "bob", &json!({})).await;
    make_link(&server, &id).await;
    ada.sign_in().await.expect(200);
    let waits = async || {
        let rows = queue::latest(&server.app.pool, 1).await.unwrap();
        (rows[0].attempts, rows[0].failure.clone(), rows[0].sent_at)
    };
    until(async || waits().await.1.is_some()).await;
    assert_eq!((waits().await.0, waits().await.2), (1, None));

    mailbox.come_back().await;
    server.later(Duration::minutes(1));
    let mail = mailbox.when_there_are(2).await.pop().unwrap();
    assert_eq!(mail.to, ["bob@example.org"]);
    until(async || waits().await.2.is_some()).await;
    assert_eq!((waits().await.0, waits().await.1), (2, None));
    server.later(Duration::hours(9));
    last(&server, &mailbox, 3).await;
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !condition().await {
        assert!(std::time::Instant::now() < deadline, "it did not happen");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_refused_mail_is_given_up_where_administrators_see_it_and_holds_up_no_other() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    mailbox.refuse(Some("550 No such mailbox"));
    let id = register(&server, "ada", &json!({})).await;
    make_link(&server, &id).await;
    until(async || queue::latest(&server.app.pool, 1).await.unwrap().iter().any(|row| row.given_up_at.is_some())).await;
    mailbox.refuse(None);
    last(&server, &mailbox, 1).await;

    let mut root = server.first_admin().await;
    let page = root.visitor.get("/admin/mail").await.expect(200).text;

    let overview = root.visitor.get("/admin").await.expect(200).text;
    assert!(overview.contains("1 mail was given up"), "{overview}");
    assert!(page.contains("Given up") && page.contains("550") && page.contains("ada@example.org"), "{page}");
    let kept = async || -> Vec<Value> {
        sqlx::query_scalar("SELECT letter FROM mails").fetch_all(&server.app.pool).await.unwrap()
    };
    until(async || kept().await == vec![json!({ "kind": "invitation" }); 2]).await;
}

#[tokio::test]
async fn an_invitation_that_was_redeemed_before_it_could_be_sent_is_not_sent_and_not_a_failure() {
    let mut mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let template = server.person("template").await;
    let settled = |row: &MailRow| row.sent_at.is_some() || row.given_up_at.is_some();
    until(async || queue::latest(&server.app.pool, 1).await.unwrap().iter().any(settled)).await;
    mailbox.go_away().await;
    let before = mailbox.mails().len();
    let id = register(&server, "ada", &json!({})).await;
    let code = make_link(&server, &id).await;
    until(async || queue::latest(&server.app.pool, 1).await.unwrap()[0].failure.is_some()).await;
    let mut ada = Person { id, visitor: server.visitor(), authenticator: SoftAuthenticator::new(), ..template };
    ada.redeem(&code, &json!({})).await.expect(204);

    mailbox.come_back().await;
    server.later(Duration::minutes(1));

    until(async || queue::latest(&server.app.pool, 1).await.unwrap()[0].given_up_at.is_some()).await;
    let row = queue::latest(&server.app.pool, 1).await.unwrap().remove(0);
    assert_eq!((row.recipient.as_str(), row.sent_at, row.failure), ("ada@example.org", None, None));
    assert_eq!(mailbox.mails().len(), before);
}

#[tokio::test]
async fn two_nodes_send_each_mail_once() {
    let mailbox = Mailbox::open().await;
    let first = server(&mailbox, &[]).await;
    let second = first.second_with(&settings(&mailbox.port(), &[])).await;

    for n in 0..20 {
        let node = if n % 2 == 0 { &first } else { &second };
        let id = register(node, &format!("ada{n}"), &json!({})).await;
        make_link(node, &id).await;
    }

    let mails = mailbox.when_there_are(20).await;
    let mut to: Vec<_> = mails.iter().map(|mail| mail.to.concat()).collect();
    to.sort();
    to.dedup();
    assert_eq!(to.len(), 20);
    first.later(Duration::hours(2));
    last(&second, &mailbox, 21).await;
}

#[tokio::test]
async fn rebuilding_the_views_mails_nothing_again() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let mut ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;
    let mut connection = chancery_adapters::postgres::connect(&server.database).await.unwrap();
    let mut views: Vec<Arc<dyn Projection>> = vec![Arc::new(Claims::new(server.app.store.vault().clone()))];
    views.extend(chancery_projections::transactional());
    let (feed, catch_up) = (server.app.store.feed(), chancery_projections::catch_up());

    let report = chancery_projections::rebuild::rebuild(&mut connection, &feed, &views, &catch_up, true, |_, _| {});

    assert!(report.await.unwrap().equal());
    ada.sign_in().await.expect(200);
    last(&server, &mailbox, 2).await;
}

#[tokio::test]
async fn what_happened_while_mail_was_off_is_not_mailed_later() {
    let mailbox = Mailbox::open().await;
    let silent = Server::start().await;
    let id = register(&silent, "ada", &json!({})).await;
    make_link(&silent, &id).await;
    queue::pass_over(&silent.app.pool).await.unwrap();

    let server = silent.second_with(&settings(&mailbox.port(), &[])).await;

    last(&server, &mailbox, 1).await;
    let mut eve = silent.person("eve").await;
    let refused = eve.visitor.post("/api/users/me/send-email-verification", &json!({})).await.expect(409);
    assert_eq!(refused.json()["code"], "mail_not_configured");
}

#[tokio::test]
async fn ev07_without_an_event_there_is_no_mail() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let id = register(&server, "ada", &json!({})).await;
    let broken =
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$;
         CREATE TRIGGER fail BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fail()";
    sqlx::raw_sql(broken).execute(&server.app.pool).await.unwrap();

    let path = format!("/api/users/{id}/one-time-access-token");
    server.admin.clone().post(&path, &json!({})).await.expect(503);

    sqlx::raw_sql("DROP TRIGGER fail ON events").execute(&server.app.pool).await.unwrap();
    last(&server, &mailbox, 1).await;
}

#[tokio::test]
async fn rl08_a_mailbox_is_not_flooded_whatever_happens_to_the_account() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let id = register(&server, "ada", &json!({})).await;
    for n in 0..30 {
        change(&server, &id, &[("email", json!(format!("victim{n}@example.org")))]).await;
    }

    last(&server, &mailbox, 21).await;
}

#[tokio::test]
async fn rl08_an_address_that_many_accounts_have_had_is_not_flooded_either() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    for n in 0..22 {
        let address = if n % 2 == 0 { "victim@example.org" } else { "Victim@example.org" };
        let id = register(&server, &format!("ada{n}"), &json!({ "email": address })).await;
        change(&server, &id, &[("email", json!(format!("ada{n}@example.org")))]).await;
    }

    // Each change is told to the address before and to the one after.
    last(&server, &mailbox, 20 + 22 + 1).await;

    let mails = mailbox.mails();
    let to_victim = mails.iter().filter(|mail| mail.to.concat().eq_ignore_ascii_case("victim@example.org"));
    assert_eq!(to_victim.count(), 20);
}

#[tokio::test]
async fn rl08_what_is_more_than_an_hour_allows_waits_and_is_sent_later() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[("EMAIL_HOURLY_LIMIT", "3")]).await;
    for n in 0..5 {
        let id = register(&server, &format!("ada{n}"), &json!({})).await;
        make_link(&server, &id).await;
    }
    let unsent = async || -> i64 {
        let unsent = "SELECT count(*) FROM mails WHERE sent_at IS NULL AND given_up_at IS NULL";
        sqlx::query_scalar(unsent).fetch_one(&server.app.pool).await.unwrap()
    };
    mailbox.when_there_are(3).await;
    until(async || unsent().await == 2).await;
    server.later(Duration::minutes(59));
    assert!(queue::take(&server.app.pool, server.app.now(), 3).await.unwrap().is_none(), "the hour is not over");

    server.later(Duration::minutes(1));

    let mails = mailbox.when_there_are(5).await;
    let to: std::collections::BTreeSet<_> = mails.iter().map(|mail| mail.to.concat()).collect();
    assert_eq!(to.len(), 5);
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

#[tokio::test]
async fn an_administrator_can_try_whether_mail_arrives() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let mut root = server.first_admin().await;

    root.visitor.form("/admin/mail/test", &[]).await.expect(303);

    let mail = mailbox.when_there_are(1).await.pop().unwrap();
    assert_eq!((mail.subject().as_str(), mail.to[0].as_str()), ("A test mail from Chancery", "root@example.org"));
    let page = root.visitor.get("/admin/mail").await.expect(200).text;
    assert!(page.contains("Test mail") && page.contains("Sent"), "{page}");
    root.visitor.post("/api/application-configuration/test-email", &json!({})).await.expect(204);
    mailbox.when_there_are(2).await;
    let answer = server.admin.clone().post("/api/application-configuration/test-email", &json!({})).await.expect(409);
    assert_eq!(answer.json()["code"], "user_email_not_set");
    let mut ada = server.person("ada").await;
    ada.visitor.form("/admin/mail/test", &[]).await.expect(403);
    ada.visitor.post("/api/application-configuration/test-email", &json!({})).await.expect(403);
}

#[tokio::test]
async fn mail_that_must_be_encrypted_does_not_go_out_in_the_clear() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[("SMTP_TLS", "starttls")]).await;
    let id = register(&server, "ada", &json!({})).await;
    make_link(&server, &id).await;

    until(async || queue::latest(&server.app.pool, 1).await.unwrap().iter().any(|row| row.failure.is_some())).await;

    assert!(mailbox.mails().is_empty());
}

#[tokio::test]
async fn an_erased_person_is_in_no_mail_that_is_kept() {
    let mailbox = Mailbox::open().await;
    let server = server(&mailbox, &[]).await;
    let ada = person(&server, &mailbox, "ada", FIREFOX, 1).await;
    let operator = Caller::trusted(server.app.system());
    accounts::erase(&server.app, &operator, ada.id.parse().unwrap(), &None).await.unwrap();

    queue::sweep(&server.app.pool).await.unwrap();

    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM mails").fetch_one(&server.app.pool).await.unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn mail_goes_out_encrypted_from_the_start_or_by_starttls_to_a_server_whose_certificate_is_trusted() {
    let (pem, acceptor) = certificate();
    let trusted = std::env::temp_dir().join(format!("chancery-mailbox-{}.pem", uuid::Uuid::new_v4()));
    std::fs::write(&trusted, pem).unwrap();
    let trusted = trusted.to_str().unwrap();
    let password = [("SMTP_HOST", "localhost"), ("SMTP_USER", "id"), ("SMTP_PASSWORD", "a secret")];
    for (mode, tls) in [("starttls", Tls::Asked(acceptor.clone())), ("tls", Tls::AtOnce(acceptor.clone()))] {
        let mailbox = Mailbox::speaking(tls).await;
        let settings = [&password[..], &[("SMTP_TLS", mode), ("SMTP_CA_CERTIFICATE", trusted)]].concat();
        let server = server(&mailbox, &settings).await;
        let id = register(&server, "ada", &json!({})).await;
        make_link(&server, &id).await;
        mailbox.when_there_are(1).await;
        assert_eq!(mailbox.passwords(), ["\0id\0a secret"]);
    }
    std::fs::remove_file(trusted).unwrap();

    let mailbox = Mailbox::speaking(Tls::AtOnce(acceptor)).await;
    let server = server(&mailbox, &[&password[..], &[("SMTP_TLS", "tls")]].concat()).await;
    let id = register(&server, "ada", &json!({})).await;
    make_link(&server, &id).await;
    until(async || queue::latest(&server.app.pool, 1).await.unwrap().iter().any(|row| row.failure.is_some())).await;
    assert!(mailbox.passwords().is_empty(), "a stranger's certificate gets no password");
}
