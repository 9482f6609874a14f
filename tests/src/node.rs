//! A node of Chancery wherever it runs, and the people and apps that use it over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use crate::authenticator::SoftAuthenticator;
use crate::visitor::{Answer, Visitor};

pub const STATIC_API_KEY: &str = "a-static-api-key-for-tests";
pub const ENCRYPTION_KEY: &str = "an encryption key for tests";

/// Where a node answers.
#[derive(Clone)]
pub struct Node {
    /// Its own address, which differs from the issuer where several nodes share one.
    pub base: String,
    issuer: String,
    /// With the rights of an administrator.
    pub admin: Visitor,
}

impl Node {
    pub fn new(base: &str, issuer: &str) -> Self {
        let admin = Visitor { origin: issuer.to_owned(), ..Visitor::with_api_key(base, STATIC_API_KEY) };
        Self { base: base.to_owned(), issuer: issuer.to_owned(), admin }
    }

    pub fn visitor(&self) -> Visitor {
        Visitor { origin: self.issuer().to_owned(), ..Visitor::new(&self.base) }
    }

    /// The address that people and apps use.
    pub fn issuer(&self) -> &str {
        &self.issuer
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
        self.try_sign_in().await.unwrap()
    }

    /// The same at a node that may be killed meanwhile.
    ///
    /// # Errors
    /// No whole answer came.
    pub async fn try_sign_in(&mut self) -> reqwest::Result<Answer> {
        let start = self.visitor.try_send(Method::GET, "/api/webauthn/login/start", None, &[]).await?;
        if start.status != 200 {
            return Ok(start);
        }
        let response = self.authenticator.get(&start.json(), &self.issuer);
        let headers = [("content-type", "application/json")];
        self.visitor.try_send(Method::POST, "/api/webauthn/login/finish", Some(response.to_string()), &headers).await
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
        // A node of the release before redirects there, where this one shows a page that does.
        let allowed = self.visitor.form("/consent", &form).await;
        assert!(matches!(allowed.status, 200 | 303), "{}", allowed.text);
        self.visitor.get(&format!("/authorize?interaction={interaction}")).await
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
    pub async fn token(&self, node: &Node, pairs: &[(&str, &str)]) -> Answer {
        let mut pairs = pairs.to_vec();
        pairs.push(("client_id", &self.id));
        if !self.secret.is_empty() {
            pairs.push(("client_secret", &self.secret));
        }
        node.visitor().form("/api/oidc/token", &pairs).await
    }

    pub async fn redeem(&self, node: &Node, code: &str) -> Answer {
        let pairs =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", self.redirect_uri.as_str())];
        self.token(node, &pairs).await
    }

    pub async fn refresh(&self, node: &Node, token: &str) -> Answer {
        self.token(node, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub async fn introspect(&self, node: &Node, token: &str) -> Value {
        let pairs = [("token", token), ("client_id", &self.id), ("client_secret", &self.secret)];
        node.visitor().form("/api/oidc/introspect", &pairs).await.expect(200).json()
    }
}

/// What the UserInfo endpoint says to this token.
pub async fn userinfo(node: &Node, token: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    node.visitor().send(Method::GET, "/api/oidc/userinfo", None, &headers).await
}
