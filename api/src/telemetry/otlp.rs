//! The exporters: OTLP over HTTP with protobuf (<https://opentelemetry.io/docs/specs/otlp/>), and the registry that
//! Prometheus reads.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context as _;
use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider};
use reqwest::{Certificate, Client, Identity};
use tokio::runtime::Handle;

use super::Telemetry;
use crate::config;

/// # Errors
/// Certificates that cannot be read, or an endpoint that is no address.
pub fn providers(config: &config::Telemetry) -> anyhow::Result<Telemetry> {
    if !(config.traces || config.logs || config.counts()) {
        return Ok(Telemetry::default());
    }
    let resource = resource(config);
    let collector = Collector { client: client(config)?, runtime: Handle::current() };
    let traces = match config.traces {
        false => None,
        true => {
            let exporter = SpanExporter::builder().with_http().with_http_client(collector.clone());
            let exporter = exporter.with_headers(sent_along(config.trace_headers.as_ref())).build()?;
            let provider = SdkTracerProvider::builder().with_resource(resource.clone());
            Some(provider.with_batch_exporter(exporter).build())
        }
    };
    let logs = match config.logs {
        false => None,
        true => {
            let exporter = LogExporter::builder().with_http().with_http_client(collector.clone());
            let exporter = exporter.with_headers(sent_along(config.log_headers.as_ref())).build()?;
            let provider = SdkLoggerProvider::builder().with_resource(resource.clone());
            Some(provider.with_batch_exporter(exporter).build())
        }
    };
    let mut metrics = SdkMeterProvider::builder().with_resource(resource);
    if config.metrics {
        let exporter = MetricExporter::builder().with_http().with_http_client(collector);
        metrics =
            metrics.with_periodic_exporter(exporter.with_headers(sent_along(config.metric_headers.as_ref())).build()?);
    }
    let mut scraped = None;
    if config.prometheus.is_some() {
        let registry = prometheus::Registry::new();
        metrics = metrics.with_reader(opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?);
        scraped = Some(registry);
    }
    Ok(Telemetry::new(traces, config.counts().then(|| metrics.build()), logs, scraped))
}

/// What is said about this process with each signal. The operator's word comes last, and counts.
fn resource(config: &config::Telemetry) -> Resource {
    // An id for this start: two nodes on one host are told apart by it.
    let instance = RandomIdGenerator::default().new_trace_id().to_string();
    let resource = Resource::builder_empty()
        .with_service_name(super::SCOPE)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(config.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone())));
    match &config.service_name {
        Some(name) => resource.with_service_name(name.clone()).build(),
        None => resource.build(),
    }
}

fn client(config: &config::Telemetry) -> anyhow::Result<Client> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    let mut client = Client::builder().timeout(config.timeout).redirect(reqwest::redirect::Policy::none());
    if let Some(path) = &config.certificate {
        let authorities = Certificate::from_pem_bundle(&read(path)?);
        client = client.tls_certs_merge(authorities.context("OTEL_EXPORTER_OTLP_CERTIFICATE is no PEM certificate")?);
    }
    if let Some((certificate, key)) = &config.identity {
        let identity = Identity::from_pem(&[read(certificate)?, read(key)?].concat());
        client = client.identity(identity.context("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and its key do not fit")?);
    }
    Ok(client.build()?)
}

fn sent_along(headers: Option<&config::Headers>) -> HashMap<String, String> {
    headers.map(|headers| headers.expose().iter().cloned().collect()).unwrap_or_default()
}

/// The exporters run on threads of their own, which have no reactor: the server's runtime does the sending.
#[derive(Clone, Debug)]
struct Collector {
    client: Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}
