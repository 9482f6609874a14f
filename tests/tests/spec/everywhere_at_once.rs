//! What was taken away on one node holds within a second on another that had it in memory: attacks TC-11, RT-05, ES-04.

use std::time::{Duration, Instant};

use chancery_domain::client::{Client as ClientAggregate, ClientCommand};
use chancery_tests::node::{Client, Node, Person, userinfo};
use chancery_tests::server::Server;
use chancery_tests::visitor::Visitor;
use reqwest::Method;
use serde_json::{Value, json};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// Two nodes that both have worked before.
async fn two_nodes() -> (Server, Server) {
    let server = Server::start().await;
    let second = server.second().await;
    (server, second)
}

/// Asks until it is refused, for a second at most.
async fn refused_within_a_second(what: &str, mut refused: impl AsyncFnMut() -> bool) {
    let acknowledged = Instant::now();
    while !refused().await {
        assert!(acknowledged.elapsed() < Duration::from_secs(1), "{what} holds a second later");
    }
}

#[tokio::test]
async fn tc11_what_a_client_loses_a_node_that_has_just_let_it_in_refuses_within_a_second() {
    let (server, second) = two_nodes().await;
    let mut admin = server.admin.clone();

    for loss in ["the app", "its being enabled", "its secret"] {
        let service = server.client(&json!({ "name": "Service" })).await;
        let token = service.token(&second, &[GRANT]).await.expect(200).json()["access_token"].clone();
        let token = token.as_str().unwrap();
        assert_eq!(service.introspect(&second, token).await["active"], true);

        let path = format!("/api/oidc/clients/{}", service.id);
        match loss {
            "the app" => drop(admin.send(Method::DELETE, &path, None, &[]).await.expect(204)),
            "its secret" => {
                let secrets = admin.get(&format!("{path}/secrets")).await.expect(200).json();
                let path = format!("{path}/secrets/{}", secrets[0]["id"].as_str().unwrap());
                admin.send(Method::DELETE, &path, None, &[]).await.expect(204);
            }
            _ => {
                let (store, system) = (&server.app.store, server.app.system());
                store.execute::<ClientAggregate>(&service.id, ClientCommand::Disable, &system).await.unwrap();
            }
        }

        refused_within_a_second(loss, async || {
            let answer = service.token(&second, &[GRANT]).await;
            answer.status == 401 && answer.json()["error"] == "invalid_client"
        })
        .await;
        for path in ["/api/oidc/introspect", "/api/oidc/revoke"] {
            let pairs = [("token", token), ("client_id", &service.id), ("client_secret", &service.secret)];
            assert_eq!(second.visitor().form(path, &pairs).await.expect(401).json()["error"], "invalid_client");
        }
    }
}

/// Whether nothing of a grant counts at a node any more.
async fn is_over(node: &Node, wiki: &Client, access: &str, refresh: &str) -> bool {
    let inactive = json!({ "active": false });
    let refreshed = wiki.refresh(node, refresh).await;
    let refused = refreshed.status == 400 && refreshed.json()["error"] == "invalid_grant";
    refused
        && userinfo(node, access).await.status == 401
        && wiki.introspect(node, access).await == inactive
        && wiki.introspect(node, refresh).await == inactive
}

/// A member of a group and an app for it, which the other node has just seen at work.
struct AtWork {
    person: Person,
    wiki: Client,
    group: String,
    access: String,
    refresh: String,
}

async fn at_work(server: &Server, second: &Server, name: &str) -> AtWork {
    let mut admin = server.admin.clone();
    let mut person = server.person(name).await;
    let wiki = server.client(&json!({ "isGroupRestricted": true })).await;
    let group = json!({ "name": name, "friendlyName": name });
    let group = admin.post("/api/user-groups", &group).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/oidc/clients/{}/allowed-user-groups", wiki.id);
    admin.json(Method::PUT, &path, &json!({ "userGroupIds": [group] })).await.expect(200);
    set_members(&mut admin, &group, &[&person.id]).await;
    let code = person.authorize(&wiki, &[("scope", "openid offline_access")]).await.parameter("code").unwrap();
    let text = |tokens: &Value, name: &str| tokens[name].as_str().unwrap().to_owned();
    let tokens = wiki.redeem(second, &code).await.expect(200).json();
    let tokens = wiki.refresh(second, &text(&tokens, "refresh_token")).await.expect(200).json();
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    userinfo(second, &access).await.expect(200);
    assert_eq!(wiki.introspect(second, &refresh).await["active"], true);
    AtWork { person, wiki, group, access, refresh }
}

async fn set_members(admin: &mut Visitor, group: &str, members: &[&str]) {
    let path = format!("/api/user-groups/{group}/users");
    admin.json(Method::PUT, &path, &json!({ "userIds": members })).await.expect(200);
}

#[tokio::test]
async fn rt05_what_a_grant_rests_on_is_missed_within_a_second_by_a_node_that_has_just_used_it() {
    let (server, second) = two_nodes().await;
    let mut admin = server.admin.clone();

    for loss in ["disabled", "erased", "left-the-group", "consent-withdrawn"] {
        let AtWork { mut person, wiki, group, access, refresh } = at_work(&server, &second, loss).await;
        let path = format!("/api/users/{}", person.id);

        match loss {
            "disabled" => {
                let mut user = admin.get(&path).await.json();
                user["disabled"] = json!(true);
                admin.json(Method::PUT, &path, &user).await.expect(200);
            }
            "erased" => drop(admin.send(Method::DELETE, &path, None, &[]).await.expect(204)),
            "left-the-group" => set_members(&mut admin, &group, &[]).await,
            _ => {
                person.visitor.form(&format!("/account/apps/{}/withdraw", wiki.id), &[]).await.expect(303);
            }
        }

        refused_within_a_second(loss, async || is_over(&second, &wiki, &access, &refresh).await).await;
    }
}

#[tokio::test]
async fn es04_who_has_signed_out_is_nobody_within_a_second_at_a_node_that_has_just_served_them() {
    let (server, second) = two_nodes().await;
    let mut ada = server.person("ada").await;
    let mut there = Visitor { base: second.base.clone(), ..ada.visitor.clone() };
    there.get("/api/users/me").await.expect(200);
    let page = there.get("/account").await.expect(200);
    assert_eq!(page.header("cache-control"), "no-store", "what was shown is not shown again");

    ada.visitor.post("/api/webauthn/logout", &json!({})).await.expect(204);

    refused_within_a_second("the session", async || there.get("/api/users/me").await.status == 401).await;
    there.get("/account").await.expect(303);
}
