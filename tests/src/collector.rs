//! A collector: takes OTLP over HTTP with protobuf and keeps what it is sent.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

#[derive(Clone, Default)]
pub struct Collector {
    pub endpoint: String,
    received: Arc<Mutex<Received>>,
}

/// Everything that came, in order.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub traces: Vec<ExportTraceServiceRequest>,
    pub metrics: Vec<ExportMetricsServiceRequest>,
    pub logs: Vec<ExportLogsServiceRequest>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self { endpoint, ..Self::default() };
        let routes = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .route("/v1/logs", post(logs))
            .layer(DefaultBodyLimit::disable())
            .with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        collector
    }

    pub fn received(&self) -> Received {
        self.received.lock().unwrap().clone()
    }

    /// Waits until what has come so far is enough.
    pub async fn until(&self, what: &str, enough: impl Fn(&Received) -> bool) -> Received {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let received = self.received();
            if enough(&received) {
                return received;
            }
            assert!(Instant::now() < deadline, "the collector never got {what}: {received:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn traces(State(collector): State<Collector>, body: Bytes) {
    collector.received.lock().unwrap().traces.push(ExportTraceServiceRequest::decode(body).unwrap());
}

async fn metrics(State(collector): State<Collector>, body: Bytes) {
    collector.received.lock().unwrap().metrics.push(ExportMetricsServiceRequest::decode(body).unwrap());
}

async fn logs(State(collector): State<Collector>, body: Bytes) {
    collector.received.lock().unwrap().logs.push(ExportLogsServiceRequest::decode(body).unwrap());
}

impl Received {
    pub fn spans(&self) -> Vec<Span> {
        let scopes = self.traces.iter().flat_map(|sent| &sent.resource_spans).flat_map(|spans| &spans.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    pub fn records(&self) -> Vec<LogRecord> {
        let scopes = self.logs.iter().flat_map(|sent| &sent.resource_logs).flat_map(|logs| &logs.scope_logs);
        scopes.flat_map(|scope| scope.log_records.clone()).collect()
    }

    /// As last sent.
    pub fn metric(&self, name: &str) -> Option<Metric> {
        let scopes = self.metrics.iter().flat_map(|sent| &sent.resource_metrics).flat_map(|each| &each.scope_metrics);
        scopes.flat_map(|scope| &scope.metrics).rfind(|metric| metric.name == name).cloned()
    }

    /// The record of the events with this name.
    pub fn events(&self, name: &str) -> Vec<LogRecord> {
        self.records().into_iter().filter(|record| record.event_name == name).collect()
    }
}

/// An attribute as text.
pub fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref().map(text)
}

fn text(value: &AnyValue) -> String {
    match value.value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::BoolValue(truth) => truth.to_string(),
        any_value::Value::DoubleValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    }
}
