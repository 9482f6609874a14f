use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use uuid::Uuid;

use super::lines::Lines;
use super::requests::Requests;
use super::trace;
use crate::config::LogFormat;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is written in this format, without the time.
fn written(format: LogFormat, say: impl Fn()) -> String {
    let kept = Kept::default();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .fmt_fields(Lines::new(format))
        .event_format(Lines::new(format))
        .with_writer(kept.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let (time, rest) = text.split_once('Z').unwrap();
    assert!(time.trim_start_matches("ts=").trim_start_matches("{\"timestamp\":\"").starts_with("20"));
    rest.to_owned()
}

#[test]
fn in03_nothing_that_a_visitor_sends_makes_a_second_line_or_another_field() {
    let hostile = "x\" client_ip=198.51.100.1\r\n2026-11-24T00:00:00Z WARN\u{1b}[31m\u{85}\u{2028}\u{202e}\\";
    let say = || tracing::warn!(target: "audit", client_ip = "203.0.113.7", sent = hostile, "authentication failed");

    let text = written(LogFormat::Text, say);
    let quoted = r#""x\" client_ip=198.51.100.1\u000d\n2026-11-24T00:00:00Z WARN\u001b[31m\u0085\u2028\u202e\\""#;
    assert_eq!(text, format!("  WARN audit: authentication failed client_ip=203.0.113.7 sent={quoted}\n"));
    let logfmt = written(LogFormat::Logfmt, say);
    let begins = " level=warn target=audit msg=\"authentication failed\" client_ip=203.0.113.7";
    assert_eq!(logfmt, format!("{begins} sent={quoted}\n"));
    let json = written(LogFormat::Json, say);
    assert_eq!(json.matches('\n').count(), 1);
    let object: serde_json::Value = serde_json::from_str(&format!("{{\"timestamp\":\"Z{json}")).unwrap();
    assert_eq!(object["sent"], hostile);
}

#[test]
fn a_line_takes_the_request_over_from_its_span_and_no_more() {
    let say = || {
        let span = tracing::error_span!("request", request_id = "r-1", trace_id = tracing::field::Empty, route = "/x");
        span.record("trace_id", "t-1");
        span.in_scope(|| tracing::info!(count = 3, done = true, empty = "", "said"));
    };

    let fields = "count=3 done=true empty=\"\" request_id=r-1 trace_id=t-1\n";
    assert_eq!(written(LogFormat::Text, say), format!("  INFO said {fields}"));
    let json = written(LogFormat::Json, say);
    let ends =
        "\"message\":\"said\",\"count\":3,\"done\":true,\"empty\":\"\",\"request_id\":\"r-1\",\"trace_id\":\"t-1\"}\n";
    assert!(json.ends_with(ends), "{json}");
}

#[test]
fn trace_context_3_2_only_a_whole_traceparent_of_version_00_counts() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(trace::format(&trace::parse(good).unwrap()), good);
    for bad in [
        "",
        "00",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        assert!(trace::parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn a_request_that_fails_here_says_so_by_the_conventions_and_a_refused_one_does_not() {
    for (status, error) in [(StatusCode::SERVICE_UNAVAILABLE, true), (StatusCode::FORBIDDEN, false)] {
        let kept = Kept::default();
        let spans = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(kept.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(spans), || {
            let requests = Requests::new(false, true);
            let begun = requests.begin(&Request::new(Body::empty()), Uuid::nil());
            requests.end(&begun, status);
        });
        let told = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(told.contains(&format!("http.response.status_code={}", status.as_u16())), "{told}");
        assert_eq!(told.contains("error.type=\"503\""), error, "{told}");
        assert_eq!(told.contains("otel.status_code=\"error\""), error, "{told}");
    }
}
