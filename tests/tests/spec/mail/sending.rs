//! That a mail arrives once, holds nobody up, and that there are not too many; attacks EV-07, RL-08.

use std::sync::Arc;

use chancery_adapters::event_store::{Claims, Projection};
use chancery_api::accounts;
use chancery_api::http::caller::Caller;
use chancery_projections::mails::queue::{self, MailRow};
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::logged::Logged;
use chancery_tests::mailbox::{Mailbox, Tls, certificate};
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use serde_json::{Value, json};
use time::Duration;

use super::{FIREFOX, change, last, make_link, person, register, server, settings};

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
    let logged = Logged::listen();
    mailbox.refuse(Some("550 <ada@example.org>: No such mailbox"));
    let id = register(&server, "ada", &json!({})).await;
    make_link(&server, &id).await;
    until(async || queue::latest(&server.app.pool, 1).await.unwrap().iter().any(|row| row.given_up_at.is_some())).await;
    mailbox.refuse(None);
    last(&server, &mailbox, 1).await;

    let logged = logged.take();
    let line = logged.lines().find(|line| line.contains("a mail was given up")).unwrap();
    assert!(line.contains("550") && !line.contains("ada@example.org"), "whose it was is no matter of a log: {line}");
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
