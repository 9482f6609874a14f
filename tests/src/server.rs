//! Chancery in this process, wired as in production, on a database of its own and a clock that tests set.

use std::net::SocketAddr;
use std::sync::Arc;

use chancery_adapters::clock::FixedClock;
use chancery_adapters::postgres;
use chancery_api::app::App;
use chancery_api::config::Config;
use chancery_api::wiring::{self, Doubles};
use chancery_api::{accounts, router};
use chancery_domain::ports::clock::Clock;
use chancery_domain::secret::Secret;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;

use crate::authenticator::SoftAuthenticator;
use crate::visitor::{Answer, Visitor};

pub const STATIC_API_KEY: &str = "a-static-api-key-for-tests";
pub const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

/// A running node.
pub struct Server {
    pub base: String,
    pub app: App,
    pub clock: Arc<FixedClock>,
    pub database: PgConnectOptions,
    /// With the rights of an administrator.
    pub admin: Visitor,
}

impl Server {
    pub async fn start() -> Self {
        let database = crate::postgres::fresh_database().await;
        postgres::migrate(&mut postgres::connect(&database).await.unwrap()).await.unwrap();
        Self::on(database, None, false).await
    }

    /// With the real time, for programs that look at the clock themselves.
    pub async fn live() -> Self {
        let database = crate::postgres::fresh_database().await;
        postgres::migrate(&mut postgres::connect(&database).await.unwrap()).await.unwrap();
        Self::on(database, None, true).await
    }

    /// Another node on the same database, with the same issuer and clock.
    pub async fn second(&self) -> Self {
        Self::on(self.database.clone(), Some(self), false).await
    }

    async fn on(database: PgConnectOptions, first: Option<&Self>, live: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = format!("http://localhost:{port}");
        let issuer = first.map_or(own.clone(), |first| first.base.clone());
        let clock = first.map_or_else(|| Arc::new(FixedClock::at(NOON)), |first| first.clock.clone());
        let variables = [("APP_URL", issuer.as_str()), ("STATIC_API_KEY", STATIC_API_KEY)];
        let config = Config::read(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let key = Secret::new(b"an encryption key for tests".to_vec());
        let fixed: Arc<dyn Clock> = clock.clone();
        let doubles = Doubles { clock: Some(fixed).filter(|_| !live), entropy: None };
        let app = wiring::application(config.unwrap(), &key, database.clone(), doubles).await.unwrap();
        let service = router::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let admin = Visitor::with_api_key(&own, STATIC_API_KEY);
        Self { base: own, app, clock, database, admin }
    }

    pub fn visitor(&self) -> Visitor {
        Visitor { origin: self.issuer().to_owned(), ..Visitor::new(&self.base) }
    }

    pub fn issuer(&self) -> &str {
        &self.app.issuer
    }

    pub fn later(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Registers a person and lets them enroll a passkey through their link, which signs them in.
    pub async fn person(&self, username: &str) -> Person {
        let mut admin = self.admin.clone();
        let body = json!({
            "username": username, "email": format!("{username}@example.org"), "emailVerified": true,
            "firstName": "Ada", "lastName": "Lindqvist", "displayName": "Ada Lindqvist"
        });
        let user = admin.post("/api/users", &body).await.expect(201).json();
        let id = user["id"].as_str().unwrap().to_owned();
        let link = admin.post(&format!("/api/users/{id}/one-time-access-token"), &json!({})).await.expect(201).json();
        let mut person = Person {
            id,
            visitor: self.visitor(),
            authenticator: SoftAuthenticator::new(),
            issuer: self.issuer().to_owned(),
        };
        person.redeem(link["token"].as_str().unwrap(), &json!({})).await.expect(204);
        person
    }

    /// The first administrator, through a set-up link.
    pub async fn first_admin(&self) -> Person {
        let link = accounts::issue_setup_link(&self.app, &self.app.system(), Duration::DAY).await.unwrap();
        let mut person = Person {
            id: String::new(),
            visitor: self.visitor(),
            authenticator: SoftAuthenticator::new(),
            issuer: self.issuer().to_owned(),
        };
        let profile = json!({ "username": "root", "firstName": "Root", "email": "root@example.org" });
        person.redeem(&link.code, &profile).await.expect(204);
        let me = person.visitor.get("/api/users/me").await.expect(200).json();
        person.id = me["id"].as_str().unwrap().to_owned();
        person
    }

    /// Registers an app with these settings beside the usual ones, and a secret unless it is public.
    pub async fn client(&self, settings: &Value) -> Client {
        let mut admin = self.admin.clone();
        let mut body = json!({
            "name": "Wiki", "callbackURLs": ["https://wiki.example/cb"],
            "logoutCallbackURLs": ["https://wiki.example/bye"], "pkceEnabled": false
        });
        for (name, value) in settings.as_object().unwrap() {
            body[name] = value.clone();
        }
        let client = admin.post("/api/oidc/clients", &body).await.expect(201).json();
        let id = client["id"].as_str().unwrap().to_owned();
        let secret = match client["isPublic"].as_bool().unwrap() {
            true => String::new(),
            false => {
                let made = admin.post(&format!("/api/oidc/clients/{id}/secrets"), &json!({})).await.expect(201).json();
                made["secret"].as_str().unwrap().to_owned()
            }
        };
        let redirect_uri = body["callbackURLs"][0].as_str().unwrap().to_owned();
        Client { id, secret, redirect_uri }
    }
}

/// Somebody with a browser and a passkey.
#[derive(Clone)]
pub struct Person {
    pub id: String,
    pub visitor: Visitor,
    pub authenticator: SoftAuthenticator,
    pub issuer: String,
}

impl Person {
    /// Opens an enrollment link and creates a passkey.
    pub async fn redeem(&mut self, code: &str, profile: &Value) -> Answer {
        self.visitor.get(&format!("/enroll/{code}")).await.expect(303);
        self.visitor.get("/enroll").await.expect(200);
        let options = self.visitor.post("/api/enrollment/start", profile).await.expect(200).json();
        let response = self.authenticator.create(&options, &self.issuer);
        self.visitor.post("/api/enrollment/finish", &response).await
    }

    /// Signs in with the passkey, in this browser.
    pub async fn sign_in(&mut self) -> Answer {
        let options = self.visitor.get("/api/webauthn/login/start").await.expect(200).json();
        let response = self.authenticator.get(&options, &self.issuer);
        self.visitor.post("/api/webauthn/login/finish", &response).await
    }

    /// Proves again that it is the same person.
    pub async fn step_up(&mut self) -> Answer {
        let options = self.visitor.get("/api/webauthn/reauthenticate/start").await.expect(200).json();
        let response = self.authenticator.get(&options, &self.issuer);
        self.visitor.post("/api/webauthn/reauthenticate", &response).await
    }

    /// Sends an authorization request and consents where it is asked.
    pub async fn authorize(&mut self, client: &Client, more: &[(&str, &str)]) -> Answer {
        let answer = self.visitor.get(&client.authorize(more)).await;
        if answer.status != 303 || answer.location().path() != "/consent" {
            return answer;
        }
        let interaction = answer.parameter("interaction").unwrap();
        let form = [("interaction", interaction.as_str()), ("answer", "allow")];
        let resumed = self.visitor.form("/consent", &form).await.expect(303);
        self.visitor.get(&format!("/authorize?{}", resumed.location().query().unwrap())).await
    }
}

/// A registered app.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    pub secret: String,
    pub redirect_uri: String,
}

impl Client {
    /// The path of an authorization request; `more` adds parameters, or replaces the usual ones; an empty value leaves
    /// one out.
    pub fn authorize(&self, more: &[(&str, &str)]) -> String {
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("scope", "openid profile email"),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
        ];
        for (name, value) in more {
            parameters.retain(|(known, _)| known != name);
            parameters.push((name, value));
        }
        parameters.retain(|(_, value)| !value.is_empty());
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        format!("/authorize?{query}")
    }

    /// Sends a token request, authenticated by a secret in the body.
    pub async fn token(&self, server: &Server, pairs: &[(&str, &str)]) -> Answer {
        let mut pairs = pairs.to_vec();
        pairs.push(("client_id", &self.id));
        if !self.secret.is_empty() {
            pairs.push(("client_secret", &self.secret));
        }
        server.visitor().form("/api/oidc/token", &pairs).await
    }

    pub async fn redeem(&self, server: &Server, code: &str) -> Answer {
        let pairs =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", self.redirect_uri.as_str())];
        self.token(server, &pairs).await
    }

    pub async fn refresh(&self, server: &Server, token: &str) -> Answer {
        self.token(server, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub async fn introspect(&self, server: &Server, token: &str) -> Value {
        let pairs = [("token", token), ("client_id", &self.id), ("client_secret", &self.secret)];
        server.visitor().form("/api/oidc/introspect", &pairs).await.expect(200).json()
    }
}

/// What the UserInfo endpoint says to this token.
pub async fn userinfo(server: &Server, token: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    server.visitor().send(reqwest::Method::GET, "/api/oidc/userinfo", None, &headers).await
}
