//! Mail: `told`, which events ask for one and what is in it; `sending`, that it arrives once, whatever happens.

mod sending;
mod told;

use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::mailbox::{Mailbox, Received};
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

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
