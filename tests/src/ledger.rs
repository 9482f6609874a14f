//! What clients were told, kept outside the nodes.
//!
//! Whatever happens to nodes and databases meanwhile, the ledger decides afterwards: what was acknowledged is there once,
//! what was revoked stays revoked, who was signed in is.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::node::{Client, Node};
use crate::visitor::Visitor;

/// What the nodes said that they had done.
#[derive(Default)]
pub struct Ledger {
    /// Of access tokens.
    pub jtis: Vec<String>,
    pub revoked: Vec<String>,
    pub groups: Vec<String>,
    /// The names of people who were registered.
    pub people: Vec<String>,
    /// Browsers that are signed in.
    pub sessions: Vec<Visitor>,
    /// The last refresh token of each grant.
    pub refresh_tokens: Vec<String>,
    /// Answers that no fault explains.
    pub violations: Vec<String>,
    pub requests: Vec<Request>,
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Request {
    pub what: &'static str,
    pub begun: Instant,
    pub took: Duration,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// An answer that asks to come again: 502, 503, 504.
    Refused(u16),
    /// No whole answer.
    Broken,
}

impl Request {
    pub fn ended(&self) -> Instant {
        self.begun + self.took
    }

    pub fn failed(&self) -> bool {
        self.outcome != Outcome::Done
    }
}

/// The id of an access token.
pub fn jti(token: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["jti"].as_str().unwrap().to_owned()
}

impl Ledger {
    /// What was not answered as it should be, for nodes that have no excuse.
    pub fn failures(&self) -> Vec<String> {
        let failed = self.requests.iter().filter(|request| request.failed());
        let failed = failed.map(|request| format!("{}: {:?}", request.what, request.outcome));
        self.violations.iter().cloned().chain(failed).collect()
    }

    /// What is wrong with the log and the node, going by this ledger. Empty where all is well.
    pub async fn faults(&self, pool: &PgPool, node: &Node, client: &Client) -> Vec<String> {
        let mut faults = self.violations.clone();
        for (path, texts) in [(["access_token", "jti"], &self.jtis), (["names", "name"], &self.groups)] {
            let counts = recorded(pool, &path, texts).await;
            let wrong = texts.iter().zip(counts).filter(|(_, count)| *count != 1);
            faults.extend(wrong.map(|(text, count)| format!("{path:?} {text} is {count} times in the log")));
        }
        let (head, count): (i64, i64) =
            sqlx::query_as("SELECT coalesce(max(position), 0), count(*) FROM events").fetch_one(pool).await.unwrap();
        if head != count {
            faults.push(format!("positions are not dense: {count} events up to {head}"));
        }
        for token in &self.revoked {
            if client.introspect(node, token).await != json!({ "active": false }) {
                faults.push(format!("{} was revoked, and counts", jti(token)));
            }
        }
        for session in &self.sessions {
            let mut visitor = Visitor { base: node.base.clone(), ..session.clone() };
            let answer = visitor.get("/api/users/me").await;
            if answer.status != 200 {
                faults.push(format!("a session is lost: {} {}", answer.status, answer.text));
            }
        }
        for token in &self.refresh_tokens {
            let answer = client.refresh(node, token).await;
            if answer.status != 200 {
                faults.push(format!("a grant is lost: {} {}", answer.status, answer.text));
            }
        }
        faults
    }

    pub fn told(&self) -> String {
        format!(
            "{} access tokens, {} revocations, {} groups, {} sessions",
            self.jtis.len(),
            self.revoked.len(),
            self.groups.len(),
            self.sessions.len()
        )
    }
}

/// How often each of these texts stands at this place in the payload of an event.
async fn recorded(pool: &PgPool, path: &[&str], texts: &[String]) -> Vec<i64> {
    let count = "SELECT count(e.position) FROM unnest($2::text[]) WITH ORDINALITY AS wanted (text, n)
                 LEFT JOIN (SELECT position, payload -> event_type #>> $1 AS text FROM events) e USING (text)
                 GROUP BY wanted.n ORDER BY wanted.n";
    sqlx::query_scalar(count).bind(path).bind(texts).fetch_all(pool).await.unwrap()
}
