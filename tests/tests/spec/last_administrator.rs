//! Somebody who administers always remains, whatever happens at once and on whichever node: attacks AD-05.

use chancery_tests::server::Server;
use chancery_tests::visitor::{Answer, Visitor};
use reqwest::Method;
use serde_json::{Value, json};

const ROUNDS: usize = 12;

async fn administrator(admin: &mut Visitor, name: &str) -> Value {
    let user = json!({ "username": name, "firstName": name, "isAdmin": true });
    admin.post("/api/users", &user).await.expect(201).json()
}

/// What takes an administrator away.
async fn take_away(mut by: Visitor, how: &str, user: &Value) -> Answer {
    let path = format!("/api/users/{}", user["id"].as_str().unwrap());
    let mut user = user.clone();
    match how {
        "erase" => return by.send(Method::DELETE, &path, None, &[]).await,
        "demote" => user["isAdmin"] = json!(false),
        _ => user["disabled"] = json!(true),
    }
    by.json(Method::PUT, &path, &user).await
}

async fn administrators(server: &Server) -> Vec<String> {
    let listed = server.admin.clone().get("/api/users?filters[isAdmin]=true&filters[disabled]=false").await.json();
    let people = listed["data"].as_array().unwrap().iter().filter(|user| user["firstName"] != "Static API User");
    people.map(|user| user["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn ad05_of_two_administrators_who_are_taken_away_at_once_on_two_nodes_one_remains() {
    let server = Server::start().await;
    let second = server.second().await;
    let mut admin = server.admin.clone();
    let mut remaining = administrator(&mut admin, "first").await;

    for round in 0..ROUNDS {
        let (one, other) =
            [("demote", "demote"), ("disable", "erase"), ("demote", "disable"), ("erase", "erase")][round % 4];
        let added = administrator(&mut admin, &format!("added{round}")).await;

        let answers = tokio::join!(
            take_away(server.admin.clone(), one, &remaining),
            take_away(second.admin.clone(), other, &added),
        );

        let (kept, refused) = match (answers.0.status, answers.1.status) {
            (200 | 204, 409) => (added, answers.1),
            (409, 200 | 204) => (remaining, answers.0),
            statuses => panic!("{one} and {other}: {statuses:?}"),
        };
        assert_eq!(refused.json()["code"], "last_admin");
        assert_eq!(administrators(&server).await, [kept["id"].as_str().unwrap()], "{one} and {other}");
        remaining = kept;
    }
}

#[tokio::test]
async fn ad05_two_administrators_who_leave_at_once_do_not_both_go() {
    let server = Server::start().await;
    let second = server.second().await;
    let mut admin = server.admin.clone();
    let mut root = server.first_admin().await;
    let path = |id: &str| format!("/api/users/{id}");
    let alone = root.visitor.send(Method::DELETE, &path(&root.id), None, &[]).await.expect(409);
    assert_eq!(alone.json()["code"], "last_admin");

    for round in 0..3 {
        let mut other = server.person(&format!("other{round}")).await;
        let mut user = admin.get(&path(&other.id)).await.json();
        user["isAdmin"] = json!(true);
        admin.json(Method::PUT, &path(&other.id), &user).await.expect(200);
        other.visitor.base.clone_from(&second.base);
        let (of_root, of_other) = (path(&root.id), path(&other.id));

        let (one, two) = tokio::join!(
            root.visitor.send(Method::DELETE, &of_root, None, &[]),
            other.visitor.send(Method::DELETE, &of_other, None, &[]),
        );

        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409]);
        if one.status == 204 {
            root = other;
        }
        assert_eq!(administrators(&server).await, [root.id.as_str()]);
    }
}

/// The pages go the same way.
#[tokio::test]
async fn ad05_two_administrators_who_demote_each_other_on_the_pages_do_not_both_succeed() {
    let server = Server::start().await;
    let second = server.second().await;
    let mut admin = server.admin.clone();
    let mut root = server.first_admin().await;
    let mut other = server.person("other").await;
    let make_admin = async |admin: &mut Visitor, id: &str| {
        let mut user = admin.get(&format!("/api/users/{id}")).await.json();
        user["isAdmin"] = json!(true);
        user["disabled"] = json!(false);
        admin.json(Method::PUT, &format!("/api/users/{id}"), &user).await.expect(200);
    };
    other.visitor.base.clone_from(&second.base);

    for act in ["revoke-admin", "disable"] {
        for id in [&root.id, &other.id] {
            make_admin(&mut admin, id).await;
        }
        root.sign_in().await.expect(200);
        other.sign_in().await.expect(200);
        let (of_root, of_other) =
            (format!("/admin/people/{}/{act}", root.id), format!("/admin/people/{}/{act}", other.id));

        let (one, two) = tokio::join!(root.visitor.form(&of_other, &[]), other.visitor.form(&of_root, &[]));

        // Whoever comes second is refused as the last one, or is no administrator any more.
        let succeeded = |answer: &Answer| answer.header("location").starts_with("/admin/people/");
        let refused = |answer: &Answer| {
            answer.status == 403
                || answer.header("location").starts_with("/login")
                || answer.text.contains("must remain to administer")
        };
        let one_of_them = (succeeded(&one) && refused(&two)) || (refused(&one) && succeeded(&two));
        assert!(one_of_them, "{act}: {} {} and {} {}", one.status, one.text, two.status, two.text);
        assert_eq!(administrators(&server).await.len(), 1, "{act}");
    }
}
