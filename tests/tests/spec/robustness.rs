//! What must hold when things go wrong: attacks HB and EV.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use chancery_api::accounts;
use chancery_api::http::connections::Connections;
use chancery_api::http::server;
use chancery_api::router::{self, Patience};
use chancery_projections::runner::reached;
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::node::{Person, STATIC_API_KEY};
use chancery_tests::server::Server;
use chancery_tests::visitor::Visitor;
use serde_json::json;
use sqlx::PgPool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn ev07_no_event_no_act() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    let broken =
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$;
                  CREATE TRIGGER fail BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fail()";
    sqlx::raw_sql(broken).execute(&server.app.pool).await.unwrap();

    let sign_in = ada.sign_in().await.expect(503);
    assert!(sign_in.headers.get("set-cookie").is_none());
    assert_eq!(sign_in.header("retry-after"), "5");
    let tokens = wiki.redeem(&server, &code).await.expect(503);
    assert_eq!(tokens.json()["error"], "temporarily_unavailable");
    assert!(!tokens.text.contains("disk full"), "HB-08");
    let answer = ada.visitor.get(&wiki.authorize(&[])).await.expect(303);
    assert_eq!(answer.parameter("error").as_deref(), Some("temporarily_unavailable"));
    assert_eq!(answer.parameter("code"), None);
    server.admin.clone().post("/api/users", &json!({ "username": "bob" })).await.expect(503);

    sqlx::raw_sql("DROP TRIGGER fail ON events").execute(&server.app.pool).await.unwrap();
    wiki.redeem(&server, &code).await.expect(200);
    ada.sign_in().await.expect(200);
}

/// Whether the data key of this person is still there.
async fn has_key(pool: &PgPool, person: &Person) -> bool {
    let wrapped = "SELECT wrapped IS NOT NULL FROM subject_keys WHERE subject = $1";
    sqlx::query_scalar(wrapped).bind(format!("user:{}", person.id)).fetch_one(pool).await.unwrap()
}

/// Erases somebody on a node that comes no further than to record it.
async fn erased_in_part(server: &Server, person: &Person) {
    let broken =
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$;
                  CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON subject_keys FOR EACH ROW EXECUTE FUNCTION fail()";
    sqlx::raw_sql(broken).execute(&server.app.pool).await.unwrap();
    let path = format!("/api/users/{}", person.id);
    server.admin.clone().send(reqwest::Method::DELETE, &path, None, &[]).await.expect(503);
    server.admin.clone().send(reqwest::Method::DELETE, &path, None, &[]).await.expect(404);
    assert!(has_key(&server.app.pool, person).await);
}

#[tokio::test]
async fn ev10_an_erasure_that_was_cut_short_is_finished_as_soon_as_it_can_be() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    erased_in_part(&server, &ada).await;

    sqlx::raw_sql("DROP TRIGGER fail ON subject_keys").execute(&server.app.pool).await.unwrap();

    let able = Instant::now();
    while has_key(&server.app.pool, &ada).await {
        assert!(able.elapsed() < Duration::from_secs(10), "nobody finishes it");
    }
}

#[tokio::test]
async fn ev10_an_erasure_whose_node_died_is_finished_by_the_next_one() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    erased_in_part(&server, &ada).await;
    server.app.pool.close().await;

    let next = Server::at(server.database.clone(), &[]).await;
    sqlx::raw_sql("DROP TRIGGER fail ON subject_keys").execute(&next.app.pool).await.unwrap();
    let position = next.app.store.feed().head().await.unwrap();
    assert!(reached(next.app.audit.clone(), position, Duration::from_secs(10)).await);
    accounts::finish_erasures(&next.app).await.unwrap();

    assert!(!has_key(&next.app.pool, &ada).await);
}

#[tokio::test]
async fn ev11_without_the_database_discovery_answers_and_the_rest_says_when_to_come_back() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    server.app.pool.close().await;

    server.visitor().get("/.well-known/openid-configuration").await.expect(200);
    server.visitor().get("/.well-known/jwks.json").await.expect(200);
    server.visitor().get("/healthz").await.expect(204);
    let answer = ada.visitor.get("/api/users/me").await.expect(503);
    assert_eq!(answer.json()["code"], "unavailable");
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
    assert_eq!(answer.header("retry-after"), "5");
    let answer = ada.visitor.get("/authorize?client_id=wiki&redirect_uri=https://wiki.example/cb").await.expect(503);
    assert!(answer.text.contains("id=\"request-id\""));
}

#[tokio::test]
async fn hb01_bodies_over_the_limit_are_refused() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();

    let answer = admin.post("/api/users", &json!({ "username": "x".repeat(70_000) })).await.expect(413);
    assert_eq!(answer.json()["code"], "request_too_large");
    let answer = server.visitor().form("/api/oidc/token", &[("code", &"x".repeat(70_000))]).await.expect(413);
    assert_eq!(answer.json()["error"], "invalid_request");
    let page = server.visitor().form("/authorize", &[("state", &"x".repeat(70_000))]).await.expect(413);
    assert!(page.text.contains("The request is too large."));
    assert_eq!(answer.header("access-control-allow-origin"), "*", "an app in a browser reads it too");
}

#[tokio::test]
async fn hb03_absurd_json_is_a_bad_request() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let json = [("content-type", "application/json")];

    for body in
        ["[".repeat(60_000), "{\"username\":1e400}".to_owned(), "{\"username\":\"\\ud800\"}".to_owned(), String::new()]
    {
        let answer = admin.send(reqwest::Method::POST, "/api/users", Some(body), &json).await.expect(400);
        assert_eq!(answer.json()["code"], "invalid_request_body");
    }
}

#[tokio::test]
async fn un03_text_that_no_database_takes_is_refused_before_it_gets_there() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();

    for field in ["username", "firstName", "lastName", "displayName"] {
        let mut body = json!({ "username": "ada", "firstName": "Ada" });
        body[field] = json!("a\u{0}b");
        let answer = admin.post("/api/users", &body).await.expect(400);
        assert_eq!(answer.json()["code"], "validation_failed", "{field}");
    }
    let client = json!({ "name": "a\u{0}b" });
    admin.post("/api/oidc/clients", &client).await.expect(400);
    for url in ["https://wiki.example/\u{0}", "https://wiki.example/\n"] {
        admin.post("/api/oidc/clients", &json!({ "name": "Wiki", "launchURL": url })).await.expect(400);
    }
    let group = json!({ "name": "a\u{0}b", "friendlyName": "ab" });
    admin.post("/api/user-groups", &group).await.expect(400);
    let claims = json!([{ "key": "a\u{0}", "value": "b" }]);
    let mut ada = server.person("ada").await;
    let path = format!("/api/custom-claims/user/{}", ada.id);
    admin.json(reqwest::Method::PUT, &path, &claims).await.expect(400);
    for description in ["a\u{0}b", &"x".repeat(1_001)] {
        let key = json!({ "name": "Key", "description": description, "expiresAt": "2027-01-01T00:00:00Z" });
        let answer = ada.visitor.post("/api/api-keys", &key).await.expect(400);
        assert_eq!(answer.json()["details"]["fields"][0]["field"], "description");
    }
    let options = ada.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let mut passkey = SoftAuthenticator::new().create(&options, server.issuer());
    passkey["response"]["transports"] = json!(["internal", "a\u{0}b", "telepathy"]);
    let enrolled = ada.visitor.post("/api/webauthn/register/finish", &passkey).await.expect(200).json();
    assert_eq!(enrolled["transport"], json!(["internal", "telepathy"]));
    admin.get("/api/users?search=%00").await.expect(200);
}

/// In the years of another offset, but not in those of UTC, in which everything is kept.
#[tokio::test]
async fn un03_a_moment_that_cannot_be_kept_is_refused_before_it_gets_to_the_log() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let key = json!({ "name": "Deploy", "expiresAt": "2100-01-01T00:00:00Z" });
    let key = ada.visitor.post("/api/api-keys", &key).await.expect(201).json();
    let renew = format!("/api/api-keys/{}/renew", key["apiKey"]["id"].as_str().unwrap());
    let secrets = format!("/api/oidc/clients/{}/secrets", wiki.id);

    for end in ["9999-12-31T23:59:59-00:01", "9999-12-31T00:01:00-23:59"] {
        let key = json!({ "name": "For ever", "expiresAt": end });
        for (visitor, path) in [(&mut ada.visitor, "/api/api-keys"), (&mut server.admin.clone(), &secrets)] {
            visitor.post(path, &key).await.expect(400);
        }
        ada.visitor.post(&renew, &json!({ "expiresAt": end })).await.expect(400);
    }

    let key = json!({ "name": "Nearly", "expiresAt": "9999-12-31T23:59:59+23:59" });
    let key = ada.visitor.post("/api/api-keys", &key).await.expect(201).json();
    assert_eq!(key["apiKey"]["expiresAt"], "9999-12-31T00:00:59Z");
    ada.sign_in().await.expect(200);
}

/// A node of the same application with other routes, and its address.
async fn serve(server: &Server, routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connections = Connections::on_tcp(listener, &server.app.config);
    tokio::spawn(server::serve(connections, routes, std::future::pending()));
    address
}

/// With handlers that are broken, behind the layers of all others.
async fn broken(server: &Server) -> Visitor {
    let breaks = || async {
        if true {
            panic!("SELECT secret FROM events")
        }
    };
    let routes = ["/account", "/api/users/me", "/api/oidc/token"];
    let routes = routes.into_iter().fold(Router::new(), |router, path| router.route(path, get(breaks)));
    let routes = router::surrounded(&server.app, routes.route("/well", get(|| async { "well" })));
    let address = serve(server, routes.with_state(server.app.clone())).await;
    Visitor::new(&format!("http://{address}"))
}

#[tokio::test]
async fn hb02_a_file_that_does_not_come_is_cut_off_later_than_other_bodies() {
    let server = Server::start().await;
    let patience = Patience { usual: Duration::from_millis(20), uploads: Duration::from_millis(600) };
    let address = serve(&server, router::with_patience(server.app.clone(), patience)).await;
    let begun = async |line: &str, content_type: &str, begin: &str| {
        let head = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: {STATIC_API_KEY}\r\n\
             Content-Type: {content_type}\r\nContent-Length: 10000\r\n\r\n{begin}"
        );
        let (mut stream, at) = (TcpStream::connect(&address).await.unwrap(), Instant::now());
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"unavailable\""), "{answer}");
        at.elapsed()
    };

    begun("POST /api/users", "application/json", "{").await;
    let file = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"me.png\"\r\n\r\n";
    let took = begun("PUT /api/users/me/profile-picture", "multipart/form-data; boundary=x", file).await;

    assert!(took >= patience.uploads, "{took:?}");
    let Patience { usual, uploads } = Patience::default();
    assert_eq!((usual.as_secs(), uploads.as_secs()), (9, 30));
}

#[tokio::test]
async fn hb07_a_handler_that_panics_answers_500_in_the_words_of_its_endpoint_and_the_process_lives() {
    let server = Server::start().await;
    let mut visitor = broken(&server).await;

    for path in ["/account", "/api/users/me", "/api/oidc/token"] {
        let answer = visitor.get(path).await.expect(500);
        let request_id = answer.header("x-request-id");
        assert!(request_id.parse::<uuid::Uuid>().is_ok(), "{path}: {request_id}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        match path {
            "/account" => {
                assert!(answer.header("content-type").starts_with("text/html"));
                assert!(answer.text.contains("id=\"error\"") && answer.text.contains(request_id), "{}", answer.text);
            }
            "/api/users/me" => {
                let (code, error) = ("internal_error", "Something went wrong on our side");
                let expected = json!({ "error": error, "code": code, "request_id": request_id });
                assert_eq!(answer.json(), expected);
            }
            _ => {
                let expected =
                    json!({ "error": "server_error", "error_description": "something went wrong on our side" });
                assert_eq!(answer.json(), expected);
            }
        }
        for inside in ["SELECT", "panicked", ".rs"] {
            assert!(!answer.text.contains(inside), "HB-08: {}", answer.text);
        }
    }
    assert_eq!(visitor.get("/well").await.expect(200).text, "well");
}

#[tokio::test]
async fn hb08_errors_tell_what_to_do_and_nothing_of_the_inside() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();

    let answer = admin.get("/api/nowhere").await.expect(404);
    assert_eq!(answer.json(), json!({ "error": "API endpoint not found" }));
    let answer = admin.get("/api/users/not-a-uuid").await.expect(404);
    assert_eq!(answer.json()["code"], "user_not_found");
    for text in [&answer.text, &server.visitor().get("/nowhere").await.text] {
        for inside in ["sqlx", "postgres", "panicked", "/src/", STATIC_API_KEY] {
            assert!(!text.contains(inside), "{inside}");
        }
    }
    // What the database says when something in it is broken.
    let wiki = server.client(&json!({})).await;
    sqlx::raw_sql("ALTER TABLE views.clients RENAME TO gone").execute(&server.app.pool).await.unwrap();
    for path in ["/api/oidc/clients", "/api/oidc/clients/other", "/authorize?client_id=other", "/admin/apps"] {
        let answer = admin.get(path).await;
        for inside in ["clients\" does not exist", "relation", "SELECT", "42P01", "sqlx", "postgres"] {
            assert!(!answer.text.contains(inside), "{path}: {inside}");
        }
    }
    assert_eq!(admin.get("/api/oidc/clients").await.status, 503);
    let unknown =
        [("grant_type", "client_credentials"), ("client_id", "other"), ("client_secret", wiki.secret.as_str())];
    let refused = server.visitor().form("/api/oidc/token", &unknown).await.expect(503).json();
    assert_eq!(refused["error"], "temporarily_unavailable");
    assert!(!refused.to_string().contains("relation"), "{refused}");
}
