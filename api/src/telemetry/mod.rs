//! What Chancery tells about its own work: log lines, and, where the `OTEL_*` variables ask for it, traces, metrics and
//! log records for a collector, and metrics for Prometheus.
//!
//! Nothing is exported by default. What is, is gathered in bounded queues and sent from threads of its own: a request
//! never waits for a collector. No secret and no personal value leaves by this way; people are named by their ids, and
//! only a refused sign-in tells the address it came from.

pub mod audit;
pub mod figures;
mod gate;
mod lines;
mod otlp;
pub mod prometheus;
pub mod requests;
#[cfg(test)]
mod tests;
pub mod trace;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::global;
use opentelemetry::logs::LoggerProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Metadata;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use self::audit::AuditLog;
use self::gate::Gate;
use self::lines::Lines;
use self::trace::InTrace;
use crate::config::Config;

/// The instrumentation scope of all that we emit.
pub const SCOPE: &str = "chancery";
/// How long the end of the process waits for what has not been exported yet.
const FLUSH: Duration = Duration::from_secs(3);

/// The exporters of this process; none by default.
#[derive(Default)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    logs: Option<SdkLoggerProvider>,
    scraped: Option<::prometheus::Registry>,
}

/// Starts logging to standard error, and the exporters if this process has anything to tell. To be called once.
///
/// # Errors
/// A filter in LOG_LEVEL that does not parse, or exporters that cannot be made of their settings.
pub fn start(config: &Config, exporting: bool) -> anyhow::Result<Telemetry> {
    let telemetry = if exporting { otlp::providers(&config.telemetry)? } else { Telemetry::default() };
    let told = Told::of(config)?;
    let terminal = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(terminal)
        .fmt_fields(Lines::new(config.log_format))
        .event_format(Lines::new(config.log_format))
        .with_writer(std::io::stderr);
    let says = told.clone();
    let lines = Gate::new(lines, move |metadata| says.tells(metadata));
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = vec![Box::new(lines)];
    if let Some(traces) = &telemetry.traces {
        if config.telemetry.trace_context {
            global::set_text_map_propagator(TraceContextPropagator::new());
        }
        let spans = tracing_opentelemetry::layer()
            .with_tracer(traces.tracer(SCOPE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Nobody asks for the current context but the log records, which look for it themselves.
            .with_context_activation(false)
            // Log lines are no span events: they have an exporter of their own.
            .with_filter(filter_fn(is_traced));
        layers.push(Box::new(spans));
    }
    if let Some(logs) = &telemetry.logs {
        // Lines about an event go out as its record, and those of the exporters would feed on themselves.
        let says = told.clone();
        let exported = move |metadata: &Metadata<'_>| {
            metadata.is_event() && metadata.target() != audit::TARGET && is_ours(metadata) && says.tells(metadata)
        };
        layers.push(Box::new(Gate::new(InTrace(OpenTelemetryTracingBridge::new(logs)), exported)));
    }
    let traces = telemetry.traces.is_some();
    let most = told.most().max(if traces { LevelFilter::DEBUG } else { LevelFilter::OFF });
    let wanted = filter_fn(move |metadata| told.tells(metadata) || traces && is_traced(metadata));
    tracing_subscriber::registry().with(layers).with(wanted.with_max_level_hint(most)).try_init()?;
    Ok(telemetry)
}

/// Which spans and lines LOG_LEVEL lets through.
#[derive(Clone)]
struct Told(Targets);

impl Told {
    fn of(config: &Config) -> anyhow::Result<Self> {
        let targets = config.log_level.parse::<Targets>();
        let targets = targets.context("LOG_LEVEL: use error, warn, info, debug or trace, or a filter by module")?;
        let targets = targets.with_target("sqlx::query", LevelFilter::WARN);
        // "already exists, skipping", at every start.
        let targets = targets.with_target("sqlx::postgres::notice", LevelFilter::WARN);
        // It writes down what it was sent, at whatever length; what came of it is on the record.
        Ok(Self(targets.with_target("webauthn_rs_core", LevelFilter::OFF)))
    }

    fn tells(&self, metadata: &Metadata<'_>) -> bool {
        self.0.would_enable(metadata.target(), metadata.level())
    }

    fn most(&self) -> LevelFilter {
        Filter::<Registry>::max_level_hint(&self.0).unwrap_or(LevelFilter::TRACE)
    }
}

fn is_traced(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && is_ours(metadata)
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("chancery") || metadata.target() == "postgres"
}

impl Telemetry {
    fn new(
        traces: Option<SdkTracerProvider>,
        metrics: Option<SdkMeterProvider>,
        logs: Option<SdkLoggerProvider>,
        scraped: Option<::prometheus::Registry>,
    ) -> Self {
        // Each crate takes its instruments from here; without a provider they do nothing.
        if let Some(metrics) = &metrics {
            global::set_meter_provider(metrics.clone());
        }
        Self { traces, metrics, logs, scraped }
    }

    /// Where events are told of.
    pub fn audit_log(&self) -> AuditLog {
        AuditLog::new(self.logs.as_ref().map(|logs| logs.logger(SCOPE)))
    }

    /// What Prometheus scrapes, if it may.
    pub fn scraped(&self) -> Option<::prometheus::Registry> {
        self.scraped.clone()
    }

    /// Exports what is left, but not for long.
    pub async fn stop(self) {
        let stopped = tokio::task::spawn_blocking(move || {
            std::thread::scope(|scope| {
                scope.spawn(|| self.traces.map(|traces| report(traces.shutdown_with_timeout(FLUSH))));
                scope.spawn(|| self.metrics.map(|metrics| report(metrics.shutdown_with_timeout(FLUSH))));
                scope.spawn(|| self.logs.map(|logs| report(logs.shutdown_with_timeout(FLUSH))));
            });
        });
        if let Err(error) = stopped.await {
            tracing::warn!(%error, "the exporters did not stop");
        }
    }
}

fn report(stopped: opentelemetry_sdk::error::OTelSdkResult) {
    if let Err(error) = stopped {
        tracing::warn!(%error, "the last telemetry was not exported");
    }
}
