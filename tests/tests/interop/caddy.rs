//! Visitors through Caddy, as `deploy/Caddyfile` sets it up. Attacks RL-02 and SE-12.
//!
//! Visitors have addresses of the loopback range of their own, so that Caddy and they can be told apart.

use std::path::PathBuf;
use std::process::Stdio;

use chancery_tests::server::Server;
use chancery_tests::visitor::Visitor;
use reqwest::Method;
use tokio::process::{Child, Command};

use crate::relying_party::free_port;

const VISITOR: &str = "127.0.0.7";

struct Caddy {
    _process: Child,
    base: String,
    work: PathBuf,
}

impl Caddy {
    async fn in_front_of(server: &Server) -> Self {
        let port = free_port();
        let base = format!("http://127.0.0.1:{port}");
        let work = std::env::temp_dir().join(format!("chancery-caddy-{port}"));
        std::fs::create_dir_all(&work).unwrap();
        let mut command = Command::new("caddy");
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/Caddyfile"))
            .env("DOMAIN", &base)
            .env("CHANCERY", server.base.trim_start_matches("http://"))
            .env("CADDY_ADMIN", format!("unix/{}/admin", work.display()))
            .env("XDG_DATA_HOME", &work)
            .env("XDG_CONFIG_HOME", &work)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(work.join("log")).unwrap())
            .kill_on_drop(true);
        let process = command.spawn().unwrap_or_else(|error| panic!("caddy: {error}; run `make test`"));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let log = || std::fs::read_to_string(work.join("log")).unwrap_or_default();
            assert!(std::time::Instant::now() < deadline, "caddy did not start: {}", log());
            tokio::task::yield_now().await;
        }
        Self { _process: process, base, work }
    }

    fn visitor(&self, server: &Server) -> Visitor {
        let visitor = Visitor::new(&self.base).from_address(VISITOR);
        Visitor { origin: server.issuer().to_owned(), ..visitor }
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.work).ok();
    }
}

/// The address that the newest event in the history has.
async fn recorded(server: &Server) -> String {
    let path = "/api/audit-logs/all?pagination[limit]=1";
    let all = server.admin.clone().get(path).await.expect(200).json();
    all["data"][0]["ipAddress"].as_str().unwrap_or_default().to_owned()
}

/// What a visitor may say of their address, in each header that some proxy or platform uses.
const LIES: &[&[(&str, &str)]] = &[
    &[],
    &[("x-forwarded-for", "198.51.100.1")],
    &[("x-forwarded-for", "127.0.0.1")],
    &[("x-forwarded-for", "198.51.100.1, 127.0.0.1")],
    &[("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "127.0.0.1")],
    &[("x-forwarded-for", "a"), ("x-forwarded-for", "")],
    &[("forwarded", "for=198.51.100.1")],
    &[("forwarded", "for=\"")],
    &[("x-real-ip", "198.51.100.1"), ("true-client-ip", "198.51.100.1"), ("cf-connecting-ip", "198.51.100.1")],
    &[("connection", "x-forwarded-for"), ("x-forwarded-for", "198.51.100.1")],
];

#[tokio::test]
async fn rl02_what_a_visitor_says_of_their_address_does_not_get_past_caddy() {
    let server = Server::with(&[("TRUST_PROXY", "127.0.0.1")]).await;
    let caddy = Caddy::in_front_of(&server).await;
    let mut ada = server.person("ada").await;

    for lie in LIES {
        ada.visitor = caddy.visitor(&server);
        ada.visitor.headers = lie.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ada.sign_in().await.expect(200);

        assert_eq!(recorded(&server).await, VISITOR, "{lie:?}");
    }
}

#[tokio::test]
async fn rl02_who_goes_around_caddy_is_not_believed() {
    let server = Server::with(&[("TRUST_PROXY", "127.0.0.1")]).await;
    let mut ada = server.person("ada").await;

    for lie in LIES {
        ada.visitor = server.visitor().from_address(VISITOR);
        ada.visitor.headers = lie.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ada.sign_in().await.expect(200);

        assert_eq!(recorded(&server).await, VISITOR, "{lie:?}");
    }
}

#[tokio::test]
async fn se12_the_issuer_is_the_configured_one_whatever_host_is_asked_for() {
    let server = Server::with(&[("TRUST_PROXY", "127.0.0.1")]).await;
    let caddy = Caddy::in_front_of(&server).await;
    let truth = server.visitor().get("/.well-known/openid-configuration").await.expect(200).text;

    for lie in [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "6666"),
        ("forwarded", "host=evil.example;proto=https"),
    ] {
        let mut visitor = caddy.visitor(&server);
        let answer = visitor.send(Method::GET, "/.well-known/openid-configuration", None, &[lie]).await.expect(200);
        assert_eq!(answer.text, truth, "{lie:?}");
        let answer = visitor.send(Method::GET, "/admin", None, &[lie]).await.expect(303);
        assert_eq!(answer.header("location"), "/login?next=/admin", "{lie:?}");
    }
    let evil = reqwest::Client::new().get(format!("{}/.well-known/openid-configuration", server.base));
    let answer = evil.header("host", "evil.example").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), truth);
}

#[tokio::test]
async fn an_administrator_sees_how_the_address_was_found() {
    let server = Server::with(&[("TRUST_PROXY", "127.0.0.1")]).await;
    let caddy = Caddy::in_front_of(&server).await;
    let mut root = server.first_admin().await;
    root.visitor = Visitor { cookies: root.visitor.cookies.clone(), ..caddy.visitor(&server) };

    let spoof = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")];
    let page = root.visitor.send(Method::GET, "/admin/diagnostics", None, &spoof).await.expect(200).text;

    assert!(page.contains(&format!("<span class=\"mono\" id=\"address\">{VISITOR}</span>")), "{page}");
    assert!(page.contains("The connection: a proxy you trust"));
    assert!(page.contains("X-Forwarded-For: not a proxy you trust, so this is the visitor"));
    assert!(page.contains("for=198.51.100.1") && page.contains("Does not count"));
}
