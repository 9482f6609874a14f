//! Requests that leave, as client spans of the semantic conventions for HTTP
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>); whoever answers is told of the trace (W3C Trace
//! Context), if traces are exported.

use opentelemetry::global;
use opentelemetry_http::HeaderInjector;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Url};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The span of a request to `url`. Its path and query are not told: a key may be in them.
pub fn span(method: &'static str, url: &str) -> Span {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str);
    let port = url.as_ref().and_then(Url::port_or_known_default);
    let full = url.as_ref().map(|url| format!("{}/REDACTED", url.origin().ascii_serialization()));
    tracing::debug_span!(
        "request out",
        otel.name = method,
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        http.response.status_code = Empty,
        server.address = host,
        server.port = port,
        url.full = full,
        "error.type" = Empty,
    )
}

/// The request with the place of the current span in its trace.
pub fn traced(request: RequestBuilder) -> RequestBuilder {
    let mut headers = HeaderMap::new();
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut HeaderInjector(&mut headers));
    });
    request.headers(headers)
}

/// Notes on a span why it failed: a status code, or a word of ours.
pub fn failed(span: &Span, error_type: &str) {
    span.record("otel.status_code", "error");
    span.record("error.type", error_type);
}
