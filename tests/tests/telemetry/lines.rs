//! Log lines as programs read them.

use chancery_tests::process::Process;
use chancery_tests::visitor::Answer;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_chancery_node");

/// The lines of a node at which a stranger's sign-in was refused.
pub async fn lines(format: &str) -> String {
    let database = chancery_tests::postgres::fresh_database().await;
    chancery_adapters::postgres::migrate(&database).await.unwrap();
    let log = std::env::temp_dir().join(format!("chancery-lines-{format}-{}.log", std::process::id()));
    let settings = [("LOG_LEVEL", "info"), ("LOG_FORMAT", format), ("TRUST_PROXY", "127.0.0.1/32")];
    let mut process = Process::new(PROGRAM, &database).with(&settings).logging_to(&log);
    process.start().await;
    let headers = [
        ("content-type", "application/json"),
        ("x-forwarded-for", "203.0.113.7"),
        ("user-agent", "client_ip=198.51.100.1 authentication failed"),
    ];
    let body = json!({ "id": "client_ip=198.51.100.1\nauthentication failed", "type": "public-key" }).to_string();
    let mut stranger = process.node.visitor();
    stranger.send(reqwest::Method::POST, "/api/webauthn/login/finish", Some(body), &headers).await;
    process.stop().await;
    let lines = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(log).unwrap();
    assert!(!lines.contains("198.51.100.1"), "{lines}");
    lines
}

fn refusal(lines: &str) -> &str {
    lines.lines().find(|line| line.contains("authentication failed")).unwrap()
}

#[tokio::test]
async fn in03_a_refused_sign_in_is_one_line_of_text_that_begins_with_its_address() {
    let lines = lines("text").await;

    let (_, said) = refusal(&lines).split_once("Z ").unwrap();
    let begins =
        " WARN audit: authentication failed client_ip=203.0.113.7 reason=challenge_expired_or_reused request_id=";
    assert!(said.starts_with(begins), "{said}");
}

#[tokio::test]
async fn in03_as_json_every_line_is_an_object_with_its_keys_in_order() {
    let lines = lines("json").await;

    for line in lines.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    let (_, said) = refusal(&lines).split_once("Z\",").unwrap();
    let begins = "\"level\":\"WARN\",\"target\":\"audit\",\"message\":\"authentication failed\",\
                  \"client_ip\":\"203.0.113.7\",\"reason\":\"challenge_expired_or_reused\",\"request_id\":\"";
    assert!(said.starts_with(begins), "{said}");
}

#[tokio::test]
async fn in03_as_logfmt_too() {
    let lines = lines("logfmt").await;

    let (_, said) = refusal(&lines).split_once("Z ").unwrap();
    let begins = "level=warn target=audit msg=\"authentication failed\" client_ip=203.0.113.7 reason=";
    assert!(said.starts_with(begins), "{said}");
}

/// What a refusal is about, its code if it has one, and why; with the answer, whose id the line has.
type Refused = (&'static str, Option<&'static str>, &'static str, Answer);

/// One of each kind of request that is refused before anybody is known, or by the policy.
async fn refusals(process: &Process) -> (Vec<Refused>, Vec<String>) {
    let node = &process.node;
    let mut ada = node.person("ada").await;
    let wiki = node.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[("scope", "openid")]).await.expect(303).parameter("code").unwrap();
    ada.visitor.post("/api/webauthn/logout", &json!({})).await.expect(204);
    let mut stranger = node.visitor();
    let (secret, key, link) = ("a-guessed-secret", "chk_a-guessed-key", "a-guessed-link");
    let guessed = [("grant_type", "client_credentials"), ("client_id", &wiki.id), ("client_secret", secret)];
    let a_client = "a client's request was refused";
    let authorization = "an authorization request was refused";
    let refused = vec![
        (
            a_client,
            Some("invalid_client"),
            "client authentication failed",
            stranger.form("/api/oidc/token", &guessed).await.expect(401),
        ),
        (a_client, Some("invalid_grant"), "the session is over", wiki.redeem(node, &code).await.expect(400)),
        (
            a_client,
            Some("invalid_token"),
            "the access token is not valid",
            chancery_tests::node::userinfo(node, "x").await.expect(401),
        ),
        (
            authorization,
            Some("invalid_scope"),
            "the scope must include openid",
            stranger.get(&wiki.authorize(&[("scope", "profile")])).await.expect(303),
        ),
        (
            authorization,
            Some("login_required"),
            "sign-in is required",
            stranger.get(&wiki.authorize(&[("prompt", "none")])).await.expect(303),
        ),
        (
            authorization,
            None,
            "the app asked to return to an address that is not registered for it",
            stranger.get(&wiki.authorize(&[("redirect_uri", "https://evil.example/")])).await.expect(400),
        ),
        (
            "an enrollment link was refused",
            None,
            "it is no code of a link",
            stranger.get(&format!("/enroll/{link}")).await.expect(410),
        ),
        (
            "an API key was refused",
            None,
            "it is unknown or has expired",
            stranger.send(reqwest::Method::GET, "/api/users/me", None, &[("x-api-key", key)]).await.expect(401),
        ),
        (
            "a request was refused",
            Some("forbidden"),
            "it came from another site",
            stranger.form_with("/sign-out", &[], &[("origin", "https://evil.example")]).await.expect(403),
        ),
    ];
    (refused, [secret, key, link, code.as_str()].map(str::to_owned).to_vec())
}

#[tokio::test]
async fn what_is_refused_before_anybody_is_known_is_a_line_with_its_reason_and_its_id() {
    let database = chancery_tests::postgres::fresh_database().await;
    chancery_adapters::postgres::migrate(&database).await.unwrap();
    let log = std::env::temp_dir().join(format!("chancery-refusals-{}.log", std::process::id()));
    let settings = [("LOG_LEVEL", "info"), ("LOG_FORMAT", "json")];
    let mut process = Process::new(PROGRAM, &database).with(&settings).logging_to(&log);
    process.start().await;

    let (refused, secrets) = refusals(&process).await;

    process.stop().await;
    let lines = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(log).unwrap();
    for (message, code, reason, answer) in refused {
        let id = answer.header("x-request-id");
        let said = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let said: Vec<_> = said.filter(|line| line["request_id"] == id).collect();
        assert_eq!(said.len(), 1, "{message}, {reason}: {said:?}");
        assert_eq!((&said[0]["message"], &said[0]["reason"]), (&json!(message), &json!(reason)));
        assert_eq!(said[0].get("error").and_then(Value::as_str), code, "{message}");
        assert_eq!(said[0]["level"], "INFO");
    }
    for secret in secrets {
        assert!(!lines.contains(&secret), "{secret}");
    }
}
