//! Lists of the REST API: filtered and ordered as Pocket ID's are.

use chancery_tests::server::Server;
use chancery_tests::visitor::Visitor;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;
use time::format_description::well_known::Rfc3339;

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn apps_are_filtered_and_ordered_by_what_they_are() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let group = admin.post("/api/user-groups", &json!({ "name": "ops", "friendlyName": "Ops" })).await.json();
    for client in [
        json!({ "id": "wiki", "name": "Wiki", "requiresReauthentication": true, "isGroupRestricted": true }),
        json!({ "id": "phone", "name": "Phone", "isPublic": true }),
        json!({ "id": "old", "name": "Old", "pkceEnabled": false, "skipConsent": true }),
    ] {
        admin.post("/api/oidc/clients", &client).await.expect(201);
        // Time stands still here.
        server.later(Duration::SECOND);
    }
    let groups = json!({ "userGroupIds": [group["id"]] });
    admin.json(Method::PUT, "/api/oidc/clients/wiki/allowed-user-groups", &groups).await.expect(200);

    for (query, expected) in [
        ("", vec!["wiki", "phone", "old"]),
        ("filters[isPublic]=true", vec!["phone"]),
        ("filters[isPublic]=false", vec!["wiki", "old"]),
        ("filters[pkceEnabled]=true", vec!["wiki", "phone"]),
        ("filters[pkceEnabled]=false", vec!["old"]),
        ("filters[requiresReauthentication]=true", vec!["wiki"]),
        ("filters[requiresPushedAuthorizationRequests]=true", vec![]),
        ("filters[requiresPushedAuthorizationRequests]=false", vec!["wiki", "phone", "old"]),
        ("filters[skipConsent]=true", vec!["old"]),
        ("filters[isGroupRestricted]=true", vec!["wiki"]),
        ("filters[isGroupRestricted]=true&filters[isGroupRestricted]=false", vec!["wiki", "phone", "old"]),
        ("filters[isPublic]=true&filters[skipConsent]=true", vec![]),
        ("filters[clientType]=standard&search=o", vec!["phone", "old"]),
        ("filters[clientType]=cimd", vec![]),
        ("filters[clientType][0]=cimd&filters[clientType][1]=standard", vec!["wiki", "phone", "old"]),
        ("filters[isPublic]=maybe&filters[nothing]=x", vec!["wiki", "phone", "old"]),
        ("sort[column]=requiresReauthentication&sort[direction]=desc", vec!["wiki", "phone", "old"]),
        ("sort[column]=requiresReauthentication", vec!["phone", "old", "wiki"]),
        ("sort[column]=allowedUserGroupsCount", vec!["phone", "old", "wiki"]),
        ("sort[column]=pkceEnabled", vec!["old", "wiki", "phone"]),
        ("sort[column]=clientType", vec!["wiki", "phone", "old"]),
    ] {
        let list = admin.get(&format!("/api/oidc/clients?{query}")).await.expect(200).json();
        assert_eq!(ids(&list), expected, "{query}");
        assert_eq!(list["pagination"]["totalItems"], expected.len(), "{query}");
    }
}

#[tokio::test]
async fn api_keys_are_ordered_by_their_last_use() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let end = (server.app.now() + Duration::days(1)).format(&Rfc3339).unwrap();
    let mut keys = Vec::new();
    for name in ["never", "early", "late"] {
        let made = root.visitor.post("/api/api-keys", &json!({ "name": name, "expiresAt": end })).await.expect(201);
        keys.push(made.json());
    }
    for key in &keys[1..] {
        server.later(Duration::SECOND);
        Visitor::with_api_key(&server.base, key["token"].as_str().unwrap()).get("/api/users/me").await.expect(200);
    }

    for (direction, expected) in [("asc", ["early", "late", "never"]), ("desc", ["late", "early", "never"])] {
        let path = format!("/api/api-keys?sort[column]=lastUsedAt&sort[direction]={direction}");
        let list = root.visitor.get(&path).await.expect(200).json();
        let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{direction}");
    }
}

#[tokio::test]
async fn the_page_of_api_keys_has_more_pages_where_they_are_many() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let end = (server.app.now() + Duration::days(1)).format(&Rfc3339).unwrap();
    for n in 0..51 {
        let key = json!({ "name": format!("Key {n:02}"), "expiresAt": end });
        root.visitor.post("/api/api-keys", &key).await.expect(201);
        // Time stands still here.
        server.later(Duration::SECOND);
    }

    let first = root.visitor.get("/admin/api-keys").await.expect(200).text;
    assert!(first.contains("Key 49") && !first.contains("Key 50"), "{first}");
    assert!(first.contains("51 keys") && first.contains("rel=\"next\" href=\"/admin/api-keys?page=2\""), "{first}");
    let second = root.visitor.get("/admin/api-keys?page=2").await.expect(200).text;
    assert!(second.contains("Key 50") && !second.contains("Key 49"), "{second}");
    assert!(second.contains("rel=\"prev\" href=\"/admin/api-keys?page=1\""), "{second}");
}
