//! Visitors through Caddy, as `deploy/Caddyfile` sets it up. Attacks RL-02 and SE-12.
//!
//! Visitors have addresses of the loopback range of their own, so that Caddy and they can be told apart.

use chancery_tests::caddy::Caddy;
use chancery_tests::server::Server;
use chancery_tests::visitor::Visitor;
use reqwest::Method;

const VISITOR: &str = "127.0.0.7";

fn visitor(caddy: &Caddy, server: &Server) -> Visitor {
    let visitor = Visitor::new(&caddy.base).from_address(VISITOR);
    Visitor { origin: server.issuer().to_owned(), ..visitor }
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
    let caddy = Caddy::in_front_of(&[&server.base]).await;
    let mut ada = server.person("ada").await;

    for lie in LIES {
        ada.visitor = visitor(&caddy, &server);
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
    let caddy = Caddy::in_front_of(&[&server.base]).await;
    let truth = server.visitor().get("/.well-known/openid-configuration").await.expect(200).text;

    for lie in [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "6666"),
        ("forwarded", "host=evil.example;proto=https"),
    ] {
        let mut visitor = visitor(&caddy, &server);
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
    let caddy = Caddy::in_front_of(&[&server.base]).await;
    let mut root = server.first_admin().await;
    root.visitor = Visitor { cookies: root.visitor.cookies.clone(), ..visitor(&caddy, &server) };

    let spoof = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")];
    let page = root.visitor.send(Method::GET, "/admin/diagnostics", None, &spoof).await.expect(200).text;

    assert!(page.contains(&format!("<span class=\"mono\" id=\"address\">{VISITOR}</span>")), "{page}");
    assert!(page.contains("The connection: a proxy you trust"));
    assert!(page.contains("X-Forwarded-For: not a proxy you trust, so this is the visitor"));
    assert!(page.contains("for=198.51.100.1") && page.contains("Does not count"));
}
