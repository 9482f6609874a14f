//! Who may administer, what they may say, and what is never told: attacks AD-02 to AD-14.

use std::path::Path;

use chancery_api::openapi::operations::{OPERATIONS, Who};
use chancery_tests::node::{Person, STATIC_API_KEY};
use chancery_tests::server::Server;
use chancery_tests::visitor::Visitor;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

async fn api_key(server: &Server, owner: &mut Person) -> Visitor {
    let end = (server.app.now() + Duration::days(300)).format(&Rfc3339).unwrap();
    let made = owner.visitor.post("/api/api-keys", &json!({ "name": "Deploy", "expiresAt": end })).await.expect(201);
    Visitor::with_api_key(&server.base, made.json()["token"].as_str().unwrap())
}

/// Everything that the log holds, opened.
async fn log(server: &Server) -> String {
    server.admin.clone().get("/api/events?limit=1000").await.expect(200).text
}

#[tokio::test]
async fn ad01_every_operation_is_for_those_it_is_for_and_for_nobody_else() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let key_of_ada = api_key(&server, &mut ada).await;
    let before = server.app.store.feed().head().await.unwrap();
    let members = json!({
        "username": "x", "name": "xx", "friendlyName": "xx", "userIds": [], "userGroupIds": [], "oidcClientIds": []
    });

    for operation in OPERATIONS.iter().filter(|operation| !matches!(operation.who, Who::Anybody)) {
        let method: Method = operation.method.to_uppercase().parse().unwrap();
        let parts = operation.path.split('/').map(|part| if part.starts_with('{') { &ada.id } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let body = if operation.body == Some("CustomClaims") { json!([]) } else { members.clone() };
        let by = async |mut visitor: Visitor| {
            let answer = visitor.json(method.clone(), &path, &body).await;
            (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(by(server.visitor()).await, (401, "not_signed_in".into()), "{method} {path}");
        // What a person may do for themselves is for other tests; here nothing must happen.
        if let Who::Admin = operation.who {
            for person in [ada.visitor.clone(), key_of_ada.clone()] {
                assert_eq!(by(person).await, (403, "forbidden".into()), "{method} {path}");
            }
        }
        if let Who::Browser = operation.who {
            assert_eq!(by(key_of_ada.clone()).await, (403, "api_key_auth_not_allowed".into()), "{method} {path}");
        }
    }

    let wrong = Visitor::with_api_key(&server.base, &STATIC_API_KEY[1..]).get("/api/users").await;
    assert_eq!(wrong.status, 401);
    assert_eq!(server.app.store.feed().head().await.unwrap(), before, "nothing refused left a trace of success");
}

#[tokio::test]
async fn ad02_what_is_anothers_is_as_if_it_were_not() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut bob = server.person("bob").await;
    api_key(&server, &mut ada).await;
    let first = |list: &Value| list[0]["id"].as_str().unwrap().to_owned();
    let session = first(&ada.visitor.get("/api/sessions").await.json());
    let passkey = first(&ada.visitor.get("/api/webauthn/credentials").await.json());
    let key = first(&ada.visitor.get("/api/api-keys").await.json()["data"]);
    let later = (server.app.now() + Duration::days(1)).format(&Rfc3339).unwrap();

    for (method, path, id, body) in [
        (Method::DELETE, "/api/sessions/{}", &session, json!({})),
        (Method::PATCH, "/api/webauthn/credentials/{}", &passkey, json!({ "name": "Mine now" })),
        (Method::DELETE, "/api/webauthn/credentials/{}", &passkey, json!({})),
        (Method::DELETE, "/api/api-keys/{}", &key, json!({})),
        (Method::POST, "/api/api-keys/{}/renew", &key, json!({ "expiresAt": later })),
    ] {
        let mut answers = Vec::new();
        for id in [id.as_str(), &Uuid::new_v4().to_string()] {
            let mut answer = bob.visitor.json(method.clone(), &path.replace("{}", id), &body).await.expect(404).json();
            answer.as_object_mut().unwrap().remove("request_id");
            answers.push(answer);
        }
        assert_eq!(answers[0], answers[1], "{method} {path}");
    }
    let own = bob.visitor.get("/api/audit-logs?pagination[limit]=100").await.expect(200);
    assert!(!own.text.contains(&ada.id) && !own.text.contains("ada@example.org"));
    for path in ["sessions", "apps", "passkeys", "activity"] {
        assert!(!bob.visitor.get(&format!("/account/{path}")).await.text.contains(&session), "{path}");
    }
    ada.visitor.get("/api/users/me").await.expect(200);
    ada.sign_in().await.expect(200);
}

#[tokio::test]
async fn ad03_members_that_nobody_may_set_reach_no_event() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let mut ada = server.person("ada").await;
    let smuggled = json!({
        "owner": "smuggled", "createdAt": "smuggled", "version": "smuggled", "ldapId": "smuggled",
        "userGroups": ["smuggled"], "customClaims": [{ "key": "smuggled", "value": "x" }], "secret": "smuggled",
        "credentials": { "secrets": ["smuggled"] }, "createdBy": "smuggled", "actor": "smuggled"
    });
    let with = |body: Value| {
        let mut merged = smuggled.clone();
        merged.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        merged
    };

    admin.post("/api/users", &with(json!({ "username": "eve", "firstName": "Eve" }))).await.expect(201);
    admin.post("/api/user-groups", &with(json!({ "name": "ops", "friendlyName": "Ops" }))).await.expect(201);
    admin.post("/api/oidc/clients", &with(json!({ "name": "App" }))).await.expect(201);
    let own = json!({ "username": "ada", "firstName": "Ada", "lastName": "L", "id": Uuid::new_v4(), "isAdmin": true });
    let changed = ada.visitor.json(Method::PUT, "/api/users/me", &with(own)).await.expect(200).json();
    assert_eq!((&changed["id"], &changed["isAdmin"]), (&json!(ada.id), &json!(false)));

    assert!(!log(&server).await.contains("smuggled"));
}

#[tokio::test]
async fn ad04_a_key_is_worth_what_its_owner_is_worth_now() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let mut root = server.first_admin().await;
    let mut key = api_key(&server, &mut root).await;
    let second = server.second().await;
    let mut there = Visitor { base: second.base.clone(), ..key.clone() };
    let other = json!({ "username": "other", "firstName": "O", "isAdmin": true });
    admin.post("/api/users", &other).await.expect(201);
    let path = format!("/api/users/{}", root.id);
    let mut user = admin.get(&path).await.json();
    key.get("/api/users").await.expect(200);

    user["isAdmin"] = json!(false);
    admin.json(Method::PUT, &path, &user).await.expect(200);
    for key in [&mut key, &mut there] {
        key.get("/api/users").await.expect(403);
        key.get("/api/users/me").await.expect(200);
    }
    user["isAdmin"] = json!(true);
    user["disabled"] = json!(true);
    admin.json(Method::PUT, &path, &user).await.expect(200);
    for key in [&mut key, &mut there] {
        assert_eq!(key.get("/api/users").await.expect(401).json()["code"], "not_signed_in");
    }
    admin.send(Method::DELETE, &path, None, &[]).await.expect(204);
    for key in [&mut key, &mut there] {
        key.get("/api/users/me").await.expect(401);
    }
}

#[tokio::test]
async fn ad07_no_secret_is_told_twice_or_kept_anywhere() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let key = api_key(&server, &mut root).await.headers[0].1.clone();
    let path = format!("/api/users/{}/one-time-access-token", ada.id);
    let link = server.admin.clone().post(&path, &json!({})).await.expect(201).json()["token"].clone();
    // Begun and not ended: what a ceremony in flight keeps is in the database.
    let mut elsewhere = server.visitor();
    elsewhere.get(&format!("/enroll/{}", link.as_str().unwrap())).await.expect(303);
    elsewhere.post("/api/enrollment/start", &json!({})).await.expect(200);
    let code = ada.authorize(&wiki, &[("scope", "openid offline_access")]).await.parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let secrets = [
        wiki.secret.clone(),
        key,
        text(&link),
        ada.visitor.cookies["__Host-session"].clone(),
        code,
        text(&tokens["access_token"]),
        text(&tokens["refresh_token"]),
        text(&tokens["id_token"]),
    ];

    let mut told = log(&server).await;
    for path in ["/api/oidc/clients", "/api/api-keys", "/api/users", "/api/sessions", "/api/audit-logs/all"] {
        told += &root.visitor.get(path).await.expect(200).text;
    }
    told += &root.visitor.get(&format!("/api/oidc/clients/{}", wiki.id)).await.expect(200).text;
    told += &root.visitor.get(&format!("/admin/apps/{}", wiki.id)).await.expect(200).text;
    for secret in &secrets {
        assert!(!told.contains(&secret[secret.len() - 20..]), "{secret}");
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('views', 'public')",
    )
    .fetch_all(&server.app.pool)
    .await
    .unwrap();
    assert!(tables.iter().any(|table| table == "public.short_lived"), "{tables:?}");
    for table in tables {
        for secret in &secrets {
            let sql = format!("SELECT count(*) FROM {table} AS t WHERE strpos(t::text, $1) > 0");
            let found: i64 =
                sqlx::query_scalar(&sql).bind(&secret[secret.len() - 20..]).fetch_one(&server.app.pool).await.unwrap();
            assert_eq!(found, 0, "{table}");
        }
    }
}

#[tokio::test]
async fn ad10_a_list_is_never_longer_than_it_may_be_nor_ordered_by_a_strangers_words() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    for n in 0..3 {
        admin.post("/api/users", &json!({ "username": format!("user{n}"), "firstName": "U" })).await.expect(201);
    }

    for (query, length) in [
        ("pagination[limit]=0", 1),
        ("pagination[limit]=-1", 1),
        ("pagination[limit]=2", 2),
        ("pagination[limit]=1000000000", 4),
        ("pagination[page]=99999999999&pagination[limit]=3", 1),
        ("pagination[page]=-5&pagination[limit]=x", 4),
        ("sort[column]=username;drop%20table%20users&sort[direction]=desc", 4),
        ("sort[column]=(select%201)&sort[direction]=%27", 4),
        ("search=%27%20OR%201=1--", 0),
        ("search=%25", 0),
        ("filters[isAdmin]=%27&filters[nothing]=x", 4),
    ] {
        let list = admin.get(&format!("/api/users?{query}")).await.expect(200).json();
        assert_eq!(list["data"].as_array().unwrap().len(), length, "{query}");
    }
    for query in ["limit=1000000000", "limit=-1", "after=-1", "after=999999999999", "after=9223372036854775807"] {
        let events = admin.get(&format!("/api/events?{query}")).await.expect(200).json();
        assert!(events["events"].as_array().unwrap().len() <= 1000, "{query}");
    }
    for path in ["/api/events?limit=x", "/api/events?after=1e400", "/api/users/%ff", "/api/oidc/clients/%c0%80/meta"] {
        assert_eq!(admin.get(path).await.expect(400).json()["code"], "invalid_request", "{path}");
    }
}

#[tokio::test]
async fn ad14_a_body_that_says_nothing_is_a_mistake_and_not_a_yes() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let ada = server.person("ada").await;
    let before = server.app.store.feed().head().await.unwrap();

    for (method, path) in [
        (Method::POST, "/api/users".to_owned()),
        (Method::PUT, format!("/api/users/{}", ada.id)),
        (Method::PUT, format!("/api/users/{}/user-groups", ada.id)),
        (Method::PUT, format!("/api/custom-claims/user/{}", ada.id)),
        (Method::POST, "/api/user-groups".to_owned()),
        (Method::POST, "/api/oidc/clients".to_owned()),
    ] {
        admin.json(method.clone(), &path, &json!({})).await.expect(400);
        admin.json(method, &path, &Value::Null).await.expect(400);
    }

    assert_eq!(server.app.store.feed().head().await.unwrap(), before);
}

/// The files of a folder of the API, by name.
fn sources(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/src").join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

/// The circumstances of a command come from its caller only, who gives them for what they may do.
#[test]
fn ad14_no_command_of_administration_goes_round_its_rule() {
    let files = [sources("admin"), sources("house")].concat();
    assert!(files.len() > 30, "{}", files.len());

    for (name, text) in files.iter().filter(|(name, _)| !name.ends_with("static_api_key.rs")) {
        for way_round in ["circumstances.context(", ".system()", "Context::", "trusted("] {
            assert!(!text.contains(way_round), "{name}: {way_round}");
        }
    }
}
