//! R1: a node is killed again and again under load, and a ledger outside it knows what it had acknowledged.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_adapters::postgres;
use chancery_tests::node::{Client, Node, Person};
use chancery_tests::process::Process;
use chancery_tests::visitor::{Answer, Visitor};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

const ROUNDS: usize = 20;

/// What the node said that it had done.
#[derive(Default)]
struct Acknowledged {
    /// Of access tokens.
    jtis: Vec<String>,
    revoked: Vec<String>,
    groups: Vec<String>,
    /// Browsers that are signed in.
    sessions: Vec<Visitor>,
    /// The last refresh token of each grant.
    refresh_tokens: Vec<String>,
    /// Answers that no crash explains.
    violations: Vec<String>,
}

/// The clients' side of the load.
#[derive(Clone)]
struct Load {
    node: Node,
    client: Client,
    ledger: Arc<Mutex<Acknowledged>>,
    acknowledgments: watch::Sender<usize>,
    over: watch::Receiver<bool>,
}

impl Load {
    fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// A whole answer with this status, or nothing; what else comes is a violation, save that the node is going down.
    async fn ask(&self, path: &str, pairs: &[(&str, &str)]) -> Option<Answer> {
        let mut pairs = pairs.to_vec();
        pairs.extend([("client_id", self.client.id.as_str()), ("client_secret", self.client.secret.as_str())]);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.settle(self.node.visitor().try_send(Method::POST, path, Some(body), &headers).await, 200)
    }

    fn settle(&self, answer: reqwest::Result<Answer>, wanted: u16) -> Option<Answer> {
        match answer {
            Ok(answer) if answer.status == wanted => Some(answer),
            Ok(answer) if answer.status == 503 => None,
            Ok(answer) => {
                let violation = format!("{} {}", answer.status, answer.text);
                self.ledger.lock().unwrap().violations.push(violation);
                None
            }
            Err(_) => None,
        }
    }

    fn acknowledge(&self, note: impl FnOnce(&mut Acknowledged)) {
        note(&mut self.ledger.lock().unwrap());
        self.acknowledgments.send_modify(|count| *count += 1);
    }

    async fn access_token(&self) -> Option<String> {
        let answer = self.ask("/api/oidc/token", &[("grant_type", "client_credentials")]).await?;
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        self.acknowledge(|ledger| ledger.jtis.push(jti(&token)));
        Some(token)
    }

    async fn issue_tokens(self) {
        while !self.is_over() {
            self.access_token().await;
        }
    }

    async fn revoke_tokens(self) {
        while !self.is_over() {
            let Some(token) = self.access_token().await else { continue };
            if self.ask("/api/oidc/revoke", &[("token", &token)]).await.is_some() {
                self.acknowledge(|ledger| ledger.revoked.push(token));
            }
        }
    }

    /// A client that got no answer presents the same token again, as it should: the grace gives it the successor.
    async fn refresh(self, mut token: String) {
        while !self.is_over() {
            let pairs = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
            let Some(answer) = self.ask("/api/oidc/token", &pairs).await else { continue };
            let tokens = answer.json();
            token = tokens["refresh_token"].as_str().unwrap().to_owned();
            self.acknowledge(|ledger| ledger.jtis.push(jti(tokens["access_token"].as_str().unwrap())));
        }
        self.ledger.lock().unwrap().refresh_tokens.push(token);
    }

    async fn create_groups(self) {
        while !self.is_over() {
            let name = format!("group-{}", Uuid::new_v4().simple());
            let body = json!({ "name": name, "friendlyName": name }).to_string();
            let headers = [("content-type", "application/json")];
            let answer = self.node.admin.clone().try_send(Method::POST, "/api/user-groups", Some(body), &headers).await;
            if self.settle(answer, 201).is_some() {
                self.acknowledge(|ledger| ledger.groups.push(name));
            }
        }
    }

    async fn sign_in(self, person: Person) {
        while !self.is_over() {
            let mut person = Person { visitor: self.node.visitor(), ..person.clone() };
            let answer = person.try_sign_in().await;
            if self.settle(answer, 200).is_some() {
                self.acknowledge(|ledger| ledger.sessions.push(person.visitor));
            }
        }
    }
}

fn jti(token: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["jti"].as_str().unwrap().to_owned()
}

/// How often each of these texts stands at this place in the payload of an event.
async fn recorded(pool: &PgPool, path: &[&str], texts: &[String]) -> Vec<i64> {
    let count = "SELECT count(e.position) FROM unnest($2::text[]) WITH ORDINALITY AS wanted (text, n)
                 LEFT JOIN (SELECT position, payload -> event_type #>> $1 AS text FROM events) e USING (text)
                 GROUP BY wanted.n ORDER BY wanted.n";
    sqlx::query_scalar(count).bind(path).bind(texts).fetch_all(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_nothing_acknowledged_is_lost_when_the_node_is_killed() {
    let database = chancery_tests::postgres::fresh_database().await;
    let mut process = Process::new(env!("CARGO_BIN_EXE_chancery_node"), &database);
    process.start().await;
    let node = process.node.clone();
    let mut ada = node.person("ada").await;
    let client = node.client(&json!({})).await;
    let mut grants = Vec::new();
    for _ in 0..4 {
        let code = ada.authorize(&client, &[("scope", "openid offline_access")]).await.parameter("code").unwrap();
        let tokens = client.redeem(&node, &code).await.expect(200).json();
        grants.push(tokens["refresh_token"].as_str().unwrap().to_owned());
    }

    let (acknowledgments, mut acknowledged) = watch::channel(0);
    let (end, over) = watch::channel(false);
    let load = Load { node: node.clone(), client: client.clone(), ledger: Arc::default(), acknowledgments, over };
    let mut workers = JoinSet::new();
    for token in grants {
        workers.spawn(load.clone().refresh(token));
    }
    for _ in 0..4 {
        workers.spawn(load.clone().issue_tokens());
    }
    for _ in 0..2 {
        workers.spawn(load.clone().revoke_tokens());
        workers.spawn(load.clone().create_groups());
        workers.spawn(load.clone().sign_in(ada.clone()));
    }
    for _ in 0..ROUNDS {
        // Some moment between the 20th and the 275th acknowledgment of this life.
        let moment = *acknowledged.borrow() + 20 + usize::from(Uuid::new_v4().as_bytes()[0]);
        acknowledged.wait_for(|count| *count >= moment).await.unwrap();
        process.kill().await;
        process.start().await;
    }
    end.send_replace(true);
    workers.join_all().await;

    let ledger = std::mem::take(&mut *load.ledger.lock().unwrap());
    assert_eq!(ledger.violations, Vec::<String>::new());
    let pool = postgres::pool(database, 2);
    let once = |count: &i64| *count == 1;
    assert!(recorded(&pool, &["access_token", "jti"], &ledger.jtis).await.iter().all(once));
    assert!(recorded(&pool, &["names", "name"], &ledger.groups).await.iter().all(once));
    let (head, count): (i64, i64) =
        sqlx::query_as("SELECT max(position), count(*) FROM events").fetch_one(&pool).await.unwrap();
    assert_eq!(head, count, "positions are dense");
    for token in &ledger.revoked {
        assert_eq!(client.introspect(&node, token).await, json!({ "active": false }));
    }
    for session in &ledger.sessions {
        session.clone().get("/api/users/me").await.expect(200);
    }
    for token in &ledger.refresh_tokens {
        client.refresh(&node, token).await.expect(200);
    }
    assert!(!ledger.revoked.is_empty() && !ledger.sessions.is_empty() && !ledger.groups.is_empty());

    let rebuilt = process.run(&["rebuild"]).await;
    let told = String::from_utf8_lossy(&rebuilt.stdout);
    assert!(rebuilt.status.success() && told.contains("All views equal a replay"), "{told}");
    println!(
        "{ROUNDS} kills; kept: {} access tokens, {} revocations, {} groups, {} sessions in {count} events",
        ledger.jtis.len(),
        ledger.revoked.len(),
        ledger.groups.len(),
        ledger.sessions.len(),
    );
}
