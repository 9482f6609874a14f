//! What a node records that has not yet heard of what another one recorded just before (decision 12): a sign-in or an
//! authorization behind the event that forbids it. Nothing of it counts, then or later; attacks SE-03, RT-05.

use chancery_api::http::session::cookie_value;
use chancery_domain::client::{Client as ClientAggregate, ClientCommand};
use chancery_domain::digest::Digest;
use chancery_domain::grant::{Authorization, Grant, GrantCommand};
use chancery_domain::ids::{GrantId, PasskeyId, SessionId, UserId};
use chancery_domain::oauth::scope::Scopes;
use chancery_domain::oauth::token_value::code;
use chancery_domain::policy::access::{Causes, ConsentCause, GroupCause, SessionCause};
use chancery_domain::secret::Secret;
use chancery_domain::session::{PasskeyProof, Session, SessionCommand};
use chancery_domain::user::{RemovedBy, User, UserCommand};
use chancery_projections::passkeys;
use chancery_tests::node::{Client, Person};
use chancery_tests::server::Server;
use serde_json::json;
use time::Duration;
use uuid::Uuid;

async fn setting() -> (Server, Person, UserId, PasskeyId) {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let id: UserId = ada.id.parse().unwrap();
    let passkey = passkeys::of_user(&server.app.pool, id).await.unwrap()[0].id();
    (server, ada, id, passkey)
}

async fn user(server: &Server, id: UserId, command: UserCommand) {
    server.app.store.execute::<User>(id, command, &server.app.system()).await.unwrap();
}

/// What a node appends when somebody signs in; answers with the cookie.
async fn started(server: &Server, id: SessionId, user_id: UserId, passkey_id: PasskeyId) -> String {
    let secret = Secret::new([7; 32]);
    let proof = PasskeyProof {
        passkey_id,
        counter: 0,
        backed_up: false,
        attachment: None,
        acr: "phr".to_owned(),
        amr: vec!["pop".to_owned()],
    };
    let start = SessionCommand::Start {
        user_id,
        secret: Digest::of(secret.expose()),
        proof,
        now: server.app.now(),
        idle_seconds: 86_400,
        lifetime_seconds: 86_400,
    };
    server.app.store.create::<Session>(id, start, &server.app.system()).await.unwrap();
    cookie_value(id, &secret)
}

/// What a node appends when it issues a code.
async fn authorized(server: &Server, user_id: UserId, session_id: SessionId, client: &Client) -> String {
    let (grant, now) = (GrantId(Uuid::new_v4()), server.app.now());
    let code = code(grant, &[9; 32]);
    let authorization = Authorization {
        user_id,
        client_id: client.id.parse().unwrap(),
        session_id,
        code: Digest::of(&code),
        redirect_uri: client.redirect_uri.clone(),
        scopes: Scopes::known(["openid"]),
        nonce: None,
        code_challenge: None,
        authenticated_at: now,
        acr: "phr".to_owned(),
        amr: Vec::new(),
        claims: Vec::new(),
        code_expires_at: now + Duration::MINUTE,
        ends_at: now + Duration::HOUR,
        causes: Causes { session: SessionCause::Live, group: GroupCause::Unrestricted, consent: ConsentCause::Skipped },
    };
    let authorize = GrantCommand::Authorize(Box::new(authorization));
    server.app.store.create::<Grant>(grant, authorize, &server.app.system()).await.unwrap();
    code
}

/// What the holder of a session's cookie is answered, on each node.
async fn assert_nobody(nodes: [&Server; 2], cookie: &str, when: &str) {
    for node in nodes {
        let mut visitor = node.visitor();
        visitor.cookies.insert("__Host-session".to_owned(), cookie.to_owned());
        assert_eq!(visitor.get("/api/users/me").await.status, 401, "{when}");
    }
}

fn some_session() -> SessionId {
    SessionId(Uuid::new_v4())
}

#[tokio::test]
async fn se03_rt05_what_began_behind_a_disabling_is_not_brought_to_life_by_enabling() {
    let (server, _ada, ada, passkey) = setting().await;
    let second = server.second().await;
    let wiki = server.client(&json!({ "skipConsent": true })).await;

    user(&server, ada, UserCommand::Disable { other_admins: true }).await;
    let late = started(&server, some_session(), ada, passkey).await;
    let next = some_session();
    let late_code = authorized(&server, ada, next, &wiki).await;
    assert_nobody([&server, &second], &late, "disabled").await;
    user(&server, ada, UserCommand::Enable).await;

    assert_nobody([&server, &second], &late, "enabled again").await;
    // Even in a session that counts.
    started(&server, next, ada, passkey).await;
    for node in [&server, &second] {
        assert_eq!(wiki.redeem(node, &late_code).await.expect(400).json()["error"], "invalid_grant");
    }
    wiki.redeem(&server, &authorized(&server, ada, next, &wiki).await).await.expect(200);
}

#[tokio::test]
async fn rt05_what_an_app_was_given_behind_its_disabling_is_not_brought_to_life_by_enabling() {
    let (server, _ada, ada, passkey) = setting().await;
    let wiki = server.client(&json!({ "skipConsent": true })).await;
    let session = some_session();
    started(&server, session, ada, passkey).await;
    let set = async |command| {
        let system = server.app.system();
        server.app.store.execute::<ClientAggregate>(&wiki.id, command, &system).await.unwrap();
    };

    set(ClientCommand::Disable).await;
    let late = authorized(&server, ada, session, &wiki).await;
    set(ClientCommand::Enable).await;

    assert_eq!(wiki.redeem(&server, &late).await.expect(400).json()["error"], "invalid_grant");
    wiki.redeem(&server, &authorized(&server, ada, session, &wiki).await).await.expect(200);
}

#[tokio::test]
async fn se03_a_session_by_a_passkey_that_was_removed_in_that_moment_is_nobodys() {
    let (server, mut person, ada, first) = setting().await;
    let second = server.second().await;
    let wiki = server.client(&json!({ "skipConsent": true })).await;
    let options = person.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let response = chancery_tests::authenticator::SoftAuthenticator::new().create(&options, server.issuer());
    person.visitor.post("/api/webauthn/register/finish", &response).await.expect(200);

    user(&server, ada, UserCommand::RemovePasskey { passkey_id: first, by: RemovedBy::Admin }).await;
    let session = some_session();
    let late = started(&server, session, ada, first).await;

    assert_nobody([&server, &second], &late, "the passkey is gone").await;
    let code = authorized(&server, ada, session, &wiki).await;
    assert_eq!(wiki.redeem(&server, &code).await.expect(400).json()["error"], "invalid_grant");
}

#[tokio::test]
async fn se03_a_session_by_a_passkey_that_was_stopped_in_that_moment_is_not_restored_with_it() {
    let (server, _person, ada, passkey_id) = setting().await;
    let second = server.second().await;

    user(&server, ada, UserCommand::SuspendPasskey { passkey_id, stored: 5, presented: 4 }).await;
    let late = started(&server, some_session(), ada, passkey_id).await;
    assert_nobody([&server, &second], &late, "stopped").await;
    user(&server, ada, UserCommand::RestorePasskey { passkey_id, counter: 5 }).await;

    assert_nobody([&server, &second], &late, "restored").await;
    let cookie = started(&server, some_session(), ada, passkey_id).await;
    let mut visitor = second.visitor();
    visitor.cookies.insert("__Host-session".to_owned(), cookie);
    visitor.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn nobody_is_asked_again_for_what_they_allowed_on_another_node_just_now() {
    let (server, mut ada, _, _) = setting().await;
    let wiki = server.client(&json!({})).await;
    let claims = r#"{"userinfo": {"email": null}}"#;
    let asks = [&[("scope", "openid email")][..], &[("scope", "openid"), ("claims", claims)]];
    ada.authorize(&wiki, &[("scope", "openid")]).await.parameter("code").expect("a code");

    for ask in asks {
        // No event tells of it, so that memory does not know of it yet.
        sqlx::query("UPDATE views.consents SET scopes = '{openid}'").execute(&server.app.pool).await.unwrap();
        server.app.memory.forget_person(ada.id.parse().unwrap());
        ada.authorize(&wiki, &[("scope", "openid")]).await.parameter("code").expect("a code");
        sqlx::query("UPDATE views.consents SET scopes = '{openid,email}'").execute(&server.app.pool).await.unwrap();

        let answer = ada.visitor.get(&wiki.authorize(ask)).await.expect(303);

        assert!(answer.parameter("code").is_some(), "{ask:?}: {}", answer.location());
    }
}
