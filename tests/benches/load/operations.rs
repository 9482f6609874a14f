//! The operations that are measured.

use std::sync::Arc;

use chancery_adapters::event_store::EventStore;
use chancery_domain::actor::Actor;
use chancery_domain::context::Context;
use chancery_domain::digest::Digest;
use chancery_domain::grant::{Authorization, Grant, GrantCommand, IssuedAccessToken, RedeemCode};
use chancery_domain::ids::{ClientId, PasskeyId, SessionId, UserId};
use chancery_domain::oauth::scope::Scopes;
use chancery_domain::policy::access::{AccessFacts, Causes, decide_access};
use chancery_domain::session::{PasskeyProof, Session, SessionCommand};
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::node::{Client, Person};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::drive::Worker;
use crate::http::Connection;

/// I: a row and its commit, by a connection of its own and a prepared statement.
pub struct Insert {
    pub connection: PgConnection,
}

impl Worker for Insert {
    async fn once(&mut self) {
        let insert = sqlx::query("INSERT INTO plain (payload) VALUES ($1)").bind(PAYLOAD);
        insert.execute(&mut self.connection).await.unwrap();
    }
}

/// As long as an event's payload is.
pub const PAYLOAD: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "01234567890123456789012345678901234567890123456789",
);

/// A session, an authorization and its tokens in one unit: three events on two streams, with all transactional views.
pub struct Append {
    pub store: EventStore,
    pub client: ClientId,
}

impl Worker for Append {
    async fn once(&mut self) {
        let (user, session, now) = (UserId(Uuid::new_v4()), SessionId(Uuid::now_v7()), OffsetDateTime::now_utc());
        let mut unit = self.store.unit(&Context::internal(Actor::System, Uuid::new_v4()));
        let start = SessionCommand::Start {
            user_id: user,
            secret: Digest::of(session.to_string()),
            proof: PasskeyProof {
                passkey_id: PasskeyId(Uuid::new_v4()),
                counter: 0,
                backed_up: true,
                attachment: None,
                acr: "phr".into(),
                amr: vec!["pop".into()],
            },
            now,
            idle_seconds: 3600,
            lifetime_seconds: 86_400,
        };
        unit.create::<Session>(&session.to_string(), start).await.unwrap();
        let (grant, code) = (Uuid::now_v7().to_string(), Digest::of(session.to_string()));
        let authorize = Authorization {
            user_id: user,
            client_id: self.client.clone(),
            session_id: session,
            code,
            redirect_uri: "https://wiki.example/cb".into(),
            scopes: Scopes::known(["openid"]),
            nonce: None,
            code_challenge: None,
            authenticated_at: now,
            acr: "phr".into(),
            amr: vec!["pop".into()],
            claims: Vec::new(),
            code_expires_at: now + Duration::MINUTE,
            ends_at: now + Duration::HOUR,
            causes: causes(),
        };
        unit.create::<Grant>(&grant, GrantCommand::Authorize(Box::new(authorize))).await.unwrap();
        let redeem = RedeemCode {
            client_id: self.client.clone(),
            code,
            redirect_uri: Some("https://wiki.example/cb".into()),
            code_verifier: None,
            access_token: IssuedAccessToken { jti: grant.clone(), expires_at: now + Duration::HOUR },
            refresh_token: None,
            allowed: Ok(causes()),
            now,
        };
        unit.execute::<Grant>(&grant, GrantCommand::RedeemCode(Box::new(redeem))).await.unwrap();
        unit.commit().await.unwrap();
    }
}

fn causes() -> Causes {
    let facts = AccessFacts { client_enabled: true, person: None, grant_revoked: false };
    decide_access(&facts, &Scopes::default()).unwrap()
}

/// `grant_type=client_credentials`: an access token signed by ES256.
pub struct ClientCredentials {
    pub http: Connection,
    pub client: Arc<Client>,
}

impl Worker for ClientCredentials {
    async fn once(&mut self) {
        let body = credentials("grant_type=client_credentials", &self.client);
        self.http.form("/api/oidc/token", &body).await.expect(200);
    }
}

fn credentials(parameters: &str, client: &Client) -> String {
    format!("{parameters}&client_id={}&client_secret={}", client.id, client.secret)
}

/// `grant_type=refresh_token`, each worker with many grants in turn.
pub struct Refresh {
    pub http: Connection,
    pub client: Arc<Client>,
    pub tokens: Vec<String>,
    pub next: usize,
}

impl Worker for Refresh {
    async fn once(&mut self) {
        let token = &mut self.tokens[self.next];
        let body = credentials(&format!("grant_type=refresh_token&refresh_token={token}"), &self.client);
        let tokens = self.http.form("/api/oidc/token", &body).await.expect(200).json();
        *token = tokens["refresh_token"].as_str().unwrap().to_owned();
        self.next = (self.next + 1) % self.tokens.len();
    }
}

/// Introspection of an access token that is active.
pub struct Introspect {
    pub http: Connection,
    pub client: Arc<Client>,
    pub token: String,
}

impl Worker for Introspect {
    async fn once(&mut self) {
        let body = credentials(&format!("token={}", self.token), &self.client);
        let answer = self.http.form("/api/oidc/introspect", &body).await.expect(200);
        assert!(answer.body.starts_with(b"{\"active\":true"));
    }
}

/// A person's whole sign-in: ceremony, authorization, code, tokens with an RS256 ID token, userinfo.
pub struct SignIn {
    pub http: Connection,
    pub client: Arc<Client>,
    pub authenticator: SoftAuthenticator,
    pub issuer: String,
}

impl SignIn {
    pub fn new(http: Connection, client: Arc<Client>, person: &Person) -> Self {
        Self { http, client, authenticator: person.authenticator.clone(), issuer: person.issuer.clone() }
    }
}

impl Worker for SignIn {
    async fn once(&mut self) {
        self.http.cookies.clear();
        let options = self.http.get("/api/webauthn/login/start", "").await.expect(200).json();
        let response = self.authenticator.get(&options, &self.issuer).to_string();
        self.http.json("/api/webauthn/login/finish", &response).await.expect(200);
        let answer = self.http.get(&self.client.authorize(&[]), "").await.expect(303);
        let location = url::Url::parse(answer.header("location").unwrap()).unwrap();
        let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let parameters = format!("grant_type=authorization_code&code={code}&redirect_uri={}", self.client.redirect_uri);
        let tokens =
            self.http.form("/api/oidc/token", &credentials(&parameters, &self.client)).await.expect(200).json();
        let authorization = format!("Authorization: Bearer {}\r\n", tokens["access_token"].as_str().unwrap());
        self.http.get("/api/oidc/userinfo", &authorization).await.expect(200);
    }
}
