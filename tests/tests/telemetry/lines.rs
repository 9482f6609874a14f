//! Log lines as programs read them.

use chancery_tests::process::Process;
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
