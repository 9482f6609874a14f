//! What apps and people do all day, noted in a ledger outside the nodes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::sync::{RwLock, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::ledger::{Ledger, Outcome, Request, jti};
use crate::node::{Client, Node, Person};
use crate::visitor::{Answer, Visitor};

/// Whoever asks waits no longer than this.
const PATIENCE: Duration = Duration::from_secs(40);
/// By when a revocation that was acknowledged holds on every node.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);

/// The clients' side, at work.
pub struct Load {
    worker: Worker,
    acknowledged: watch::Receiver<usize>,
    end: watch::Sender<bool>,
    workers: JoinSet<()>,
}

impl Load {
    /// Registers a person and an app, and lets fourteen workers begin, which use the nodes in turn: each waits for `pause`
    /// between two requests.
    pub async fn start(nodes: &[&Node], pause: Duration) -> Self {
        let node = nodes[0];
        let mut ada = node.person(&format!("ada-{}", Uuid::new_v4().simple())).await;
        let client = node.client(&json!({})).await;
        let (acknowledgments, acknowledged) = watch::channel(0);
        let (end, over) = watch::channel(false);
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).build();
        let nodes = Arc::new(RwLock::new(nodes.iter().copied().cloned().collect()));
        let (turn, ledger) = (Arc::default(), Arc::<Mutex<Ledger>>::default());
        let worker = Worker { nodes, turn, http: http.unwrap(), client, ledger, acknowledgments, over, pause };
        let mut workers = JoinSet::new();
        for _ in 0..4 {
            let scope = [("scope", "openid offline_access")];
            let code = ada.authorize(&worker.client, &scope).await.parameter("code").unwrap();
            let tokens = worker.client.redeem(node, &code).await.expect(200).json();
            workers.spawn(worker.clone().refresh(tokens["refresh_token"].as_str().unwrap().to_owned()));
            workers.spawn(worker.clone().issue_tokens());
        }
        for _ in 0..2 {
            workers.spawn(worker.clone().revoke_tokens());
            workers.spawn(worker.clone().create_groups());
            workers.spawn(worker.clone().sign_in(ada.clone()));
        }
        Self { worker, acknowledged, end, workers }
    }

    /// With two workers more, who register people: each of these needs a data key.
    pub fn with_newcomers(mut self) -> Self {
        for _ in 0..2 {
            self.workers.spawn(self.worker.clone().register_people());
        }
        self
    }

    /// From now on only these are used; what the others were asked is answered first, as by a balancer that drains.
    pub async fn use_only(&self, nodes: &[&Node]) {
        *self.worker.nodes.write().await = nodes.iter().copied().cloned().collect();
    }

    /// Waits for so many more acknowledgments.
    pub async fn acknowledged(&mut self, more: usize) {
        let moment = *self.acknowledged.borrow() + more;
        self.acknowledged.wait_for(|count| *count >= moment).await.unwrap();
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.worker.ledger()
    }

    /// Lets everybody finish what they are at.
    pub async fn end(self) -> (Ledger, Client) {
        self.end.send_replace(true);
        self.workers.join_all().await;
        let ledger = std::mem::take(&mut *self.worker.ledger());
        (ledger, self.worker.client)
    }
}

#[derive(Clone)]
struct Worker {
    /// A request holds them for reading until it is answered.
    nodes: Arc<RwLock<Vec<Node>>>,
    turn: Arc<AtomicUsize>,
    http: reqwest::Client,
    client: Client,
    ledger: Arc<Mutex<Ledger>>,
    acknowledgments: watch::Sender<usize>,
    over: watch::Receiver<bool>,
    pause: Duration,
}

impl Worker {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    async fn goes_on(&self) -> bool {
        tokio::time::sleep(self.pause).await;
        !*self.over.borrow()
    }

    fn choose(&self, nodes: &[Node]) -> Node {
        nodes[self.turn.fetch_add(1, Ordering::Relaxed) % nodes.len()].clone()
    }

    fn at(&self, visitor: Visitor) -> Visitor {
        Visitor { http: self.http.clone(), ..visitor }
    }

    /// A whole answer with this status, or nothing; what else comes is a violation, save that somebody asks to come again.
    async fn settle(
        &self,
        what: &'static str,
        asked: impl Future<Output = reqwest::Result<Answer>>,
        wanted: u16,
    ) -> Option<Answer> {
        let begun = Instant::now();
        let answer = asked.await;
        let outcome = match &answer {
            Ok(answer) if matches!(answer.status, 502..=504) => Outcome::Refused(answer.status),
            Ok(_) => Outcome::Done,
            Err(_) => Outcome::Broken,
        };
        let mut ledger = self.ledger();
        ledger.requests.push(Request { what, begun, took: begun.elapsed(), outcome });
        let answer = answer.ok().filter(|_| outcome == Outcome::Done)?;
        if answer.status != wanted {
            ledger.violations.push(format!("{what}: {} {}", answer.status, answer.text));
            return None;
        }
        Some(answer)
    }

    async fn ask(&self, what: &'static str, path: &str, pairs: &[(&str, &str)]) -> Option<Answer> {
        let mut pairs = pairs.to_vec();
        pairs.extend([("client_id", self.client.id.as_str()), ("client_secret", self.client.secret.as_str())]);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let nodes = self.nodes.read().await;
        let mut visitor = self.at(self.choose(&nodes).visitor());
        self.settle(what, visitor.try_send(Method::POST, path, Some(body), &headers), 200).await
    }

    fn acknowledge(&self, note: impl FnOnce(&mut Ledger)) {
        note(&mut self.ledger());
        self.acknowledgments.send_modify(|count| *count += 1);
    }

    async fn access_token(&self) -> Option<String> {
        let answer = self.ask("token", "/api/oidc/token", &[("grant_type", "client_credentials")]).await?;
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        self.acknowledge(|ledger| ledger.jtis.push(jti(&token)));
        Some(token)
    }

    /// Whether a token counts. A violation is what it may not say: yes, or no.
    async fn must_be(&self, active: bool, token: &str) {
        let pairs = [("token", token)];
        let Some(answer) = self.ask("introspection", "/api/oidc/introspect", &pairs).await else { return };
        if answer.json()["active"] != active {
            let violation = format!("a token that is active: {active} is told to be {}", answer.text);
            self.ledger().violations.push(violation);
        }
    }

    async fn issue_tokens(self) {
        while self.goes_on().await {
            if let Some(token) = self.access_token().await {
                self.must_be(true, &token).await;
            }
        }
    }

    async fn revoke_tokens(self) {
        while self.goes_on().await {
            let Some(token) = self.access_token().await else { continue };
            if self.ask("revocation", "/api/oidc/revoke", &[("token", &token)]).await.is_some() {
                let acknowledged = Instant::now();
                self.acknowledge(|ledger| ledger.revoked.push(token.clone()));
                tokio::time::sleep_until((acknowledged + REVOKED_WITHIN).into()).await;
                self.must_be(false, &token).await;
            }
        }
    }

    /// A client that got no answer presents the same token again, as it should: the grace gives it the successor.
    async fn refresh(self, mut token: String) {
        while self.goes_on().await {
            let pairs = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
            let Some(answer) = self.ask("refresh", "/api/oidc/token", &pairs).await else { continue };
            let tokens = answer.json();
            token = tokens["refresh_token"].as_str().unwrap().to_owned();
            self.acknowledge(|ledger| ledger.jtis.push(jti(tokens["access_token"].as_str().unwrap())));
        }
        self.ledger().refresh_tokens.push(token);
    }

    async fn create_groups(self) {
        while self.goes_on().await {
            let name = format!("group-{}", Uuid::new_v4().simple());
            let body = json!({ "name": name, "friendlyName": name });
            if self.administer("/api/user-groups", &body).await.is_some() {
                self.acknowledge(|ledger| ledger.groups.push(name));
            }
        }
    }

    async fn register_people(self) {
        while self.goes_on().await {
            let name = format!("p{}", Uuid::new_v4().simple());
            let body = json!({ "username": name, "firstName": "P", "lastName": "P", "displayName": "P" });
            if self.administer("/api/users", &body).await.is_some() {
                self.acknowledge(|ledger| ledger.people.push(name));
            }
        }
    }

    async fn administer(&self, path: &str, body: &serde_json::Value) -> Option<Answer> {
        let nodes = self.nodes.read().await;
        let mut admin = self.at(self.choose(&nodes).admin);
        let headers = [("content-type", "application/json")];
        let asked = admin.try_send(Method::POST, path, Some(body.to_string()), &headers);
        self.settle("administration", asked, 201).await
    }

    async fn sign_in(self, person: Person) {
        while self.goes_on().await {
            let nodes = self.nodes.read().await;
            let mut person = Person { visitor: self.at(self.choose(&nodes).visitor()), ..person.clone() };
            if self.settle("sign-in", person.try_sign_in(), 200).await.is_some() {
                self.acknowledge(|ledger| ledger.sessions.push(person.visitor));
            }
        }
    }
}
