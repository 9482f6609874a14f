//! What a grant rests on ends it at every door: codes, refresh tokens, introspection, UserInfo; attacks CR-05, RT-05, IR-03.

use std::time::Instant;

use chancery_api::accounts;
use chancery_api::http::caller::Caller;
use chancery_domain::client::{Client as ClientAggregate, ClientCommand};
use chancery_tests::node::{Client, Person, userinfo};
use chancery_tests::server::Server;
use chancery_tests::visitor::Answer;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

#[track_caller]
fn assert_invalid_grant(answer: &Answer) {
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_grant")), "{}", answer.text);
}

#[track_caller]
fn assert_invalid_client(answer: &Answer) {
    assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")), "{}", answer.text);
}

async fn code(ada: &mut Person, client: &Client) -> String {
    let scope = [("scope", "openid offline_access")];
    ada.authorize(client, &scope).await.expect(303).parameter("code").expect("a code")
}

async fn tokens(server: &Server, ada: &mut Person, client: &Client) -> Value {
    let code = code(ada, client).await;
    client.redeem(server, &code).await.expect(200).json()
}

/// An app for the members of a group, and one of them.
async fn restricted() -> (Server, Person, Client, String) {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let ada = server.person("ada").await;
    let wiki = server.client(&json!({ "isGroupRestricted": true })).await;
    let group = json!({ "name": "editors", "friendlyName": "Editors" });
    let group = admin.post("/api/user-groups", &group).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let groups = json!({ "userGroupIds": [group] });
    let path = format!("/api/oidc/clients/{}/allowed-user-groups", wiki.id);
    admin.json(Method::PUT, &path, &groups).await.expect(200);
    set_members(&server, &group, &[&ada.id]).await;
    (server, ada, wiki, group)
}

async fn set_members(server: &Server, group: &str, members: &[&str]) {
    let path = format!("/api/user-groups/{group}/users");
    server.admin.clone().json(Method::PUT, &path, &json!({ "userIds": members })).await.expect(200);
}

#[tokio::test]
async fn cr05_rt05_whoever_left_the_group_gets_nothing_more() {
    let (server, mut ada, wiki, group) = restricted().await;
    let tokens = tokens(&server, &mut ada, &wiki).await;
    let waiting = code(&mut ada, &wiki).await;
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    userinfo(&server, access).await.expect(200);

    set_members(&server, &group, &[]).await;

    let second = server.second().await;
    for node in [&server, &second] {
        assert_invalid_grant(&wiki.redeem(node, &waiting).await);
        assert_invalid_grant(&wiki.refresh(node, refresh).await);
        userinfo(node, access).await.expect(401);
        assert_eq!(wiki.introspect(node, access).await, json!({ "active": false }));
        assert_eq!(wiki.introspect(node, refresh).await, json!({ "active": false }));
    }
}

/// Decision 13: being in a group is asked at each use, and coming back to it is no new beginning.
#[tokio::test]
async fn rt05_whoever_comes_back_to_the_group_goes_on_with_what_they_had() {
    let (server, mut ada, wiki, group) = restricted().await;
    let tokens = tokens(&server, &mut ada, &wiki).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();

    set_members(&server, &group, &[]).await;
    assert_invalid_grant(&wiki.refresh(&server, refresh).await);
    set_members(&server, &group, &[&ada.id]).await;

    wiki.refresh(&server, refresh).await.expect(200);
}

/// RFC 6749 §4.1.2 and RFC 9700 §4.14.2 know no exception: who comes back to the group must not go on with what was stolen.
#[tokio::test]
async fn cr01_rt01_what_is_replayed_while_the_policy_denies_it_ends_the_grant_and_is_on_the_record() {
    for is_code in [true, false] {
        let (server, mut ada, wiki, group) = restricted().await;
        let used = code(&mut ada, &wiki).await;
        let first = wiki.redeem(&server, &used).await.expect(200).json()["refresh_token"].as_str().unwrap().to_owned();
        let second =
            wiki.refresh(&server, &first).await.expect(200).json()["refresh_token"].as_str().unwrap().to_owned();
        server.later(Duration::minutes(1));

        set_members(&server, &group, &[]).await;
        assert_invalid_grant(&match is_code {
            true => wiki.redeem(&server, &used).await,
            false => wiki.refresh(&server, &first).await,
        });
        set_members(&server, &group, &[&ada.id]).await;

        assert_invalid_grant(&wiki.refresh(&server, &second).await);
        let events = server.app.store.feed().read(0, 1000).await.unwrap();
        let last: Vec<_> =
            events.iter().map(|recorded| recorded.event.name()).filter(|n| n.starts_with("grant")).collect();
        let replay = if is_code { "grant.code_replayed" } else { "grant.refresh_reuse_detected" };
        assert_eq!(last[last.len() - 2..], [replay, "grant.revoked"]);
    }
}

#[tokio::test]
async fn rt05_a_withdrawn_consent_ends_what_it_gave_and_a_new_one_revives_nothing() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let before = tokens(&server, &mut ada, &wiki).await;
    let refresh = before["refresh_token"].as_str().unwrap();

    ada.visitor.form(&format!("/account/apps/{}/withdraw", wiki.id), &[]).await.expect(303);
    assert_invalid_grant(&wiki.refresh(&server, refresh).await);

    let after = tokens(&server, &mut ada, &wiki).await;
    assert_invalid_grant(&wiki.refresh(&server, refresh).await);
    wiki.refresh(&server, after["refresh_token"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn cr05_tc11_a_disabled_app_gets_nothing_and_enabling_it_revives_nothing() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let waiting = code(&mut ada, &wiki).await;
    let tokens = tokens(&server, &mut ada, &wiki).await;
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let set = async |command| {
        let system = server.app.system();
        server.app.store.execute::<ClientAggregate>(&wiki.id, command, &system).await.unwrap();
    };

    set(ClientCommand::Disable).await;
    assert_invalid_client(&wiki.redeem(&server, &waiting).await);
    assert_invalid_client(&wiki.refresh(&server, refresh).await);
    userinfo(&server, access).await.expect(401);
    let page = ada.visitor.get(&wiki.authorize(&[])).await.expect(400);
    assert!(page.headers.get("location").is_none());

    set(ClientCommand::Enable).await;
    assert_invalid_grant(&wiki.redeem(&server, &waiting).await);
    assert_invalid_grant(&wiki.refresh(&server, refresh).await);
    userinfo(&server, access).await.expect(401);
}

#[tokio::test]
async fn ir03_of_a_token_that_does_not_count_nothing_is_told_but_that() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let inactive = json!({ "active": false });
    let both = |tokens: &Value| ["access_token", "refresh_token"].map(|name| tokens[name].as_str().unwrap().to_owned());

    let expired = both(&tokens(&server, &mut ada, &wiki).await);
    server.later(Duration::hours(1));
    assert_eq!(wiki.introspect(&server, &expired[0]).await, inactive, "expired");
    assert_eq!(wiki.introspect(&server, &expired[1]).await["active"], true);
    server.later(Duration::days(30));
    assert_eq!(wiki.introspect(&server, &expired[1]).await, inactive, "ended");

    ada.sign_in().await.expect(200);
    let revoked = both(&tokens(&server, &mut ada, &wiki).await);
    let pairs =
        [("token", revoked[1].as_str()), ("client_id", wiki.id.as_str()), ("client_secret", wiki.secret.as_str())];
    server.visitor().form("/api/oidc/revoke", &pairs).await.expect(200);
    let of_disabled = both(&tokens(&server, &mut ada, &wiki).await);
    let mut user = admin.get(&format!("/api/users/{}", ada.id)).await.json();
    user["disabled"] = json!(true);
    admin.json(Method::PUT, &format!("/api/users/{}", ada.id), &user).await.expect(200);
    for token in revoked.iter().chain(&of_disabled) {
        assert_eq!(wiki.introspect(&server, token).await, inactive);
    }

    admin.send(Method::DELETE, &format!("/api/users/{}", ada.id), None, &[]).await.expect(204);
    for token in &of_disabled {
        assert_eq!(wiki.introspect(&server, token).await, inactive, "of somebody who is gone");
    }
}

#[tokio::test]
async fn revoked_tokens_that_have_expired_leave_the_view() {
    let server = Server::start().await;
    let wiki = server.client(&json!({})).await;
    let revoke = async || {
        let pairs = [("grant_type", "client_credentials")];
        let token = wiki.token(&server, &pairs).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
        let pairs =
            [("token", token.as_str()), ("client_id", wiki.id.as_str()), ("client_secret", wiki.secret.as_str())];
        server.visitor().form("/api/oidc/revoke", &pairs).await.expect(200);
        token
    };
    let kept = async || {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM revoked_tokens").fetch_one(&server.app.pool).await.unwrap();
        count
    };

    let first = revoke().await;
    let second = revoke().await;
    assert_eq!(kept().await, 2);
    server.later(Duration::hours(2));
    revoke().await;
    assert_eq!(kept().await, 3, "a day is left for clocks that differ");
    server.later(Duration::hours(26));
    revoke().await;

    assert_eq!(kept().await, 1);
    for token in [first, second] {
        assert_eq!(wiki.introspect(&server, &token).await, json!({ "active": false }));
    }
}

#[tokio::test]
async fn ev15_signing_everybody_out_ends_sessions_grants_and_links_on_every_node() {
    let server = Server::start().await;
    let second = server.second().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[("scope", "openid offline_access")]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let unused = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    let link =
        accounts::issue_setup_link(&server.app, &Caller::trusted(server.app.system()), Duration::DAY).await.unwrap();
    userinfo(&second, access).await.expect(200);

    let ended = accounts::sign_out_everybody(&server.app, &Caller::trusted(server.app.system())).await.unwrap();

    assert_eq!(ended, (1, 1), "Ada and the link");
    let acknowledged = Instant::now();
    for node in [&server, &second] {
        while userinfo(node, access).await.status != 401 {
            assert!(acknowledged.elapsed() < std::time::Duration::from_secs(1), "S1: within a second");
        }
        let mut there = ada.visitor.clone();
        there.base = node.base.clone();
        there.get("/api/users/me").await.expect(401);
        wiki.refresh(node, refresh).await.expect(400);
        wiki.redeem(node, &unused).await.expect(400);
        node.visitor().get(&format!("/enroll/{}", link.code)).await.expect(410);
    }
    ada.sign_in().await.expect(200);
}

/// Two devices that sign the other out at the same moment: whichever is signed out, nothing that it was granted goes on.
#[tokio::test]
async fn se03_rt05_a_session_that_is_over_spares_nothing_by_signing_out_the_others() {
    let server = Server::start().await;
    let second = server.second().await;
    let wiki = server.client(&json!({})).await;
    for round in 0..8 {
        let ada = server.person(&format!("ada-{round}")).await;
        let mut devices = Vec::new();
        for node in [&server, &second] {
            let mut device = Person { visitor: node.visitor(), ..ada.clone() };
            device.sign_in().await.expect(200);
            let refresh = tokens(&server, &mut device, &wiki).await["refresh_token"].as_str().unwrap().to_owned();
            devices.push((device, refresh));
        }

        let pressed = devices.clone().into_iter().map(|(mut device, _)| {
            tokio::spawn(async move { device.visitor.form("/account/sessions/end-others", &[]).await.status })
        });
        for press in pressed.collect::<Vec<_>>() {
            press.await.unwrap();
        }

        let mut live = 0;
        for (device, refresh) in &mut devices {
            match device.visitor.get("/api/users/me").await.status {
                200 => live += 1,
                _ => assert_invalid_grant(&wiki.refresh(&server, refresh).await),
            }
        }
        assert!(live <= 1, "one of them was signed out");
    }
}
