//! People and apps that use several nodes at once, and a ledger of what they were answered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::json;
use tokio::sync::{RwLock, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::node::{Client, Node, Person};
use crate::visitor::Answer;

/// Workers of each kind.
const WORKERS: usize = 2;

/// What came of the load.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Requests that were answered as they should be.
    pub answered: usize,
    /// What was not.
    pub failures: Vec<String>,
    /// The names of people who were registered.
    pub people: Vec<String>,
    /// The last refresh token of each grant.
    pub refresh_tokens: Vec<String>,
}

/// A load that runs until it is stopped.
pub struct Load {
    users: Users,
    workers: JoinSet<()>,
    end: watch::Sender<bool>,
    client: Client,
}

#[derive(Clone)]
struct Users {
    /// A request holds them for reading: whoever changes them waits for those under way, as a balancer that drains.
    nodes: Arc<RwLock<Vec<Node>>>,
    turn: Arc<AtomicUsize>,
    client: Client,
    ada: Person,
    ledger: Arc<Mutex<Ledger>>,
    over: watch::Receiver<bool>,
}

impl Load {
    /// Starts to use these nodes, in turn.
    pub async fn start(nodes: &[&Node]) -> Self {
        let mut ada = nodes[0].person(&format!("ada-{}", Uuid::new_v4().simple())).await;
        let client = nodes[0].client(&json!({})).await;
        let mut grants = Vec::new();
        for _ in 0..WORKERS {
            let code = ada.authorize(&client, &[("scope", "openid offline_access")]).await.parameter("code").unwrap();
            let tokens = client.redeem(nodes[0], &code).await.expect(200).json();
            grants.push(tokens["refresh_token"].as_str().unwrap().to_owned());
        }
        let (end, over) = watch::channel(false);
        let nodes = Arc::new(RwLock::new(nodes.iter().copied().cloned().collect()));
        let (turn, ledger) = (Arc::default(), Arc::default());
        let users = Users { nodes, turn, client: client.clone(), ada, ledger, over };
        let mut workers = JoinSet::new();
        for token in grants {
            workers.spawn(users.clone().refresh(token));
            workers.spawn(users.clone().sign_in());
            workers.spawn(users.clone().register());
            workers.spawn(users.clone().introspect());
        }
        Self { users, workers, end, client }
    }

    /// From now on only these are used; what the others were asked is answered.
    pub async fn use_only(&self, nodes: &[&Node]) {
        *self.users.nodes.write().await = nodes.iter().copied().cloned().collect();
    }

    /// Returns when so many more requests have been answered.
    pub async fn more(&self, requests: usize) {
        let goal = self.answered() + requests;
        while self.answered() < goal {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub fn answered(&self) -> usize {
        self.users.ledger.lock().unwrap().answered
    }

    /// The people who have been registered so far.
    pub fn people(&self) -> Vec<String> {
        self.users.ledger.lock().unwrap().people.clone()
    }

    /// Ends it and returns what came of it, and the app by which the refresh tokens can be used.
    pub async fn stop(self) -> (Ledger, Client) {
        self.end.send_replace(true);
        self.workers.join_all().await;
        (std::mem::take(&mut *self.users.ledger.lock().unwrap()), self.client)
    }
}

impl Users {
    fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    fn choose(&self, nodes: &[Node]) -> Node {
        nodes[self.turn.fetch_add(1, Ordering::Relaxed) % nodes.len()].clone()
    }

    /// Notes the answer; `note` keeps what is worth it of one that is as it should be.
    fn note(&self, what: &str, answer: reqwest::Result<Answer>, wanted: u16, note: impl FnOnce(&mut Ledger, &Answer)) {
        let mut ledger = self.ledger.lock().unwrap();
        match answer {
            Ok(answer) if answer.status == wanted => {
                ledger.answered += 1;
                note(&mut ledger, &answer);
            }
            Ok(answer) => ledger.failures.push(format!("{what}: {} {}", answer.status, answer.text)),
            Err(error) => ledger.failures.push(format!("{what}: {error:?}")),
        }
    }

    async fn form(&self, node: &Node, path: &str, pairs: &[(&str, &str)]) -> reqwest::Result<Answer> {
        let mut pairs = pairs.to_vec();
        pairs.extend([("client_id", self.client.id.as_str()), ("client_secret", self.client.secret.as_str())]);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        node.visitor().try_send(Method::POST, path, Some(body), &headers).await
    }

    async fn refresh(self, mut token: String) {
        while !self.is_over() {
            let nodes = self.nodes.read().await;
            let pairs = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
            let answer = self.form(&self.choose(&nodes), "/api/oidc/token", &pairs).await;
            let mut next = None;
            self.note("refresh", answer, 200, |_, answer| {
                next = answer.json()["refresh_token"].as_str().map(str::to_owned);
            });
            token = next.unwrap_or(token);
        }
        self.ledger.lock().unwrap().refresh_tokens.push(token);
    }

    async fn sign_in(self) {
        while !self.is_over() {
            let nodes = self.nodes.read().await;
            let mut person = Person { visitor: self.choose(&nodes).visitor(), ..self.ada.clone() };
            let answer = person.try_sign_in().await;
            self.note("sign in", answer, 200, |_, _| {});
        }
    }

    /// Registers people, each of whom needs a data key.
    async fn register(self) {
        while !self.is_over() {
            let nodes = self.nodes.read().await;
            let name = format!("p{}", Uuid::new_v4().simple());
            let body = json!({ "username": name, "firstName": "P", "lastName": "P", "displayName": "P" }).to_string();
            let headers = [("content-type", "application/json")];
            let mut admin = self.choose(&nodes).admin;
            let answer = admin.try_send(Method::POST, "/api/users", Some(body), &headers).await;
            self.note("register", answer, 201, |ledger, _| ledger.people.push(name));
        }
    }

    /// Asks one node for a token and another what it is worth.
    async fn introspect(self) {
        while !self.is_over() {
            let nodes = self.nodes.read().await;
            let issued =
                self.form(&self.choose(&nodes), "/api/oidc/token", &[("grant_type", "client_credentials")]).await;
            let mut token = None;
            self.note("token", issued, 200, |_, answer| {
                token = answer.json()["access_token"].as_str().map(str::to_owned);
            });
            let Some(token) = token else { continue };
            let answer = self.form(&self.choose(&nodes), "/api/oidc/introspect", &[("token", &token)]).await;
            self.note("introspect", answer, 200, |ledger, answer| {
                if answer.json()["active"] != true {
                    ledger.failures.push(format!("introspect: {}", answer.text));
                }
            });
        }
    }
}
