//! What leaves by itself: mails and downloads, as spans.

use chancery_tests::collector::{Collector, Received, attribute};
use chancery_tests::mailbox::Mailbox;
use chancery_tests::maxmind::{self, ACCOUNT, KEY, PERMALINK, Shared};
use chancery_tests::process::Process;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::json;

use crate::collector::{PROGRAM, database, exporting_to, hex};

fn named(received: &Received, name: &str) -> Vec<Span> {
    received.spans().into_iter().filter(|span| span.name == name).collect()
}

fn status(span: &Span) -> i32 {
    span.status.as_ref().map_or(0, |status| status.code)
}

/// Makes a link that nobody uses: it is mailed.
async fn invite(process: &Process, username: &str) {
    let mut admin = process.node.admin.clone();
    let user = json!({ "username": username, "firstName": "Ada", "email": format!("{username}@example.org") });
    let user = admin.post("/api/users", &user).await.expect(201).json();
    let path = format!("/api/users/{}/one-time-access-token", user["id"].as_str().unwrap());
    admin.post(&path, &json!({})).await.expect(201);
}

#[tokio::test]
async fn a_mail_is_linked_with_the_trace_of_what_caused_it() {
    let (collector, database, mailbox) = (Collector::start().await, database().await, Mailbox::open().await);
    let port = mailbox.port();
    let smtp = [("SMTP_HOST", "127.0.0.1"), ("SMTP_PORT", port.as_str()), ("SMTP_TLS", "none")];
    let settings = [exporting_to(&collector.endpoint), smtp.to_vec(), vec![("SMTP_FROM", "id@id.example")]].concat();
    let mut process = Process::new(PROGRAM, &database).with(&settings);
    process.start().await;

    invite(&process, "ada").await;
    mailbox.when_there_are(1).await;
    mailbox.refuse(Some("550 No such mailbox"));
    invite(&process, "bob").await;
    collector.until("both mails", |received| named(received, "mail").len() == 2).await;
    process.stop().await;

    let received = collector.received();
    let links = named(&received, "POST /api/users/{id}/one-time-access-token");
    for (nth, failure) in [(0, None), (1, Some("550"))] {
        let mail = &named(&received, "mail")[nth];
        let cause = links.iter().find(|request| request.span_id == mail.links[0].span_id).unwrap();
        assert_eq!(mail.links[0].trace_id, cause.trace_id);
        assert_ne!(mail.trace_id, cause.trace_id, "a trace of its own");
        assert_eq!(attribute(&mail.attributes, "letter").as_deref(), Some("invitation"));
        let sends = named(&received, "send");
        let send = sends.iter().find(|send| send.parent_span_id == mail.span_id).unwrap();
        assert_eq!(send.kind, SpanKind::Client as i32);
        let told = |name: &str| attribute(&send.attributes, name);
        assert_eq!((told("server.address").as_deref(), told("server.port")), (Some("127.0.0.1"), Some(port.clone())));
        assert_eq!(told("network.protocol.name").as_deref(), Some("smtp"));
        assert_eq!(told("error.type").as_deref(), failure);
        assert_eq!(status(send) == StatusCode::Error as i32, failure.is_some());
    }
    let given_up = received.records().into_iter().find(|record| format!("{:?}", record.body).contains("was given up"));
    assert_eq!(given_up.unwrap().trace_id, named(&received, "mail")[1].trace_id, "a log line is in its trace");
    let told = format!("{received:?}");
    assert!(!told.contains("ada@example.org") && !told.contains("bob@example.org"), "nobody's address is told");
}

#[tokio::test]
async fn a_download_is_a_client_span_whose_trace_the_server_hears_of_and_no_key_is_told() {
    let (collector, database, maker) = (Collector::start().await, database().await, Shared::default());
    let (front, _) = maxmind::start(&maker).await;
    let url = PERMALINK.replace("{}", &front);
    let file = std::env::temp_dir().join(format!("chancery-download-{}.mmdb", uuid::Uuid::new_v4()));
    let geo = [
        ("MAXMIND_ACCOUNT_ID", ACCOUNT),
        ("MAXMIND_LICENSE_KEY", KEY),
        ("GEOLITE_DB_URL", url.as_str()),
        ("GEOLITE_DB_PATH", file.to_str().unwrap()),
    ];
    let settings = [exporting_to(&collector.endpoint), geo.to_vec()].concat();
    let mut process = Process::new(PROGRAM, &database).with(&settings);
    process.start().await;

    collector.until("the download", |received| named(received, "geo update").len() == 1).await;
    process.stop().await;

    let received = collector.received();
    let update = &named(&received, "geo update")[0];
    let requests = named(&received, "GET");
    assert_eq!(requests.len(), 2, "the archive and its checksum");
    let asked = maker.lock().unwrap().asked.clone();
    for request in &requests {
        assert_eq!((request.kind, &request.parent_span_id), (SpanKind::Client as i32, &update.span_id));
        let told = |name: &str| attribute(&request.attributes, name).unwrap();
        let port = front.rsplit(':').next().unwrap();
        assert_eq!((told("server.address").as_str(), told("server.port").as_str()), ("127.0.0.1", port));
        assert_eq!(told("http.request.method"), "GET");
        assert_eq!(told("http.response.status_code"), "200");
        assert_eq!(told("url.full"), format!("{front}/REDACTED"));
        let traceparent = format!("00-{}-{}-01", hex(&request.trace_id), hex(&request.span_id));
        assert!(asked.iter().any(|asked| asked.contains(&traceparent)), "{traceparent} in {asked:?}");
    }
    assert!(!format!("{received:?}").contains(KEY));
    std::fs::remove_file(file).unwrap();
}
