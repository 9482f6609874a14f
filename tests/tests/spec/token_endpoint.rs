//! Answers of the token endpoint: RFC 6749 §5; conformance 33, 35 to 37 and 41, attack TC-01.

use chancery_tests::node::{Client, Person};
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

async fn setting() -> (Server, Person, Client) {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    (server, ada, wiki)
}

async fn code(ada: &mut Person, client: &Client) -> String {
    let scope = [("scope", "openid offline_access")];
    ada.authorize(client, &scope).await.expect(303).parameter("code").expect("a code")
}

#[tokio::test]
async fn c36_c37_a_token_response_is_exactly_this_and_is_not_kept() {
    let (server, mut ada, wiki) = setting().await;
    let code = code(&mut ada, &wiki).await;

    let answer = wiki.redeem(&server, &code).await.expect(200);

    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    let tokens = answer.json();
    let mut names: Vec<_> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"]);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let credentials = [("client_id", wiki.id.as_str()), ("client_secret", wiki.secret.as_str())];
    for path in ["/api/oidc/introspect", "/api/oidc/revoke"] {
        let pairs = [&credentials[..], &[("token", "x")]].concat();
        assert_eq!(server.visitor().form(path, &pairs).await.expect(200).header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn c33_c41_codes_and_tokens_are_long_random_and_of_the_allowed_characters() {
    let (server, mut ada, wiki) = setting().await;
    // RFC 6749 appendix A.12 and RFC 6750 §2.1: what goes into a header unencoded.
    let plain = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._~+/=".contains(&c));
    let mut seen = std::collections::HashSet::new();

    for _ in 0..20 {
        let code = code(&mut ada, &wiki).await;
        assert!(plain(&code) && code.len() >= 43, "{code}");
        let tokens = wiki.redeem(&server, &code).await.expect(200).json();
        for name in ["access_token", "refresh_token"] {
            let token = tokens[name].as_str().unwrap().to_owned();
            assert!(plain(&token) && token.len() >= 43, "{token}");
            assert!(seen.insert(token), "{name} came twice");
        }
        // The random half of a code: 256 bits, so that no two begin or end alike.
        assert!(seen.insert(code[code.len() - 20..].to_owned()));
    }
}

#[tokio::test]
async fn c35_whatever_is_wrong_is_told_as_json_with_400_or_401() {
    let (server, mut ada, wiki) = setting().await;
    let code = code(&mut ada, &wiki).await;
    let form = "application/x-www-form-urlencoded";
    let credentials = format!("client_id={}&client_secret={}", wiki.id, wiki.secret);

    for (content_type, body) in [
        (form, String::new()),
        (form, "%".to_owned()),
        (form, "grant_type=%ff%fe&".to_owned() + &credentials),
        (form, "grant_type=authorization_code&".to_owned() + &credentials),
        (form, format!("grant_type=authorization_code&code={code}&{credentials}&scope=%00")),
        (form, format!("grant_type=refresh_token&{credentials}")),
        (form, format!("grant_type=refresh_token&refresh_token=x&{credentials}")),
        (form, format!("grant_type=&{credentials}")),
        (form, format!("{credentials}&{credentials}")),
        (form, "=&=&=".to_owned()),
        (form, "a=b&".repeat(200)),
        ("application/json", json!({ "grant_type": "authorization_code", "code": code }).to_string()),
        ("multipart/form-data; boundary=x", "--x--".to_owned()),
        ("text/plain", "grant_type=authorization_code".to_owned()),
        ("", "grant_type=authorization_code".to_owned()),
    ] {
        let headers = [("content-type", content_type)];
        let answer = server.visitor().send(Method::POST, "/api/oidc/token", Some(body.clone()), &headers).await;
        assert!(matches!(answer.status, 400 | 401), "{content_type} {body}: {}", answer.status);
        assert_eq!(answer.header("content-type"), "application/json", "{body}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let error = answer.json();
        assert!(error["error"].is_string(), "{body}");
        let description = error["error_description"].as_str().unwrap();
        let printable = |c| matches!(c, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        assert!(!description.is_empty() && description.bytes().all(printable), "{description}");
    }
    wiki.redeem(&server, &code).await.expect(200);
}

#[tokio::test]
async fn tc01_without_the_right_secret_no_grant_is_given_and_none_is_used_up() {
    let (server, mut ada, wiki) = setting().await;
    let first = code(&mut ada, &wiki).await;
    let tokens: Value = wiki.redeem(&server, &first).await.expect(200).json();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let code = code(&mut ada, &wiki).await;
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", wiki.redirect_uri.as_str()),
        ("client_id", wiki.id.as_str()),
    ];
    let renew = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", wiki.id.as_str())];

    for grant in [&redeem[..], &renew] {
        for secret in [&[][..], &[("client_secret", "")], &[("client_secret", "wrong")]] {
            let answer = server.visitor().form("/api/oidc/token", &[grant, secret].concat()).await;
            assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")), "{secret:?}");
        }
    }

    wiki.redeem(&server, &code).await.expect(200);
    wiki.refresh(&server, refresh).await.expect(200);
}

#[tokio::test]
async fn cr07_another_method_is_refused_in_the_words_of_the_endpoint() {
    let server = Server::start().await;

    for path in ["/api/oidc/token", "/api/oidc/introspect", "/api/oidc/revoke", "/api/oidc/userinfo"] {
        let answer = server.visitor().send(Method::PUT, path, None, &[]).await.expect(405);
        assert_eq!(answer.json()["error"], "invalid_request", "{path}");
        assert!(answer.header("allow").contains("POST"), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
    }
}
