//! Logs and traces.
//!
//! Every request has a span in the W3C trace that its `traceparent` names; the same trace is in each event it causes.

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::Config;

/// Starts logging to standard error. To be called once.
///
/// # Errors
/// A filter in LOG_LEVEL that does not parse.
pub fn start(config: &Config) -> anyhow::Result<SdkTracerProvider> {
    let filter = EnvFilter::builder()
        .parse(&config.log_level)
        .map_err(|error| anyhow::anyhow!("LOG_LEVEL: {error}; use error, warn, info, debug or trace"))?
        .add_directive("sqlx::query=warn".parse()?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if config.log_json { lines.json().boxed() } else { lines.with_target(false).compact().boxed() };
    let traces = SdkTracerProvider::builder().build();
    let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer("chancery"));
    tracing_subscriber::registry().with(filter).with(lines).with(spans).try_init()?;
    Ok(traces)
}
