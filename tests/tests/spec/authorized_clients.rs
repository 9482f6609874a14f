//! `/api/oidc/users/…`: what people allowed apps, and which apps they may use.

use chancery_tests::node::userinfo;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

const MINE: &str = "/api/oidc/users/me/authorized-clients";

fn meta(id: &str, name: &str, launch_url: Option<&str>) -> Value {
    json!({
        "id": id, "name": name, "description": "", "hasLogo": false, "hasDarkLogo": false, "launchURL": launch_url,
        "requiresReauthentication": false, "clientType": "standard"
    })
}

fn ids(list: &Value, pointer: &str) -> Vec<String> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_a_person_allowed_is_listed_for_them_and_for_administrators() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut bob = server.person("bob").await;
    let wiki = server.client(&json!({ "id": "wiki", "launchURL": "https://wiki.example" })).await;
    let mail = server.client(&json!({ "id": "mail", "name": "Mail" })).await;
    ada.authorize(&wiki, &[("scope", "openid profile")]).await.expect(303).parameter("code").unwrap();
    server.later(Duration::MINUTE);
    ada.authorize(&mail, &[("scope", "openid")]).await.expect(303).parameter("code").unwrap();

    let list = ada.visitor.get(MINE).await.expect(200).json();

    let used = |client: &str| {
        let row = list["data"].as_array().unwrap().iter().find(|row| row["client"]["id"] == client).unwrap();
        row["lastUsedAt"].clone()
    };
    assert_eq!(
        list,
        json!({
            "data": [
                { "scope": "[\"openid\"]", "client": meta("mail", "Mail", None), "lastUsedAt": used("mail") },
                {
                    "scope": "[\"openid\",\"profile\"]", "client": meta("wiki", "Wiki", Some("https://wiki.example")),
                    "lastUsedAt": used("wiki")
                }
            ],
            "pagination": { "totalPages": 1, "totalItems": 2, "currentPage": 1, "itemsPerPage": 20 }
        })
    );
    let of_ada = format!("/api/oidc/users/{}/authorized-clients", ada.id);
    assert_eq!(server.admin.clone().get(&of_ada).await.expect(200).json(), list);
    bob.visitor.get(&of_ada).await.expect(403);
    assert_eq!(bob.visitor.get(MINE).await.expect(200).json()["data"], json!([]));
    for nobody in ["00000000-0000-4000-8000-000000000001", "nobody"] {
        let path = format!("/api/oidc/users/{nobody}/authorized-clients");
        assert_eq!(server.admin.clone().get(&path).await.expect(404).json()["code"], "user_not_found");
    }

    for (query, expected) in [
        ("sort[column]=lastUsedAt", &["wiki", "mail"][..]),
        ("sort[column]=lastUsedAt&sort[direction]=desc", &["mail", "wiki"]),
        ("filters[hasLaunchURL]=true", &["wiki"]),
        ("filters[hasLaunchURL]=false", &["mail"]),
        ("filters[hasLaunchURL]=true&filters[hasLaunchURL]=false", &["mail", "wiki"]),
        ("pagination[limit]=1&pagination[page]=2", &["wiki"]),
    ] {
        let list = ada.visitor.get(&format!("{MINE}?{query}")).await.expect(200).json();
        assert_eq!(ids(&list, "/client/id"), expected, "{query}");
    }
}

#[tokio::test]
async fn a_consent_that_is_withdrawn_ends_what_the_app_was_given() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut bob = server.person("bob").await;
    let wiki = server.client(&json!({ "id": "wiki" })).await;
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let token = tokens["access_token"].as_str().unwrap();
    userinfo(&server, token).await.expect(200);

    let path = format!("{MINE}/wiki");
    assert_eq!(bob.visitor.send(Method::DELETE, &path, None, &[]).await.expect(404).json()["code"], "not_found");
    // `~` and base64url of the id, as the API writes ids that are no path segment.
    let answer = ada.visitor.send(Method::DELETE, &format!("{MINE}/~d2lraQ"), None, &[]).await.expect(204);

    assert_eq!(answer.text, "");
    userinfo(&server, token).await.expect(401);
    assert_eq!(ada.visitor.get(MINE).await.expect(200).json()["data"], json!([]));
    for path in [path, format!("{MINE}/unknown"), format!("{MINE}/~")] {
        let again = ada.visitor.send(Method::DELETE, &path, None, &[]).await.expect(404).json();
        assert_eq!(again["code"], "not_found", "{path}");
    }
}

#[tokio::test]
async fn the_apps_that_a_person_may_use_are_those_without_groups_and_of_theirs() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let mut ada = server.person("ada").await;
    let group = json!({ "name": "editors", "friendlyName": "Editors" });
    let group = admin.post("/api/user-groups", &group).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let launch = json!("https://notes.example");
    server.client(&json!({ "id": "notes", "name": "Notes", "launchURL": launch })).await;
    let wiki = server.client(&json!({ "id": "wiki" })).await;
    for (id, name) in [("desk", "Desk"), ("vault", "Vault")] {
        server.client(&json!({ "id": id, "name": name, "isGroupRestricted": true })).await;
    }
    let allowed = json!({ "userGroupIds": [group] });
    admin.json(Method::PUT, "/api/oidc/clients/desk/allowed-user-groups", &allowed).await.expect(200);
    admin.json(Method::PUT, &format!("/api/users/{}/user-groups", ada.id), &allowed).await.expect(200);
    ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();

    let list = ada.visitor.get("/api/oidc/users/me/clients").await.expect(200).json();

    let with = |mut meta: Value, last_used_at: Value| {
        meta["lastUsedAt"] = last_used_at;
        meta
    };
    let used = list["data"][2]["lastUsedAt"].clone();
    assert!(used.is_string(), "{list}");
    assert_eq!(
        list,
        json!({
            "data": [
                with(meta("desk", "Desk", None), json!(null)),
                with(meta("notes", "Notes", Some("https://notes.example")), json!(null)),
                with(meta("wiki", "Wiki", None), used)
            ],
            "pagination": { "totalPages": 1, "totalItems": 3, "currentPage": 1, "itemsPerPage": 20 }
        })
    );
    for (query, expected) in [
        ("sort[column]=name&sort[direction]=desc", &["wiki", "notes", "desk"][..]),
        ("sort[column]=lastUsedAt&sort[direction]=desc", &["wiki", "desk", "notes"]),
        ("sort[column]=lastUsedAt", &["wiki", "desk", "notes"]),
        ("filters[hasLaunchURL]=true", &["notes"]),
        ("filters[hasLaunchURL]=false", &["desk", "wiki"]),
        ("pagination[limit]=1&pagination[page]=2", &["notes"]),
    ] {
        let list = ada.visitor.get(&format!("/api/oidc/users/me/clients?{query}")).await.expect(200).json();
        assert_eq!(ids(&list, "/id"), expected, "{query}");
    }
}
