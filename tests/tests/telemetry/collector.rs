//! A whole sign-in as a collector receives it.

use std::time::{Duration, Instant};

use chancery_tests::collector::{Collector, Received, attribute};
use chancery_tests::node::{Client, ENCRYPTION_KEY, Person, STATIC_API_KEY, userinfo};
use chancery_tests::process::Process;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_chancery_node");
const STRANGERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

pub fn exporting_to(endpoint: &str) -> Vec<(&str, &str)> {
    vec![
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "100"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ("LOG_LEVEL", "info"),
        ("LOG_FORMAT", "json"),
    ]
}

pub async fn database() -> PgConnectOptions {
    let database = chancery_tests::postgres::fresh_database().await;
    chancery_adapters::postgres::migrate(&database).await.unwrap();
    database
}

/// Signs Ada in to the wiki, with everything around it, and refuses a stranger. Answers with what must stay secret.
async fn whole_sign_in(process: &Process) -> (Person, Vec<String>) {
    let node = &process.node;
    let mut ada = node.person("ada").await;
    let enrolled = cookies(&ada);
    let wiki: Client = node.client(&json!({})).await;
    ada.sign_in().await.expect(200);
    let answer = ada.authorize(&wiki, &[("scope", "openid profile email offline_access")]).await.expect(303);
    let code = answer.parameter("code").unwrap();
    let tokens = wiki.redeem(node, &code).await.expect(200).json();
    let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
    userinfo(node, &token("access_token")).await.expect(200);
    let refreshed = wiki.refresh(node, &token("refresh_token")).await.expect(200).json();
    let link = format!("/api/users/{}/one-time-access-token", ada.id);
    let link = node.admin.clone().post(&link, &json!({})).await.expect(201).json();
    let link = link["token"].as_str().unwrap().to_owned();
    node.visitor().get(&format!("/enroll/{link}")).await.expect(303);
    refused_sign_in(process).await;

    let mut secrets = vec![code, token("access_token"), token("refresh_token"), token("id_token"), link];
    secrets.push(refreshed["refresh_token"].as_str().unwrap().to_owned());
    secrets.extend([wiki.secret.clone(), STATIC_API_KEY.to_owned(), ENCRYPTION_KEY.to_owned()]);
    secrets.extend(enrolled.into_iter().chain(cookies(&ada)));
    secrets.extend(["the-state", "the-nonce", "ada@example.org", "Lindqvist", "wiki.example"].map(str::to_owned));
    (ada, secrets)
}

fn cookies(person: &Person) -> Vec<String> {
    // The first part of a session's cookie is its id, which is no secret.
    let secret = |value: &String| value.rsplit('.').next().unwrap_or_default().to_owned();
    person.visitor.cookies.values().map(secret).filter(|value| value.len() > 20).collect()
}

pub async fn refused_sign_in(process: &Process) {
    let mut stranger = process.node.visitor();
    let traceparent = format!("00-{STRANGERS_TRACE}-b7ad6b7169203331-01");
    let headers = [("content-type", "application/json"), ("traceparent", traceparent.as_str())];
    let body = json!({ "id": "x", "type": "public-key" }).to_string();
    let answer = stranger.send(Method::POST, "/api/webauthn/login/finish", Some(body), &headers).await;
    assert!(answer.status >= 400);
}

/// The history follows behind the log: what it has not taken when the node stops is told by the next one.
async fn stopped_after_the_refusal(process: &mut Process, collector: &Collector) -> Received {
    let failed = |received: &Received| !received.events("chancery.sign_in_attempt.failed").is_empty();
    collector.until("the refused sign-in", failed).await;
    process.stop().await;
    collector.received()
}

fn named(received: &Received, name: &str) -> Vec<Span> {
    received.spans().into_iter().filter(|span| span.name == name).collect()
}

fn one(received: &Received, event: &str) -> LogRecord {
    let mut records = received.events(event);
    assert_eq!(records.len(), 1, "{event}");
    records.remove(0)
}

#[tokio::test]
async fn a_whole_sign_in_reaches_the_collector_and_no_secret_does() {
    let (collector, database) = (Collector::start().await, database().await);
    let log = std::env::temp_dir().join(format!("chancery-telemetry-{}.log", std::process::id()));
    let settings = exporting_to(&collector.endpoint);
    let mut process = Process::new(PROGRAM, &database).with(&settings).logging_to(&log);
    process.start().await;

    let (ada, secrets) = whole_sign_in(&process).await;
    let received = stopped_after_the_refusal(&mut process, &collector).await;

    a_request_is_a_trace_to_its_append(&received);
    the_history_is_linked_with_what_it_takes(&received);
    every_event_is_a_record(&received, &database).await;
    a_refused_sign_in_warns_and_tells_its_address_first(&received);
    let started = received.events("chancery.session.started");
    let started = started.iter().find(|record| attribute(&record.attributes, "user.id") == Some(ada.id.clone()));
    assert_eq!(started.unwrap().severity_text, "INFO");
    what_happened_is_counted(&received);

    let told = format!("{received:?}{}", std::fs::read_to_string(&log).unwrap());
    for secret in secrets {
        assert!(!told.contains(&secret), "IN-04: {secret} was told");
    }
    std::fs::remove_file(log).unwrap();
}

fn a_request_is_a_trace_to_its_append(received: &Received) {
    let requests = named(received, "POST /api/webauthn/login/finish");
    let request = requests.iter().find(|span| status(span) == "200").unwrap();
    assert_eq!(request.kind, SpanKind::Server as i32);
    assert_eq!(attribute(&request.attributes, "http.route").unwrap(), "/api/webauthn/login/finish");
    assert_eq!(attribute(&request.attributes, "http.request.method").unwrap(), "POST");
    assert!(request.parent_span_id.is_empty());
    let child = |name: &str| {
        let spans = named(received, name);
        spans.into_iter().find(|span| span.parent_span_id == request.span_id).unwrap()
    };
    assert_eq!(attribute(&child("command").attributes, "aggregate").unwrap(), "session");
    let append = child("append");
    assert_eq!(append.trace_id, request.trace_id);
    let batches = named(received, "append batch");
    assert!(batches.iter().any(|batch| batch.links.iter().any(|link| link.span_id == append.span_id)));
}

fn the_history_is_linked_with_what_it_takes(received: &Received) {
    let requests = named(received, "POST /api/oidc/token");
    let steps = named(received, "projection");
    for request in requests {
        assert!(steps.iter().any(|step| step.links.iter().any(|link| link.span_id == request.span_id)));
    }
}

fn status(span: &Span) -> String {
    attribute(&span.attributes, "http.response.status_code").unwrap()
}

/// One for each, with its EventName, and the trace that is stored with it is that of the request's own span.
async fn every_event_is_a_record(received: &Received, database: &PgConnectOptions) {
    let mut connection = chancery_adapters::postgres::connect(database).await.unwrap();
    let stored: Vec<(i64, String, Option<String>)> =
        sqlx::query_as("SELECT position, event_type, metadata->>'traceparent' FROM events ORDER BY position")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let of_ours = |record: &LogRecord| record.event_name.starts_with("chancery.");
    let told: Vec<_> = received.records().into_iter().filter(of_ours).collect();
    assert_eq!(told.len(), stored.len());
    let spans = received.spans();
    for (position, name, traceparent) in stored {
        let of = |record: &&LogRecord| attribute(&record.attributes, "chancery.position") == Some(position.to_string());
        let record = told.iter().find(of).unwrap();
        assert_eq!(record.event_name, format!("chancery.{name}"));
        let Some(traceparent) = traceparent else { continue };
        let span = spans.iter().find(|span| span.span_id == record.span_id).unwrap();
        assert_eq!(span.kind, SpanKind::Server as i32);
        assert_eq!(traceparent, format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id)));
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn a_refused_sign_in_warns_and_tells_its_address_first(received: &Received) {
    let record = one(received, "chancery.sign_in_attempt.failed");
    assert_eq!(record.severity_text, "WARN");
    assert_eq!(record.attributes[0].key, "client.address");
    assert_eq!(attribute(&record.attributes, "client.address").unwrap(), "127.0.0.1");
    assert_eq!(attribute(&record.attributes, "chancery.reason").unwrap(), "challenge_expired_or_reused");
    // A stranger does not choose the trace, but can be found by it.
    let request = received.spans().into_iter().find(|span| span.span_id == record.span_id).unwrap();
    assert_ne!(hex(&request.trace_id), STRANGERS_TRACE);
    assert_eq!(hex(&request.links[0].trace_id), STRANGERS_TRACE);
}

fn what_happened_is_counted(received: &Received) {
    let count = |name: &str, label: (&str, &str)| match received.metric(name).unwrap().data.unwrap() {
        Data::Sum(sum) => {
            let mut points = sum.data_points.into_iter();
            let point = points.find(|point| attribute(&point.attributes, label.0).as_deref() == Some(label.1)).unwrap();
            point.value.unwrap()
        }
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(count("chancery.sign_ins", ("outcome", "failure")), Value::AsInt(1));
    assert_eq!(count("chancery.sign_ins", ("outcome", "success")), Value::AsInt(2));
    assert_eq!(count("chancery.enrollments", ("via", "link")), Value::AsInt(1));
    assert_eq!(count("chancery.tokens", ("grant_type", "authorization_code")), Value::AsInt(1));
    assert_eq!(count("chancery.tokens", ("grant_type", "refresh_token")), Value::AsInt(1));
    let Data::Histogram(duration) = received.metric("http.server.request.duration").unwrap().data.unwrap() else {
        panic!("no histogram");
    };
    let routes: Vec<_> =
        duration.data_points.iter().filter_map(|point| attribute(&point.attributes, "http.route")).collect();
    assert!(routes.contains(&"/api/oidc/token".to_owned()));
    assert!(routes.contains(&"/enroll/{code}".to_owned()), "{routes:?}");
    for gauge in ["chancery.sessions.active", "chancery.projection.lag.events", "chancery.signing_key.age"] {
        assert!(received.metric(gauge).is_some(), "{gauge}");
    }
    for histogram in ["chancery.append.duration", "chancery.append.batch.size"] {
        assert!(received.metric(histogram).is_some(), "{histogram}");
    }
    let resource = received.metrics[0].resource_metrics[0].resource.clone().unwrap();
    assert_eq!(attribute(&resource.attributes, "service.name").unwrap(), "chancery");
}

#[tokio::test]
async fn a_trusted_proxys_trace_is_continued() {
    let (collector, database) = (Collector::start().await, database().await);
    let settings = [exporting_to(&collector.endpoint), vec![("TRUST_PROXY", "127.0.0.1/32")]].concat();
    let mut process = Process::new(PROGRAM, &database).with(&settings);
    process.start().await;

    refused_sign_in(&process).await;

    let received = stopped_after_the_refusal(&mut process, &collector).await;
    let record = one(&received, "chancery.sign_in_attempt.failed");
    assert_eq!(hex(&record.trace_id), STRANGERS_TRACE);
    let request = received.spans().into_iter().find(|span| span.span_id == record.span_id).unwrap();
    assert_eq!(hex(&request.parent_span_id), "b7ad6b7169203331");
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_nobody_up() {
    // It takes connections and is silent.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let database = database().await;
    let mut process = Process::new(PROGRAM, &database).with(&exporting_to(&endpoint)).with(&[("LOG_LEVEL", "off")]);
    process.start().await;

    let (mut ada, _) = whole_sign_in(&process).await;
    // By now each exporter hangs in its first export.
    let begun = Instant::now();
    for _ in 0..20 {
        ada.sign_in().await.expect(200);
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "an export lasts 10 s; sign-ins took {:?}", begun.elapsed());
    let begun = Instant::now();
    process.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(8), "the end took {:?}", begun.elapsed());
}
