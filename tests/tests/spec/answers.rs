//! What every answer has: headers, stable ids for tests, the configured address; attacks SE-08, SE-12, WA-10, HB-01, AD-13.

use chancery_tests::node::{Client, Person};
use chancery_tests::server::Server;
use chancery_tests::visitor::Answer;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn setting() -> (Server, Person, Person, Client) {
    let server = Server::start().await;
    let root = server.first_admin().await;
    let ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    (server, root, ada, wiki)
}

#[track_caller]
fn assert_guarded(path: &str, answer: &Answer) {
    let policy = answer.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self';",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(part), "{path}: {part} in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http:"), "{path}: {policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin-allow-popups"),
        ("permissions-policy", "publickey-credentials-get=(self), publickey-credentials-create=(self)"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), value, "{path}: {name}");
    }
    assert!(answer.headers.get("access-control-allow-origin").is_none(), "{path}");
}

#[tokio::test]
async fn se08_wa10_pages_and_the_api_answer_under_the_strict_policy_to_nobody_else() {
    let (server, mut root, mut ada, wiki) = setting().await;
    let interaction = ada.visitor.get(&wiki.authorize(&[])).await.parameter("interaction").unwrap();

    for path in ["/login", "/help", "/nowhere", "/enroll/x", "/authorize", "/api/nowhere", "/api/users/me"] {
        assert_guarded(path, &server.visitor().get(path).await);
    }
    for path in ["/account", "/account/passkeys", "/reauthenticate", "/sign-out", "/api/users/me", "/api/sessions"] {
        assert_guarded(path, &ada.visitor.get(path).await);
    }
    for path in ["/admin", "/admin/people", "/admin/history", "/api/events", "/api/audit-logs/all"] {
        assert_guarded(path, &root.visitor.get(path).await);
    }
    // The answer to a form leads to the app by a page: no form has to.
    for path in ["consent", "select-account", "reauthenticate"] {
        let answer = ada.visitor.get(&format!("/{path}?interaction={interaction}")).await.expect(200);
        assert_guarded(path, &answer);
    }
}

#[tokio::test]
async fn se08_other_origins_reach_only_what_looks_at_no_cookie() {
    let (server, _root, mut ada, _wiki) = setting().await;
    let origin = [("origin", "https://app.example")];

    for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json", "/api/oidc/userinfo"] {
        let answer = ada.visitor.send(Method::GET, path, None, &origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert!(answer.headers.get("access-control-allow-credentials").is_none(), "{path}");
    }
    for path in ["/api/users/me", "/api/sessions", "/authorize", "/api/webauthn/login/start", "/login"] {
        let answer = ada.visitor.send(Method::GET, path, None, &origin).await;
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{path}");
        let preflight = ada.visitor.http.request(Method::OPTIONS, format!("{}{path}", server.base));
        let preflight = preflight.header("origin", "https://app.example").send().await.unwrap();
        assert!(preflight.headers().get("access-control-allow-origin").is_none(), "{path}");
    }
}

#[tokio::test]
async fn se12_no_header_of_a_request_moves_us_elsewhere() {
    let (server, _root, mut ada, wiki) = setting().await;
    let honest = server.visitor().get("/.well-known/openid-configuration").await.expect(200).text;

    for spoof in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-original-url", "https://evil.example/"),
        ("x-rewrite-url", "/admin"),
    ] {
        let told = server.visitor().send(Method::GET, "/.well-known/openid-configuration", None, &[spoof]).await;
        assert_eq!(told.text, honest, "{spoof:?}");
        let answer = ada.visitor.send(Method::GET, &wiki.authorize(&[("prompt", "none")]), None, &[spoof]).await;
        assert_eq!(answer.parameter("iss").as_deref(), Some(server.issuer()), "{spoof:?}");
        let answer = server.visitor().send(Method::GET, &wiki.authorize(&[]), None, &[spoof]).await;
        assert!(answer.header("location").starts_with("/login?"), "{spoof:?}: {}", answer.header("location"));
        let path = format!("/api/users/{}/one-time-access-token", ada.id);
        let headers = [spoof, ("content-type", "application/json")];
        let link = server.admin.clone().send(Method::POST, &path, Some("{}".into()), &headers).await.expect(201);
        assert!(link.json()["url"].as_str().unwrap().starts_with(&format!("{}/enroll/", server.issuer())));
    }
}

#[tokio::test]
async fn ad13_nothing_for_tests_or_for_looking_inside_is_there() {
    let (_server, mut root, _ada, _wiki) = setting().await;

    for path in [
        "/debug",
        "/debug/pprof/",
        "/metrics",
        "/api/metrics",
        "/test/reset",
        "/api/test/reset",
        "/api/test/seed",
        "/api/e2e/reset",
        "/actuator/env",
        "/.env",
        "/.git/config",
        "/server-status",
        "/api/debug/vars",
        "/setup",
        "/api/setup",
    ] {
        assert_eq!(root.visitor.get(path).await.status, 404, "{path}");
        assert_eq!(root.visitor.json(Method::POST, path, &json!({})).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn c70_what_a_person_presses_and_what_a_sheet_says_have_ids_that_stay() {
    let (server, _root, mut ada, wiki) = setting().await;
    let interaction = ada.visitor.get(&wiki.authorize(&[])).await.parameter("interaction").unwrap();
    let has = |answer: &Answer, ids: &[&str]| {
        for id in ids {
            assert!(answer.text.contains(&format!("id=\"{id}\"")), "{id} in {}", answer.text);
        }
    };

    has(&server.visitor().get("/login").await, &["sign-in", "status", "alert"]);
    has(&ada.visitor.get(&format!("/consent?interaction={interaction}")).await, &["allow", "cancel"]);
    has(&ada.visitor.get(&format!("/select-account?interaction={interaction}")).await, &["continue", "switch"]);
    has(&ada.visitor.get("/reauthenticate").await, &["reauthenticate", "cancel", "status", "alert"]);
    has(&ada.visitor.get("/enroll/second").await, &["add-passkey", "skip"]);
    has(&ada.visitor.get("/authorize").await, &["error", "request-id"]);
    has(&ada.visitor.get("/sign-out").await, &["confirm"]);
    has(&ada.visitor.get(&format!("/account/apps/{}/withdraw", "none")).await, &["error"]);
    let form_post = wiki.authorize(&[("response_mode", "form_post"), ("response_type", "token")]);
    has(&ada.visitor.get(&form_post).await, &["form-post", "continue"]);
    has(&ada.visitor.form("/sign-out", &[]).await, &["signed-out"]);
}

#[tokio::test]
async fn hb01_a_body_that_does_not_say_its_length_is_cut_off_as_well() {
    let server = Server::start().await;
    let address = server.base.trim_start_matches("http://").replace("localhost", "127.0.0.1");
    let head = "POST /api/oidc/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n";
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(20));
    let contradicting = format!("{head}Content-Length: 3\r\nContent-Length: 4\r\n\r\na=b");
    let nonsense = format!("{head}Content-Length: -1\r\n\r\na=b");

    for (request, status) in [(chunked, "413"), (contradicting, "400"), (nonsense, "400")] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // The server may answer and close before all of it is sent.
        drop(stream.write_all(request.as_bytes()).await);
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer).await);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer:.200}");
    }
    server.visitor().get("/healthz").await.expect(204);
}
