//! The account of `STATIC_API_KEY`: there for the key, and for nothing else.

use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

const ACCOUNT: &str = "/api/users/00000000-0000-0000-0000-000000000000";

/// Who disabled and enabled anybody.
async fn turns(server: &Server) -> Vec<(String, String)> {
    let events = server.app.store.feed().read(0, 1000).await.unwrap();
    let turns = events.iter().filter(|recorded| matches!(recorded.event.name(), "user.disabled" | "user.enabled"));
    turns.map(|recorded| (recorded.event.name().to_owned(), recorded.context.actor.to_string())).collect()
}

#[tokio::test]
async fn an_account_whose_key_is_not_configured_any_more_is_disabled_at_the_start() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    server.admin.clone().get(ACCOUNT).await.expect(200);
    let disabled = async |server: &Server, root: &mut chancery_tests::node::Person| -> Value {
        root.visitor.base = server.base.clone();
        root.visitor.get(ACCOUNT).await.expect(200).json()["disabled"].clone()
    };

    let without = server.second_with(&[("STATIC_API_KEY", "")]).await;
    assert_eq!(disabled(&without, &mut root).await, true);
    assert_eq!(server.admin.clone().get("/api/users").await.expect(401).json()["code"], "not_signed_in");
    let off = ("user.disabled".to_owned(), "system".to_owned());
    assert_eq!(turns(&server).await, std::slice::from_ref(&off), "on the record, once");
    server.second_with(&[("STATIC_API_KEY", "")]).await;
    assert_eq!(turns(&server).await.len(), 1);

    let with = server.second().await;
    assert_eq!(disabled(&with, &mut root).await, false);
    with.admin.clone().get("/api/users").await.expect(200);
    let on = ("user.enabled".to_owned(), "system".to_owned());
    assert_eq!(turns(&server).await, [off, on]);
}

#[tokio::test]
async fn it_is_no_administrator_who_remains() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let mut admin = server.admin.clone();
    let path = format!("/api/users/{}", root.id);
    let mut user = admin.get(&path).await.expect(200).json();
    user["isAdmin"] = json!(false);

    assert_eq!(admin.json(Method::PUT, &path, &user).await.expect(409).json()["code"], "last_admin");
    let without = server.second_with(&[("STATIC_API_KEY", "")]).await;
    root.visitor.base = without.base.clone();
    assert_eq!(root.visitor.json(Method::PUT, &path, &user).await.expect(409).json()["code"], "last_admin");
}

#[tokio::test]
async fn where_there_never_was_a_key_there_is_no_account() {
    let server = Server::with(&[("STATIC_API_KEY", "")]).await;
    let mut root = server.first_admin().await;
    root.visitor.get(ACCOUNT).await.expect(404);
}

#[tokio::test]
async fn nobody_signs_in_to_it_and_it_stays() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    server.admin.clone().get(ACCOUNT).await.expect(200);
    let page = "/admin/people/00000000-0000-0000-0000-000000000000";

    let link = root.visitor.post(&format!("{ACCOUNT}/one-time-access-token"), &json!({})).await.expect(403).json();
    assert_eq!(link["code"], "one_time_access_disabled");
    root.visitor.form(&format!("{page}/enrollment-link"), &[]).await.expect(403);
    let shown = root.visitor.get(page).await.expect(200).text;
    for offered in ["enrollment-link", "Passkeys</h2>", "delete\"", "/picture\""] {
        assert!(!shown.contains(offered), "{offered}: {shown}");
    }
    let kept = root.visitor.send(Method::DELETE, ACCOUNT, None, &[]).await.expect(409).json();
    assert_eq!(kept["code"], "static_api_user");
    server.admin.clone().get(ACCOUNT).await.expect(200);
}
