//! Authorization requests as form posts (OpenID Connect Core §3.1.2.1), and answers by form (Form Post Response Mode);
//! conformance 11 and 28.

use chancery_tests::node::{Client, Person};
use chancery_tests::server::Server;
use serde_json::json;

async fn setting() -> (Server, Person, Client) {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    (server, ada, wiki)
}

/// The parameters of an authorization request by path.
fn pairs_of(path: &str) -> Vec<(String, String)> {
    url::Url::parse("http://localhost").unwrap().join(path).unwrap().query_pairs().into_owned().collect()
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[tokio::test]
async fn c11_c28_a_request_may_be_posted_and_the_answer_too() {
    let (server, mut ada, wiki) = setting().await;
    ada.authorize(&wiki, &[]).await.expect(303);
    let pairs = pairs_of(&wiki.authorize(&[("response_mode", "form_post")]));

    // A page of the same site posts it: cookies go along, though the origin is the app's.
    let headers = [("origin", "http://localhost:8000")];
    let answer = ada.visitor.form_with("/authorize", &borrowed(&pairs), &headers).await.expect(200);

    assert!(answer.text.contains("action=\"https://wiki.example/cb\""), "{}", answer.text);
    assert!(answer.text.contains("name=\"code\""));
    assert!(answer.text.contains(&format!("name=\"iss\" value=\"{}\"", server.issuer())));
    assert!(answer.header("content-security-policy").contains("form-action 'self' https://wiki.example;"));
    let bad = wiki.authorize(&[("response_mode", "form_post"), ("response_type", "token")]);
    let answer = ada.visitor.get(&bad).await.expect(200);
    assert!(answer.text.contains("value=\"unsupported_response_type\""), "errors go the same way");
}

#[tokio::test]
async fn c11_what_another_site_posts_without_our_cookies_comes_again_with_them() {
    let (server, mut ada, wiki) = setting().await;
    ada.authorize(&wiki, &[]).await.expect(303);
    let pairs = pairs_of(&wiki.authorize(&[("prompt", "none"), ("state", "a b&c=ü")]));
    let headers = [("origin", "https://wiki.example"), ("sec-fetch-site", "cross-site")];
    let mut elsewhere = server.visitor();

    // SameSite=Lax: of a post from another site nobody sees who is signed in.
    let answer = elsewhere.form_with("/authorize", &borrowed(&pairs), &headers).await.expect(303);

    assert_eq!(pairs_of(answer.header("location")), pairs, "every parameter as it came");
    assert!(answer.header("location").starts_with("/authorize?"));
    assert!(answer.headers.get("set-cookie").is_none(), "a browser keeps the cookie that its other tabs rely on");
    let answered = ada.visitor.get(answer.header("location")).await.expect(303);
    assert!(answered.parameter("code").is_some());
    assert_eq!(answered.parameter("state").as_deref(), Some("a b&c=ü"));
    // Somebody without any is answered at the second try, and not sent round again.
    let nobody = elsewhere.get(answer.header("location")).await.expect(303);
    assert_eq!(nobody.parameter("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn c11_what_is_too_long_for_an_address_is_answered_as_it_came() {
    let (server, _ada, wiki) = setting().await;
    let post = async |length: usize| {
        let pairs = pairs_of(&wiki.authorize(&[("extra", &"x".repeat(length))]));
        server.visitor().form("/authorize", &borrowed(&pairs)).await.expect(303)
    };

    assert_eq!(post(7_000).await.location().path(), "/authorize");
    assert_eq!(post(8_000).await.location().path(), "/login");
    assert_eq!(post(20_000).await.parameter("error").as_deref(), Some("invalid_request"));
}
