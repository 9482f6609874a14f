//! Metrics as Prometheus scrapes them.

use chancery_tests::process::Process;
use reqwest::Method;

const PROGRAM: &str = env!("CARGO_BIN_EXE_chancery_node");

#[tokio::test]
async fn ad13_metrics_are_on_a_listener_of_their_own_and_visitors_choose_no_label() {
    let database = chancery_tests::postgres::fresh_database().await;
    chancery_adapters::postgres::migrate(&database).await.unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut process = Process::new(PROGRAM, &database).with(&[
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", &port),
    ]);
    process.start().await;
    let mut zoe = process.node.person("zoe").await;
    zoe.sign_in().await.expect(200);
    let mut visitor = process.node.visitor();
    visitor.get("/chosen-by-a-visitor").await.expect(404);
    visitor.send(Method::from_bytes(b"BREW").unwrap(), "/login", None, &[]).await.expect(405);

    let text = scrape(&port).await;
    for line in [
        "chancery_sign_ins_total{outcome=\"success\",otel_scope_name=\"chancery\"} 2",
        "chancery_enrollments_total{otel_scope_name=\"chancery\",via=\"link\"} 1",
        "chancery_sessions_active{otel_scope_name=\"chancery\"} 1",
        "chancery_projection_stopped{otel_scope_name=\"chancery\",projection=\"audit\"} 0",
        "db_client_connection_max{db_client_connection_pool_name=\"readers\",otel_scope_name=\"chancery\"} 16",
    ] {
        let mut labels: Vec<_> = line.split(['{', '}', ',']).map(str::trim).collect();
        labels.sort_unstable();
        let same = |found: &str| {
            let mut found: Vec<_> = found.split(['{', '}', ',']).map(str::trim).collect();
            found.sort_unstable();
            found == labels
        };
        assert!(text.lines().any(same), "{line} is not in {text}");
    }
    for name in [
        "http_server_request_duration_seconds_bucket",
        "chancery_append_duration_seconds_count",
        "chancery_append_batch_size",
        "chancery_projection_lag_events",
        "chancery_projection_lag_time_seconds",
        "chancery_signing_key_age_seconds",
        "chancery_registrations_total",
        "chancery_events_total",
        "db_client_connection_count",
        "target_info",
    ] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    assert!(text.contains("_OTHER"));
    for chosen in ["chosen-by-a-visitor", "BREW", "zoe", zoe.id.as_str()] {
        assert!(!text.contains(chosen), "{chosen} is in {text}");
    }
    visitor.get("/metrics").await.expect(404);
}

async fn scrape(port: &str) -> String {
    // The history counts within the second.
    let mut text = String::new();
    for _ in 0..50 {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
        text = answer.text().await.unwrap();
        if text.lines().any(|line| line.starts_with("chancery_sign_ins_total") && line.ends_with(" 2")) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    text
}
