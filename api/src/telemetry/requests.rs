//! The span and the duration of each request, by the semantic conventions for HTTP servers
//! (<https://opentelemetry.io/docs/specs/semconv/http/>).
//!
//! Never the path, the query, a redirect's target or a header: they carry codes, tokens and states. The route's template
//! says enough.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use tracing::Span;
use uuid::Uuid;

use super::SCOPE;

/// The bounds that the conventions advise, in seconds.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// How long requests take, if anybody asks.
#[derive(Clone)]
pub struct Requests {
    duration: Option<Histogram<f64>>,
    scheme: &'static str,
}

/// A request on its way.
pub struct Begun {
    pub span: Span,
    at: Instant,
    method: &'static str,
    route: Option<MatchedPath>,
}

impl Requests {
    /// `https` is what people type, whatever the proxy speaks to us.
    pub fn new(counted: bool, https: bool) -> Self {
        let duration = counted.then(|| {
            global::meter(SCOPE)
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_description("Duration of HTTP requests")
                .with_boundaries(BOUNDS.to_vec())
                .build()
        });
        Self { duration, scheme: if https { "https" } else { "http" } }
    }

    pub fn begin(&self, request: &Request, request_id: Uuid) -> Begun {
        let method = known(request.method());
        let route = request.extensions().get::<MatchedPath>().cloned();
        let template = route.as_ref().map(MatchedPath::as_str);
        // At the highest level, so that lines of every level have the id of their request.
        let span = tracing::error_span!(
            "request",
            otel.name = %Name(method, template),
            otel.kind = "server",
            otel.status_code = tracing::field::Empty,
            %request_id,
            trace_id = tracing::field::Empty,
            http.request.method = method,
            http.route = template,
            http.response.status_code = tracing::field::Empty,
            "error.type" = tracing::field::Empty,
            url.scheme = self.scheme,
        );
        Begun { span, at: Instant::now(), method, route }
    }

    pub fn end(&self, begun: &Begun, status: StatusCode) {
        begun.span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            begun.span.record("otel.status_code", "error");
            begun.span.record("error.type", status.as_str());
        }
        let Some(duration) = &self.duration else { return };
        let mut attributes = vec![
            KeyValue::new("http.request.method", begun.method),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
            KeyValue::new("url.scheme", self.scheme),
        ];
        if let Some(route) = &begun.route {
            attributes.push(KeyValue::new("http.route", route.as_str().to_owned()));
        }
        if status.is_server_error() {
            attributes.push(KeyValue::new("error.type", status.as_str().to_owned()));
        }
        duration.record(begun.at.elapsed().as_secs_f64(), &attributes);
    }
}

/// Anybody can send any method: those that are not known are one.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// The span's name: method and route.
struct Name<'a>(&'static str, Option<&'a str>);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let method = if self.0 == "_OTHER" { "HTTP" } else { self.0 };
        match self.1 {
            Some(route) => write!(f, "{method} {route}"),
            None => f.write_str(method),
        }
    }
}
