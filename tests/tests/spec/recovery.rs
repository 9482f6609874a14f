//! A recovery link in place of everything: what somebody may have who found the lost device ends with it.

use std::time::Duration as Patience;

use chancery_api::accounts;
use chancery_api::http::caller::Caller;
use chancery_domain::user::{User, UserCommand};
use chancery_projections::users;
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use chancery_tests::visitor::Visitor;
use serde_json::json;
use sqlx::{Postgres, Transaction};
use time::Duration;

/// The person with a new device, and the code of a link that replaces all that they had.
async fn recovery(server: &Server, person: &Person) -> (Person, String) {
    let user = users::find(&server.app.pool, person.id.parse().unwrap()).await.unwrap().unwrap();
    let caller = Caller::trusted(server.app.system());
    let link = accounts::issue_link(&server.app, &caller, &user, Duration::HOUR, true).await.unwrap();
    let new = Person { visitor: server.visitor(), authenticator: SoftAuthenticator::new(), ..person.clone() };
    (new, link.code)
}

#[tokio::test]
async fn a_recovery_that_replaces_ends_all_other_passkeys_sessions_and_api_keys() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let key = json!({ "name": "backup", "expiresAt": "2031-01-01T00:00:00Z" });
    let key = ada.visitor.post("/api/api-keys", &key).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    let mut tool = Visitor::with_api_key(&server.base, &key);
    tool.get("/api/users/me").await.expect(200);
    let (mut recovered, code) = recovery(&server, &ada).await;

    recovered.redeem(&code, &json!({})).await.expect(204);

    recovered.visitor.get("/api/users/me").await.expect(200);
    assert_eq!(recovered.visitor.get("/api/webauthn/credentials").await.json().as_array().unwrap().len(), 1);
    ada.visitor.get("/api/users/me").await.expect(401);
    tool.get("/api/users/me").await.expect(401);
    ada.sign_in().await.expect(401);
    recovered.sign_in().await.expect(200);
}

/// Another node has its turn to read and decide alone (decision 20).
async fn another_turn(server: &Server) -> Transaction<'static, Postgres> {
    let mut turn = server.app.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(4207849486)").execute(&mut *turn).await.unwrap();
    turn
}

/// Until somebody waits for their turn.
async fn somebody_waits(server: &Server) {
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
                                  WHERE locktype = 'advisory' AND NOT granted AND datname = current_database())";
    let waits = async {
        while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&server.app.pool).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Patience::from_secs(15), waits).await.expect("nobody waits for their turn");
}

#[tokio::test]
async fn se03_an_api_key_is_not_made_from_a_session_that_a_recovery_has_just_ended() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let mut tool = ada.visitor.clone();

    let turn = another_turn(&server).await;
    let key = json!({ "name": "backup", "expiresAt": "2031-01-01T00:00:00Z" });
    let making = tokio::spawn(async move { tool.post("/api/api-keys", &key).await });
    // Whoever asks is signed in, and has been let in.
    somebody_waits(&server).await;
    let recovered = UserCommand::SignOutEverywhere { except: None };
    let id: chancery_domain::ids::UserId = ada.id.parse().unwrap();
    server.app.store.execute::<User>(id, recovered, &server.app.system()).await.unwrap();
    turn.commit().await.unwrap();

    making.await.unwrap().expect(401);
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM views.api_keys WHERE user_id = $1")
        .bind(id.0)
        .fetch_one(&server.app.pool)
        .await
        .unwrap();
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn se03_a_recovery_that_replaces_waits_for_an_api_key_that_is_just_being_made_and_ends_it() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let (mut recovered, code) = recovery(&server, &ada).await;
    let mut thief = ada.visitor.clone();

    let turn = another_turn(&server).await;
    let redeeming = tokio::spawn(async move { recovered.redeem(&code, &json!({})).await });
    somebody_waits(&server).await;
    thief.get("/api/users/me").await.expect(200);
    turn.commit().await.unwrap();

    redeeming.await.unwrap().expect(204);
    thief.get("/api/users/me").await.expect(401);
}
