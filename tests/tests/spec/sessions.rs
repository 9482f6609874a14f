//! Browser sessions: cookies, expiry, ending; attacks SE.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::ids::SessionId;
use chancery_projections::sessions;
use chancery_tests::node::{Client, Person, userinfo};
use chancery_tests::server::Server;
use serde_json::{Value, json};
use time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn who(person: &mut Person) -> u16 {
    person.visitor.get("/api/users/me").await.status
}

/// The same person in another browser.
async fn elsewhere(server: &Server, person: &Person) -> Person {
    let mut other = Person { visitor: server.visitor(), ..person.clone() };
    other.sign_in().await.expect(200);
    other
}

#[tokio::test]
async fn se01_the_cookie_is_host_bound_secret_and_not_stored() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    let answer = ada.sign_in().await.expect(200);

    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=2592000"] {
        assert!(cookie.contains(attribute), "{attribute}");
    }
    assert!(server.app.history_reached(server.app.store.head()).await);
    let value = &ada.visitor.cookies["__Host-session"];
    // Whichever way its bytes are written, from the end of the id in it to its own end.
    let secret = &URL_SAFE_NO_PAD.decode(value).unwrap()[16..];
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('views', 'public')",
    )
    .fetch_all(&server.app.pool)
    .await
    .unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    for table in tables {
        let sql = format!("SELECT count(*) FROM {table} AS t WHERE strpos(t::text, $1) + strpos(t::text, $2) > 0");
        let stored: i64 =
            sqlx::query_scalar(&sql).bind(&value[30..]).bind(&hex).fetch_one(&server.app.pool).await.unwrap();
        assert_eq!(stored, 0, "{table}");
    }
}

#[tokio::test]
async fn what_this_node_has_just_recorded_it_need_not_read() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    // With a consent that is there: a no would be asked of the database.
    ada.authorize(&wiki, &[]).await.expect(303);
    // A node that comes late to hear of what it recorded itself forgets some of it, and reads it; not each time.
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(signs_in_without_its_rows(&server, &mut ada, &wiki).await);
        if answers.last() == Some(&200) {
            return;
        }
    }
    panic!("{answers:?}");
}

/// Signs in, with session and grant gone from their views as soon as they are recorded; how that was answered.
async fn signs_in_without_its_rows(server: &Server, ada: &mut Person, wiki: &Client) -> u16 {
    ada.sign_in().await.expect(200);
    let latest = "SELECT session_id FROM sessions ORDER BY started_at DESC LIMIT 1";
    let session = SessionId(sqlx::query_scalar(latest).fetch_one(&server.app.pool).await.unwrap());
    let row = sessions::find(&server.app.pool, session).await.unwrap().unwrap();
    sqlx::query("DELETE FROM sessions").execute(&server.app.pool).await.unwrap();

    let Some(remembered) = server.app.memory.session(session).await.unwrap() else { return 401 };
    assert_eq!(format!("{remembered:?}"), format!("{row:?}"));

    let authorized = ada.authorize(wiki, &[]).await;
    let Some(code) = authorized.parameter("code") else { return 401 };
    sqlx::query("DELETE FROM grants").execute(&server.app.pool).await.unwrap();
    let tokens = wiki.redeem(server, &code).await;
    if tokens.status != 200 {
        return tokens.status;
    }
    userinfo(server, tokens.json()["access_token"].as_str().unwrap()).await.status
}

#[tokio::test]
async fn se03_what_ends_a_session_ends_it_on_every_node() {
    let server = Server::start().await;
    let second = server.second().await;
    let mut ada = server.person("ada").await;
    let mut other = elsewhere(&second, &ada).await;

    let listed = ada.visitor.get("/api/sessions").await.expect(200).json();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2);
    let id = listed.iter().find(|row| row["current"] == false).unwrap()["id"].as_str().unwrap();
    ada.visitor.send(reqwest::Method::DELETE, &format!("/api/sessions/{id}"), None, &[]).await.expect(204);
    is_nobody_soon(&mut other).await;
    assert_eq!(who(&mut ada).await, 200);

    let mut third = elsewhere(&second, &ada).await;
    ada.visitor.post("/api/sessions/end-all", &json!({})).await.expect(204);
    assert_eq!(who(&mut ada).await, 401);
    is_nobody_soon(&mut third).await;
}

/// On another node than the one that ended the session (decision 12).
async fn is_nobody_soon(person: &mut Person) {
    let acknowledged = Instant::now();
    while who(person).await != 401 {
        assert!(acknowledged.elapsed().as_secs() < 1, "the session holds a second later");
    }
}

#[tokio::test]
async fn the_history_tells_a_session_that_was_ended_here_from_one_elsewhere() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut other = elsewhere(&server, &ada).await;
    let mut third = elsewhere(&server, &ada).await;
    let mut ids = Vec::new();
    for person in [&mut ada, &mut other, &mut third] {
        let listed = person.visitor.get("/api/sessions").await.expect(200).json();
        let here = listed.as_array().unwrap().iter().find(|row| row["current"] == true).unwrap();
        ids.push(here["id"].as_str().unwrap().to_owned());
    }

    let path = format!("/api/sessions/{}", ids[1]);
    ada.visitor.send(reqwest::Method::DELETE, &path, None, &[]).await.expect(204);
    third.visitor.form(&format!("/account/sessions/{}/end", ids[2]), &[]).await.expect(303);
    let path = format!("/api/sessions/{}", ids[0]);
    ada.visitor.send(reqwest::Method::DELETE, &path, None, &[]).await.expect(204);

    let ended = server.admin.clone().get("/api/audit-logs/all?filters[event]=SESSION_ENDED").await.expect(200).json();
    let told = ended["data"].as_array().unwrap().iter().map(|row| row["data"]["description"].as_str().unwrap());
    let told: Vec<_> = told.map(|says| says.split_once(" signed ").unwrap().1.to_owned()).collect();
    assert_eq!(told, ["out", "out", "out another device"]);
}

#[tokio::test]
async fn the_sessions_of_nobody_are_not_found() {
    let server = Server::start().await;
    let answer = server.admin.clone().get(&format!("/api/users/{}/sessions", uuid::Uuid::new_v4())).await.expect(404);
    assert_eq!(answer.json()["code"], "user_not_found");
}

#[tokio::test]
async fn se03_disabling_ends_everything_and_enabling_revives_nothing() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut admin = server.admin.clone();
    let path = format!("/api/users/{}", ada.id);
    let mut user = admin.get(&path).await.json();

    for disabled in [true, false] {
        user["disabled"] = json!(disabled);
        admin.json(reqwest::Method::PUT, &path, &user).await.expect(200);
        assert_eq!(who(&mut ada).await, 401);
    }
    ada.sign_in().await.expect(200);
    assert_eq!(who(&mut ada).await, 200);
}

#[tokio::test]
async fn se04_idle_and_absolute_ends_hold_everywhere() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    for _ in 0..31 {
        server.later(Duration::hours(23));
        assert_eq!(who(&mut ada).await, 200, "use keeps it alive");
    }
    server.later(Duration::hours(7));
    assert_eq!(who(&mut ada).await, 401, "thirty days are the end");

    ada.sign_in().await.expect(200);
    server.later(Duration::hours(24));
    assert_eq!(who(&mut ada).await, 401, "a day without use is the end, too");
    let page = ada.visitor.get("/select-account?interaction=x").await;
    assert!(!page.text.contains("Lindqvist"));
}

#[tokio::test]
async fn se04_who_signs_in_to_an_app_uses_their_session() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({ "skipConsent": true })).await;

    for _ in 0..3 {
        server.later(Duration::hours(23));
        let answer = ada.visitor.get(&wiki.authorize(&[])).await.expect(303);
        assert!(answer.parameter("code").is_some(), "{}", answer.header("location"));
    }
    server.later(Duration::hours(24));
    let answer = ada.visitor.get(&wiki.authorize(&[("prompt", "none")])).await.expect(303);
    assert_eq!(answer.parameter("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn se06_another_site_cannot_act_with_our_cookie() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let json = ("content-type", "application/json");
    let body = || Some("{}".to_owned());
    let post = reqwest::Method::POST;

    for header in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        ada.visitor.send(post.clone(), "/api/sessions/end-all", body(), &[json, header]).await.expect(403);
    }
    let plain = [("content-type", "text/plain")];
    ada.visitor.send(post.clone(), "/api/webauthn/login/finish", body(), &plain).await.expect(400);
    assert_eq!(who(&mut ada).await, 200);
}

#[tokio::test]
async fn se09_se10_malformed_doubled_and_tossed_cookies_are_nobody() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let good = ada.visitor.cookies["__Host-session"].clone();

    for bad in ["", "x", &good[..60], &format!("{good}A"), &"A".repeat(10_000), &good.to_lowercase()] {
        let header = format!("__Host-session={bad}");
        let answer = server.visitor().send(reqwest::Method::GET, "/api/users/me", None, &[("cookie", &header)]).await;
        assert!(matches!(answer.status, 401 | 431), "{bad}: {}", answer.status);
    }
    let twice = format!("__Host-session={good}; __Host-session={good}");
    server.visitor().send(reqwest::Method::GET, "/api/users/me", None, &[("cookie", &twice)]).await.expect(401);
    assert_eq!(who(&mut ada).await, 200);
}

#[tokio::test]
async fn se11_nobody_sees_or_ends_another_persons_sessions() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut bob = server.person("bob").await;
    let of_ada = ada.visitor.get("/api/sessions").await.json()[0]["id"].as_str().unwrap().to_owned();
    let delete = reqwest::Method::DELETE;

    bob.visitor.send(delete.clone(), &format!("/api/sessions/{of_ada}"), None, &[]).await.expect(404);
    bob.visitor.get(&format!("/api/users/{}/sessions", ada.id)).await.expect(403);
    assert_eq!(who(&mut ada).await, 200);

    let path = format!("/api/users/{}/sessions/{of_ada}", ada.id);
    server.admin.clone().send(delete, &path, None, &[]).await.expect(204);
    assert_eq!(who(&mut ada).await, 401);
}

#[tokio::test]
async fn se08_every_page_has_the_strict_policy_and_is_not_stored() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    for path in ["/login", "/help", "/reauthenticate", "/sign-out", "/nowhere", "/authorize", "/enroll"] {
        let answer = ada.visitor.get(path).await;
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(!answer.text.contains("<script>"), "no inline script");
    }
}

#[tokio::test]
async fn a_session_shows_the_device_it_is_on() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let mut phone = Person { visitor: server.visitor(), ..ada };
    let agent = "Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0";
    phone.visitor.headers.push(("user-agent".to_owned(), agent.to_owned()));
    phone.sign_in().await.expect(200);

    let sessions: Value = phone.visitor.get("/api/sessions").await.expect(200).json();

    let current = sessions.as_array().unwrap().iter().find(|row| row["current"] == true).unwrap();
    assert_eq!(current["device"], "Firefox on Android");
    assert_eq!(current["ipAddress"], "127.0.0.1");
    assert_eq!(current["city"], "Localhost");
}

/// Of a request that begins before and ends after.
#[tokio::test]
async fn se03_what_somebody_may_is_decided_when_all_is_said() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let body = json!({ "username": "changed", "firstName": "Changed" }).to_string();
    let cookies: Vec<_> = ada.visitor.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let head = format!(
        "PUT /api/users/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: {}\r\nCookie: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        server.issuer(),
        cookies.join("; "),
        body.len()
    );
    let address = server.base.trim_start_matches("http://").replace("localhost", "127.0.0.1");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n", "the body is waited for");

    ada.visitor.post("/api/sessions/end-all", &json!({})).await.expect(204);
    stream.write_all(body.as_bytes()).await.unwrap();

    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let now = server.admin.clone().get(&format!("/api/users/{}", ada.id)).await.expect(200).json();
    assert_eq!(now["username"], "ada");
}
