//! Two who edit the same thing at once: RFC 9110 §13.1.1, attacks AD-15.

use chancery_tests::node::Person;
use chancery_tests::server::Server;
use chancery_tests::visitor::{Answer, Visitor};
use reqwest::Method;
use serde_json::{Value, json};

/// A change by somebody who saw the thing under this tag.
async fn put(by: &Visitor, path: &str, tag: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("if-match", tag)];
    by.clone().send(Method::PUT, path, Some(body.to_string()), &headers).await
}

/// A person, a group and an app: their paths, and the change of each to another name.
async fn things(server: &Server) -> [(String, fn(&str) -> Value); 3] {
    let mut admin = server.admin.clone();
    let user = admin.post("/api/users", &json!({ "username": "mira", "firstName": "Mira" })).await.expect(201).json();
    let group = admin.post("/api/user-groups", &json!({ "name": "ops", "friendlyName": "Ops" })).await.json();
    let client = admin.post("/api/oidc/clients", &json!({ "name": "Wiki" })).await.expect(201).json();
    let path = |kind: &str, of: &Value| format!("/api/{kind}/{}", of["id"].as_str().unwrap());
    [
        (path("users", &user), |name| json!({ "username": "mira", "firstName": name })),
        (path("user-groups", &group), |name| json!({ "name": "ops", "friendlyName": name })),
        (path("oidc/clients", &client), |name| json!({ "name": name })),
    ]
}

#[tokio::test]
async fn ad15_of_two_administrators_the_second_hears_of_the_first() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    for (path, named) in things(&server).await {
        let (first, second) = (named("Anna"), named("Berta"));
        let seen = admin.get(&path).await.expect(200).header("etag").to_owned();
        assert!(seen.starts_with('"') && seen.len() > 22, "{path}: a strong validator, {seen}");
        assert_eq!(admin.get(&path).await.header("etag"), seen, "{path}: the same while nothing changes");

        let changed = put(&admin, &path, &seen, &first).await.expect(200);
        let head = server.app.store.feed().head().await.unwrap();
        let outrun = put(&admin, &path, &seen, &second).await.expect(412).json();
        let gone = admin.send(Method::DELETE, &path, None, &[("if-match", &seen)]).await.expect(412).json();

        assert_eq!((&outrun["code"], &gone["code"]), (&json!("precondition_failed"), &json!("precondition_failed")));
        assert_eq!(server.app.store.feed().head().await.unwrap(), head, "{path}: nothing was recorded");
        let now = admin.get(&path).await.expect(200);
        assert_eq!(
            (now.header("etag"), now.json()),
            (changed.header("etag"), changed.json()),
            "{path}: PUT says the tag"
        );
        put(&admin, &path, &format!("\"another\", {}", now.header("etag")), &second).await.expect(200);
        put(&admin, &path, "*", &first).await.expect(200);
        admin.json(Method::PUT, &path, &second).await.expect(200);
    }
}

#[tokio::test]
async fn ad15_what_belongs_to_a_thing_is_changed_only_as_it_was_seen() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let things = things(&server).await;
    let [user, group, client] = [0, 1, 2].map(|at: usize| things[at].0.clone());
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    for (of, path, body) in [
        (&user, format!("{user}/user-groups"), json!({ "userGroupIds": [id(&group)] })),
        (&user, format!("/api/custom-claims/user/{}", id(&user)), json!([{ "key": "team", "value": "blue" }])),
        (&group, format!("{group}/users"), json!({ "userIds": [] })),
        (&group, format!("{group}/allowed-oidc-clients"), json!({ "oidcClientIds": [id(&client)] })),
        (&group, format!("/api/custom-claims/user-group/{}", id(&group)), json!([{ "key": "team", "value": "red" }])),
        (&client, format!("{client}/allowed-user-groups"), json!({ "userGroupIds": [] })),
    ] {
        let seen = admin.get(of).await.expect(200).header("etag").to_owned();
        assert_eq!(put(&admin, &path, &seen, &body).await.status, 200, "{path}");
        let head = server.app.store.feed().head().await.unwrap();
        assert_eq!(put(&admin, &path, &seen, &body).await.expect(412).json()["code"], "precondition_failed", "{path}");
        assert_eq!(server.app.store.feed().head().await.unwrap(), head, "{path}");
    }
}

#[tokio::test]
async fn ad15_of_twenty_at_once_on_two_nodes_one_is_first() {
    let server = Server::start().await;
    let other = server.second().await;
    for (path, named) in things(&server).await {
        let seen = server.admin.clone().get(&path).await.expect(200).header("etag").to_owned();
        let bodies: Vec<_> = (0..20).map(|number| named(&format!("Name {number}"))).collect();
        assert_one_is_first([&server, &other], &path, &seen, &bodies).await;
    }
}

/// Of several who send a body each to the same path on two nodes, having seen the same, one is heard.
async fn assert_one_is_first(nodes: [&Server; 2], path: &str, tag: &str, bodies: &[Value]) {
    let changes: Vec<_> = bodies.iter().map(|body| (path.to_owned(), body.clone())).collect();
    assert_one_change_is_first(nodes, tag, changes).await;
}

/// The same of changes at different paths of one thing.
async fn assert_one_change_is_first(nodes: [&Server; 2], tag: &str, changes: Vec<(String, Value)>) {
    let changes = changes.into_iter().enumerate().map(|(number, (path, body))| {
        let (by, tag) = (nodes[number % 2].admin.clone(), tag.to_owned());
        tokio::spawn(async move { put(&by, &path, &tag, &body).await.status })
    });
    let mut answers = Vec::new();
    for change in changes.collect::<Vec<_>>() {
        answers.push(change.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| matches!(status, 200 | 409 | 412)), "{answers:?}");
}

#[tokio::test]
async fn ad15_of_a_groups_lists_name_and_claims_that_come_at_once_on_two_nodes_one_is_taken() {
    let server = Server::start().await;
    let other = server.second().await;
    let mut admin = server.admin.clone();
    let [(user, _), (group, named), (client, _)] = things(&server).await;
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();

    for round in 0..4 {
        let present = admin.get(&group).await.expect(200);
        let (seen, present) = (present.header("etag").to_owned(), present.json());
        // None of them is without effect.
        let other_list = |of: &str, member: &str| match present[of].as_array().unwrap().is_empty() {
            true => vec![id(member)],
            false => vec![],
        };
        let (people, apps) = (other_list("users", &user), other_list("allowedOidcClients", &client));
        let round = format!("Round {round}");
        let changes = vec![
            (format!("{group}/users"), json!({ "userIds": people })),
            (group.clone(), named(&round)),
            (format!("{group}/allowed-oidc-clients"), json!({ "oidcClientIds": apps })),
            (format!("/api/custom-claims/user-group/{}", id(&group)), json!([{ "key": "round", "value": round }])),
        ];
        assert_one_change_is_first([&server, &other], &seen, changes).await;
    }
}

#[tokio::test]
async fn ad15_of_lists_that_come_at_once_on_two_nodes_one_is_taken_whole() {
    let server = Server::start().await;
    let other = server.second().await;
    let mut admin = server.admin.clone();
    let [_, (group, _), _] = things(&server).await;
    let (mut people, mut apps) = (Vec::new(), Vec::new());
    for number in 0..10 {
        let user = json!({ "username": format!("person-{number}") });
        people.push(admin.post("/api/users", &user).await.expect(201).json()["id"].clone());
        apps.push(admin.post("/api/oidc/clients", &json!({ "name": "App" })).await.expect(201).json()["id"].clone());
    }

    // No two have anything in common, so nothing that is recorded is in the other's way.
    for (path, shown, member, ids) in [
        (format!("{group}/users"), "users", "userIds", people),
        (format!("{group}/allowed-oidc-clients"), "allowedOidcClients", "oidcClientIds", apps),
    ] {
        let seen = admin.get(&group).await.expect(200).header("etag").to_owned();
        let bodies: Vec<_> = ids.iter().map(|id| json!({ member: [id] })).collect();
        assert_one_is_first([&server, &other], &path, &seen, &bodies).await;
        assert_eq!(admin.get(&group).await.json()[shown].as_array().unwrap().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn ad15_what_a_tool_does_not_name_is_not_undone_by_it() {
    let server = Server::start().await;
    let other = server.second().await;
    let mut admin = server.admin.clone();
    let [_, _, (client, named)] = things(&server).await;

    for wanted in ["ES256", "EdDSA", "RS256", "ES256", "EdDSA", "RS256"] {
        let mut bodies: Vec<_> = (0..12).map(|number| named(&format!("{wanted} {number}"))).collect();
        bodies[6]["idTokenSigningAlg"] = json!(wanted);
        let changes = bodies.into_iter().enumerate().map(|(number, body)| {
            let (mut by, path) = ([&server, &other][number % 2].admin.clone(), client.clone());
            tokio::spawn(async move { by.json(Method::PUT, &path, &body).await.status })
        });
        for change in changes.collect::<Vec<_>>() {
            assert_eq!(change.await.unwrap(), 200, "the later wins");
        }
        assert_eq!(admin.get(&client).await.expect(200).json()["idTokenSigningAlg"], wanted);
    }
}

#[tokio::test]
async fn ad15_of_secrets_that_replace_all_others_at_once_one_is_left() {
    let server = Server::start().await;
    let other = server.second().await;
    let wiki = server.client(&json!({})).await;
    let path = format!("/api/oidc/clients/{}/secret", wiki.id);

    for _ in 0..3 {
        let replacing = (0..8).map(|number| {
            let (mut by, path) = ([&server, &other][number % 2].admin.clone(), path.clone());
            tokio::spawn(async move { by.post(&path, &json!({})).await.status })
        });
        for replaced in replacing.collect::<Vec<_>>() {
            assert_eq!(replaced.await.unwrap(), 200, "the later wins");
        }
        let secrets = server.admin.clone().get(&format!("{path}s")).await.expect(200).json();
        assert_eq!(secrets.as_array().unwrap().len(), 1, "{secrets}");
    }
}

#[tokio::test]
async fn ad15_a_groups_list_of_apps_leaves_their_other_groups_alone() {
    let server = Server::start().await;
    let other = server.second().await;
    let mut admin = server.admin.clone();
    let [_, (group, _), (client, _)] = things(&server).await;
    let second = admin.post("/api/user-groups", &json!({ "name": "two", "friendlyName": "Two" })).await.json();
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();

    for _ in 0..10 {
        let none = json!({ "userGroupIds": [] });
        admin.json(Method::PUT, &format!("{client}/allowed-user-groups"), &none).await.expect(200);
        let of_group = format!("{group}/allowed-oidc-clients");
        let of_client = format!("{client}/allowed-user-groups");
        let (mut here, mut there) = (server.admin.clone(), other.admin.clone());
        let (apps, groups) = (json!({ "oidcClientIds": [id(&client)] }), json!({ "userGroupIds": [second["id"]] }));
        let (first, last) =
            tokio::join!(here.json(Method::PUT, &of_group, &apps), there.json(Method::PUT, &of_client, &groups));
        assert_eq!((first.status, last.status), (200, 200));
        let allowed = admin.get(&client).await.expect(200).json()["allowedUserGroups"].clone();
        assert!(allowed.as_array().unwrap().iter().any(|group| group["id"] == second["id"]), "{allowed}");
    }
}

/// What a form of this page was filled in from.
async fn seen(person: &mut Person, page: &str) -> String {
    let page = person.visitor.get(page).await.expect(200).text;
    let (_, rest) = page.split_once("name=\"seen\" value=\"").unwrap();
    rest.split_once("\">").unwrap().0.replace("&#34;", "\"")
}

#[tokio::test]
async fn ad15_a_page_keeps_what_was_entered_and_says_that_someone_was_faster() {
    let server = Server::start().await;
    let mut ada = server.first_admin().await;
    let mut admin = server.admin.clone();
    let things = things(&server).await;
    let id = |at: usize| things[at].0.rsplit('/').next().unwrap().to_owned();
    let person = format!("/admin/people/{}", id(0));
    let (group, app) = (format!("/admin/groups/{}", id(1)), format!("/admin/apps/{}", id(2)));
    let profile = |name| vec![("username", "mira"), ("first_name", name)];
    let names = |name| vec![("name", "ops"), ("friendly_name", name)];
    let settings = |name| {
        vec![("name", name), ("access_token_minutes", "60"), ("refresh_token_minutes", "60"), ("audience", "all")]
    };
    let claims = |value| vec![("key", "team"), ("value", value)];
    for (page, path, entered, theirs) in [
        (&person, person.clone(), profile("Clara"), &things[0]),
        (&person, format!("{person}/claims"), claims("green"), &things[0]),
        (&group, group.clone(), names("Clerks"), &things[1]),
        (&group, format!("{group}/claims"), claims("green"), &things[1]),
        (&app, app.clone(), settings("Clara"), &things[2]),
    ] {
        let tag = seen(&mut ada, page).await;
        let (at, named) = theirs;
        admin.json(Method::PUT, at, &named(&format!("Before {}", path.len()))).await.expect(200);
        let head = server.app.store.feed().head().await.unwrap();

        let form = [entered.clone(), vec![("seen", tag.as_str())]].concat();
        let refused = ada.visitor.form(&path, &form).await.expect(200).text;

        assert!(refused.contains("Someone else changed this after you opened it"), "{path}");
        assert!(
            refused.contains(&format!("value=\"{}\"", entered.last().unwrap().1)) || refused.contains("Clara"),
            "{path}"
        );
        assert_eq!(server.app.store.feed().head().await.unwrap(), head, "{path}: nothing was recorded");
        let tag = seen(&mut ada, page).await;
        assert!(refused.contains(&tag.replace('"', "&#34;")), "{path}: saving again is meant");
        let form = [entered.clone(), vec![("seen", tag.as_str())]].concat();
        ada.visitor.form(&path, &form).await;
        assert_eq!(server.app.store.feed().head().await.unwrap(), head + 1, "{path}");
    }
}
