//! Client authentication at the token endpoint: RFC 6749 §2.3 and §5.2; attacks TC, conformance 32, 35, 36.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chancery_tests::logged::Logged;
use chancery_tests::node::Client;
use chancery_tests::server::Server;
use chancery_tests::visitor::Answer;
use serde_json::json;
use time::Duration;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn with_basic(server: &Server, user: &str, password: &str, pairs: &[(&str, &str)]) -> Answer {
    let header = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    server.visitor().form_with("/api/oidc/token", pairs, &[("authorization", &header)]).await
}

async fn with_header(server: &Server, header: &str) -> Answer {
    server.visitor().form_with("/api/oidc/token", &[GRANT], &[("authorization", header)]).await
}

#[track_caller]
fn assert_invalid_client(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert_eq!(answer.json()["error"], "invalid_client");
    assert!(answer.header("www-authenticate").starts_with("Basic "));
    assert_eq!(answer.header("cache-control"), "no-store");
}

async fn setting() -> (Server, Client) {
    let server = Server::start().await;
    let service = server.client(&json!({ "name": "Service" })).await;
    (server, service)
}

#[tokio::test]
async fn both_ways_of_presenting_the_secret_work_for_the_same_client() {
    let (server, service) = setting().await;

    let by_header = with_basic(&server, &service.id, &service.secret, &[GRANT]).await.expect(200).json();
    let by_body = service.token(&server, &[GRANT]).await.expect(200).json();

    for tokens in [by_header, by_body] {
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens.get("refresh_token"), None);
        assert_eq!(tokens.get("id_token"), None);
    }
}

#[tokio::test]
async fn tc01_tc13_wrong_empty_missing_and_unknown_are_the_same_answer() {
    let (server, service) = setting().await;
    let public = server.client(&json!({ "isPublic": true })).await;

    let answers = [
        with_basic(&server, &service.id, "wrong", &[GRANT]).await,
        with_basic(&server, &service.id, "", &[GRANT]).await,
        with_basic(&server, "nobody", &service.secret, &[GRANT]).await,
        with_basic(&server, &public.id, "a-secret-it-cannot-have", &[GRANT]).await,
        server.visitor().form("/api/oidc/token", &[GRANT]).await,
        server.visitor().form("/api/oidc/token", &[GRANT, ("client_id", &service.id)]).await,
        server.visitor().form("/api/oidc/token", &[GRANT, ("client_id", &service.id), ("client_secret", "x")]).await,
    ];

    for answer in &answers {
        assert_invalid_client(answer);
        assert_eq!(answer.text, answers[0].text);
    }
}

/// What the database was asked, apart from what every node looks at by itself: the log and how far it is told.
fn asked(logged: &Logged) -> Vec<String> {
    let logged = logged.take();
    let statements = logged.lines().filter_map(|line| line.split_once("sqlx::query: ")?.1.split_once("summary=\""));
    let own = |text: &str| ["events", "checkpoints", "BEGIN", "ROLLBACK"].iter().any(|word| text.contains(word));
    let asked = statements.filter(|(_, text)| !own(text));
    asked.map(|(_, text)| text.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn tc13_an_unknown_client_costs_the_database_what_a_wrong_secret_costs() {
    let logged = Logged::listen();
    let server = Server::with(&[("DISABLE_RATE_LIMITING", "false")]).await;
    let service = server.client(&json!({ "name": "Service" })).await;
    let public = server.client(&json!({ "isPublic": true })).await;
    let cold = server.second_with(&[("DISABLE_RATE_LIMITING", "false")]).await;
    service.token(&server, &[GRANT]).await.expect(200);
    for node in [&server, &cold] {
        assert!(node.app.history_reached(server.app.store.head()).await);
    }

    for (case, node, id, secret) in [
        ("known, and in memory", &server, &*service.id, "wrong"),
        ("known, and not in memory", &cold, &*service.id, "wrong"),
        ("without a secret", &server, &*public.id, "a-secret-it-cannot-have"),
        ("unknown", &server, "nobody", "wrong"),
        ("unknown, again", &server, "nobody", "wrong"),
        ("unknown elsewhere", &cold, "nobody-else", &*service.secret),
    ] {
        logged.take();
        assert_invalid_client(&with_basic(node, id, secret, &[GRANT]).await);
        let asked = asked(&logged);
        let [client, attempt] = asked.as_slice() else { panic!("{case}: {asked:?}") };
        assert!(client.starts_with("SELECT client_id, settings"), "{case}: {asked:?}");
        assert!(attempt.starts_with("INSERT INTO attempts"), "{case}: {asked:?}");
    }
}

#[tokio::test]
async fn tc02_two_ways_at_once_are_one_too_many() {
    let (server, service) = setting().await;

    let both = [GRANT, ("client_secret", service.secret.as_str())];
    let answer = with_basic(&server, &service.id, &service.secret, &both).await.expect(400);
    assert_eq!(answer.json()["error"], "invalid_request");
    let contradicting = [GRANT, ("client_id", "another")];
    let answer = with_basic(&server, &service.id, &service.secret, &contradicting).await.expect(400);
    assert_eq!(answer.json()["error"], "invalid_request");
    let good = format!("Basic {}", STANDARD.encode(format!("{}:{}", service.id, service.secret)));
    for second in ["Basic eDp5", &good] {
        let headers = [("authorization", good.as_str()), ("authorization", second)];
        let answer = server.visitor().form_with("/api/oidc/token", &[GRANT], &headers).await.expect(400);
        assert_eq!(answer.json()["error"], "invalid_request");
    }
}

#[tokio::test]
async fn tc04_basic_is_form_decoded_and_nonsense_is_refused_not_failed() {
    let (server, service) = setting().await;
    let encode = |text: &str| text.replace('-', "%2D").replace('_', "%5F");

    with_basic(&server, &encode(&service.id), &encode(&service.secret), &[GRANT]).await.expect(200);
    let lower = format!("basic {}", STANDARD.encode(format!("{}:{}", service.id, service.secret)));
    with_header(&server, &lower).await.expect(200);
    let long = format!("Basic {}", "A".repeat(5_000));
    for header in ["Basic", "Basic ", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer x", "Basic AAA6AAA=", &long] {
        assert_invalid_client(&with_header(&server, header).await);
    }
    let nul = format!("Basic {}", STANDARD.encode("a%00b:c%zz"));
    assert_invalid_client(&with_header(&server, &nul).await);
}

#[tokio::test]
async fn tc10_a_secret_works_until_its_end_and_beside_others() {
    let (server, service) = setting().await;
    let mut admin = server.admin.clone();
    let path = format!("/api/oidc/clients/{}/secrets", service.id);
    let end = server.app.now() + Duration::hours(1);
    let end = end.format(&time::format_description::well_known::Rfc3339).unwrap();

    let made = admin.post(&path, &json!({ "expiresAt": end })).await.expect(201).json();
    let second = made["secret"].as_str().unwrap();
    assert!(second.starts_with("chs_"));
    with_basic(&server, &service.id, second, &[GRANT]).await.expect(200);
    with_basic(&server, &service.id, &service.secret, &[GRANT]).await.expect(200);

    server.later(Duration::hours(1));
    assert_invalid_client(&with_basic(&server, &service.id, second, &[GRANT]).await);
    let listed = admin.get(&path).await.expect(200);
    assert!(!listed.text.contains(second), "AD-07: shown once");
    assert_eq!(listed.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn tc11_a_deleted_client_is_refused_everywhere_at_once() {
    let (server, service) = setting().await;
    let token = service.token(&server, &[GRANT]).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let mut admin = server.admin.clone();

    admin.send(reqwest::Method::DELETE, &format!("/api/oidc/clients/{}", service.id), None, &[]).await.expect(204);

    let second = server.second().await;
    for node in [&server, &second] {
        assert_invalid_client(&service.token(node, &[GRANT]).await);
        for path in ["/api/oidc/introspect", "/api/oidc/revoke"] {
            let pairs = [("token", token.as_str()), ("client_id", &service.id), ("client_secret", &service.secret)];
            assert_invalid_client(&node.visitor().form(path, &pairs).await);
        }
    }
    let again = json!({ "name": "Service", "id": service.id });
    let answer = admin.post("/api/oidc/clients", &again).await.expect(409);
    assert_eq!(answer.json()["code"], "client_id_already_exists", "an id is never given again");
}

#[tokio::test]
async fn tc12_grants_that_are_not_for_this_client_are_refused() {
    let (server, service) = setting().await;
    let public = server.client(&json!({ "isPublic": true })).await;

    for grant_type in ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "nonsense"] {
        let answer = service.token(&server, &[("grant_type", grant_type)]).await.expect(400);
        assert_eq!(answer.json()["error"], "unsupported_grant_type");
    }
    let answer = service.token(&server, &[]).await.expect(400);
    assert_eq!(answer.json()["error"], "invalid_request");
    let answer = public.token(&server, &[GRANT]).await.expect(400);
    assert_eq!(answer.json()["error"], "unauthorized_client");
    for scope in ["openid offline_access", "profile", "articles:write", "openid articles:write"] {
        let answer = service.token(&server, &[GRANT, ("scope", scope)]).await.expect(400);
        assert_eq!(answer.json()["error"], "invalid_scope", "{scope}");
    }
    // RFC 6749 §3.1: without a value is the same as left out.
    service.token(&server, &[GRANT, ("scope", "")]).await.expect(200);
}

#[tokio::test]
async fn a_secret_is_known_again_by_its_first_four_characters() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    let wiki = server.client(&json!({})).await;
    let path = format!("/api/oidc/clients/{}/secrets", wiki.id);

    for chosen in [
        json!({}),
        json!({ "secret": "chs_" }),
        json!({ "secret": "chs_sixteen_only" }),
        json!({ "secret": "another-of-my-own" }),
    ] {
        let answer = admin.post(&path, &chosen).await;
        if chosen["secret"] == "chs_" {
            answer.expect(400);
            continue;
        }
        let added = answer.expect(201).json();
        let secret = added["secret"].as_str().unwrap();
        assert_eq!(added["prefix"], secret[..4]);
        assert!(secret.starts_with(added["visiblePrefix"].as_str().unwrap()));
    }
    let listed = admin.get(&path).await.expect(200).json();
    let visible = listed[0]["visiblePrefix"].as_str().unwrap();
    assert_eq!((&listed[0]["prefix"], visible), (&json!("chs_"), &wiki.secret[..8]));
    let mut root = server.first_admin().await;
    let page = root.visitor.get(&format!("/admin/apps/{}", wiki.id)).await.expect(200);
    assert!(page.text.contains(&format!("{visible}…")), "people tell ours apart by what follows");
}
