//! What is exported, and where to: the `OTEL_*` variables of the OpenTelemetry specification.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>. Endpoints, time limits, batching and
//! sampling are read by the SDK itself; what it leaves to the application, or would silently replace by a default, is read
//! and checked here.

use std::path::PathBuf;
use std::time::Duration;

use chancery_domain::secret::Secret;
use percent_encoding::percent_decode_str;

use super::values::Values;

/// They may hold the password for the collector.
pub type Headers = Secret<Vec<(String, String)>>;

/// What leaves this process about its own work. Nothing does, unless it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    pub traces: bool,
    pub metrics: bool,
    pub logs: bool,
    /// Where Prometheus finds the metrics; never the public listener.
    pub prometheus: Option<(String, u16)>,
    /// Whether the `traceparent` of a trusted proxy is followed.
    pub trace_context: bool,
    /// Sent along with traces, with metrics and with logs, each by its name.
    pub trace_headers: Option<Headers>,
    pub metric_headers: Option<Headers>,
    pub log_headers: Option<Headers>,
    /// For one request to the collector.
    pub timeout: Duration,
    /// The authority that vouches for the collector, instead of the system's.
    pub certificate: Option<PathBuf>,
    /// A certificate and key by which the collector knows us.
    pub identity: Option<(PathBuf, PathBuf)>,
    pub service_name: Option<String>,
    /// What else the operator says about this process.
    pub resource: Vec<(String, String)>,
}

impl Telemetry {
    /// Whether there is anybody to count for.
    pub fn counts(&self) -> bool {
        self.metrics || self.prometheus.is_some()
    }
}

pub(super) fn read(values: &mut Values) -> Telemetry {
    check_otlp(values);
    check_sampler(values);
    check_numbers(values);
    let prometheus =
        (values.text("OTEL_EXPORTER_PROMETHEUS_HOST", 1..=253), values.port("OTEL_EXPORTER_PROMETHEUS_PORT"));
    let identity =
        (values.optional("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"), values.optional("OTEL_EXPORTER_OTLP_CLIENT_KEY"));
    let identity = match identity {
        (Some(certificate), Some(key)) => Some((PathBuf::from(certificate), PathBuf::from(key))),
        (None, None) => None,
        _ => {
            values.problem("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY belong together");
            None
        }
    };
    let headers = pairs(values, "OTEL_EXPORTER_OTLP_HEADERS");
    let metrics = exporters(values, "OTEL_METRICS_EXPORTER", &["otlp", "prometheus"]);
    let telemetry = Telemetry {
        traces: exporters(values, "OTEL_TRACES_EXPORTER", &["otlp"]).contains(&"otlp"),
        logs: exporters(values, "OTEL_LOGS_EXPORTER", &["otlp"]).contains(&"otlp"),
        metrics: metrics.contains(&"otlp"),
        prometheus: Some(prometheus).filter(|_| metrics.contains(&"prometheus")),
        trace_context: propagators(values),
        trace_headers: headers_of(values, "OTEL_EXPORTER_OTLP_TRACES_HEADERS", &headers),
        metric_headers: headers_of(values, "OTEL_EXPORTER_OTLP_METRICS_HEADERS", &headers),
        log_headers: headers_of(values, "OTEL_EXPORTER_OTLP_LOGS_HEADERS", &headers),
        timeout: longest_timeout(values),
        certificate: values.optional("OTEL_EXPORTER_OTLP_CERTIFICATE").map(PathBuf::from),
        identity,
        service_name: values.optional("OTEL_SERVICE_NAME"),
        resource: pairs(values, "OTEL_RESOURCE_ATTRIBUTES"),
    };
    match values.flag("OTEL_SDK_DISABLED") {
        true => Telemetry { trace_context: telemetry.trace_context, ..Telemetry::default() },
        false => telemetry,
    }
}

/// A comma-separated list, `none` for none.
fn exporters(values: &mut Values, name: &str, known: &[&'static str]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for asked in list(values, name).iter().filter(|asked| *asked != "none") {
        match known.iter().find(|exporter| *exporter == asked) {
            Some(exporter) => found.push(*exporter),
            None => values.problem(format!("{name} must be none or {}, not {asked:?}", known.join(" or "))),
        }
    }
    found
}

/// Of the propagators there are, W3C Trace Context alone is spoken.
fn propagators(values: &mut Values) -> bool {
    let asked = list(values, "OTEL_PROPAGATORS");
    for other in asked.iter().filter(|name| !matches!(name.as_str(), "tracecontext" | "baggage" | "none")) {
        values.warning(format!("OTEL_PROPAGATORS: {other:?} is not spoken here; tracecontext is"));
    }
    asked.iter().any(|name| name == "tracecontext")
}

fn list(values: &Values, name: &str) -> Vec<String> {
    let text = values.value(name).to_ascii_lowercase();
    text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// `name=value` pairs, comma-separated, values percent-encoded (W3C Baggage, by which the specification has it). What is no
/// such list is not repeated: it may be a password.
fn pairs(values: &mut Values, name: &str) -> Vec<(String, String)> {
    let text = values.optional(name).unwrap_or_default();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').map(|(name, value)| (name.trim(), value.trim()))?;
        let value = percent_decode_str(value).decode_utf8().ok()?;
        (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
    };
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts.map(pair).collect::<Option<_>>().unwrap_or_else(|| {
        values.problem(format!("{name} must be name=value pairs, comma-separated, with percent-encoded values"));
        Vec::new()
    })
}

/// What is sent along with one signal: its own headers, or else those of all.
fn headers_of(values: &mut Values, name: &str, of_all: &[(String, String)]) -> Option<Headers> {
    let own = pairs(values, name);
    let counting = if own.is_empty() { of_all.to_vec() } else { own };
    Some(counting).filter(|headers| !headers.is_empty()).map(Secret::new)
}

/// The SDK keeps to the time limit of each signal; no request outlasts them all.
fn longest_timeout(values: &mut Values) -> Duration {
    let general = values.integer("OTEL_EXPORTER_OTLP_TIMEOUT", 1..=600_000);
    let own = TIMEOUTS.iter().filter_map(|name| values.optional(name)?.parse().ok());
    Duration::from_millis(own.fold(general, i64::max).unsigned_abs())
}

fn check_otlp(values: &mut Values) {
    for name in PROTOCOLS {
        if let Some(other) = values.optional(name).filter(|protocol| protocol != "http/protobuf") {
            values.problem(format!(
                "{name}: {other:?} is not spoken here. Set http/protobuf, and the endpoint to the collector's port for \
                 HTTP, usually 4318"
            ));
        }
    }
    for name in COMPRESSIONS {
        if let Some(other) = values.optional(name).filter(|kind| !matches!(kind.as_str(), "gzip" | "none")) {
            values.problem(format!("{name} must be gzip or none, not {other:?}"));
        }
    }
    for name in ENDPOINTS {
        let Some(endpoint) = values.optional(name) else { continue };
        match url::Url::parse(&endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https")) {
            None => values.problem(format!("{name} must be a URL such as http://localhost:4318, not {endpoint:?}")),
            Some(url) if url.port() == Some(4317) => {
                values.warning(format!("{name}: 4317 is the usual port for gRPC; OTLP over HTTP is usually on 4318"));
            }
            Some(_) => {}
        }
    }
}

fn check_sampler(values: &mut Values) {
    let sampler = values.value("OTEL_TRACES_SAMPLER");
    if !SAMPLERS.contains(&sampler.as_str()) {
        values.problem(format!("OTEL_TRACES_SAMPLER must be one of {}, not {sampler:?}", SAMPLERS.join(", ")));
    }
    let ratio = values.optional("OTEL_TRACES_SAMPLER_ARG");
    if ratio.is_some_and(|ratio| !ratio.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio))) {
        values.problem("OTEL_TRACES_SAMPLER_ARG must be a share of all traces, from 0.0 to 1.0");
    }
}

fn check_numbers(values: &mut Values) {
    for (names, least) in [(NUMBERS, 1), (TIMEOUTS, 1), (SPAN_LIMITS, 0)] {
        for name in names {
            if values.optional(name).is_some() {
                values.integer(name, least..=i64::from(i32::MAX));
            }
        }
    }
}

const SAMPLERS: &[&str] = &[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];
const ENDPOINTS: &[&str] = &[
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
];
const TIMEOUTS: &[&str] =
    &["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT"];
const PROTOCOLS: &[&str] = &[
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
];
const COMPRESSIONS: &[&str] = &[
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
    "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION",
];
const NUMBERS: &[&str] = &[
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BLRP_SCHEDULE_DELAY",
    "OTEL_BLRP_MAX_QUEUE_SIZE",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
];
const SPAN_LIMITS: &[&str] = &["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT"];
