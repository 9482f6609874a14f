//! The circumstances of a request: its id, its trace, where it came from; the basis of every command's context.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use chancery_domain::actor::Actor;
use chancery_domain::context::{Context, Origin};
use chancery_domain::personal::{Personal, Subject};
use opentelemetry::Context as OtelContext;
use opentelemetry::trace::TraceContextExt;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

use super::remote::{Peer, Walk};
use crate::app::App;
use crate::telemetry::requests::Begun;
use crate::telemetry::trace;

/// Known of every request before any handler runs.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// `X-Request-ID` of the answer, `request_id` of an error, the correlation id of every event.
    pub request_id: Uuid,
    pub address: IpAddr,
    pub user_agent: Option<String>,
    pub traceparent: String,
}

impl Circumstances {
    /// The context of a command that this request gives.
    pub fn context(&self, app: &App, actor: Actor) -> Context {
        let place = app.geo.place(self.address);
        let country = place.country();
        let origin = Origin { address: self.address, user_agent: self.user_agent.clone(), place };
        let subject = match actor.user() {
            Some(user) => Subject::user(user),
            None => Subject::visitors(app.clock.now()),
        };
        Context {
            actor,
            correlation_id: self.request_id,
            causation_id: None,
            traceparent: Some(self.traceparent.clone()),
            country,
            origin: Some(Personal::about(subject, origin)),
        }
    }
}

/// A request that is being answered.
pub struct Arrived {
    pub request_id: Uuid,
    pub address: IpAddr,
    begun: Begun,
}

/// Establishes the [`Circumstances`].
pub fn arrived(app: &App, peer: Peer, request: &mut Request) -> Arrived {
    let request_id = app.entropy.uuid_v4();
    let walk = Walk::new(peer, request.headers(), &app.config.trust_proxy, &app.config.address_header);
    let address = walk.address;
    let begun = app.requests.begin(request, request_id);
    let traceparent = join_trace(app, &begun.span, walk.peer_is_trusted, request.headers());
    let traceparent = traceparent.unwrap_or_else(|| new_trace(request_id, app.entropy.uuid_v4()));
    let circumstances = Circumstances { request_id, address, user_agent: user_agent(request.headers()), traceparent };
    request.extensions_mut().insert(circumstances);
    request.extensions_mut().insert(walk);
    Arrived { request_id, address, begun }
}

impl Arrived {
    pub fn span(&self) -> Span {
        self.begun.span.clone()
    }

    /// Answers with the request id.
    pub fn answered(&self, app: &App, response: &mut Response) {
        app.requests.end(&self.begun, response.status());
        if let Ok(value) = HeaderValue::from_str(&self.request_id.to_string()) {
            response.headers_mut().insert("x-request-id", value);
        }
    }
}

/// Continues the trace that a trusted proxy began; what anybody else names is only linked. Answers with the request's
/// own place in its trace, if there is one.
fn join_trace(app: &App, span: &Span, peer_is_trusted: bool, headers: &HeaderMap) -> Option<String> {
    let named = headers.get("traceparent").and_then(|value| trace::parse(value.to_str().ok()?));
    let named = named.filter(|_| app.config.telemetry.trace_context);
    let mut followed = None;
    match named {
        Some(named) if peer_is_trusted => {
            // Without an exporter there is no span of our own to be its child.
            drop(span.set_parent(OtelContext::new().with_remote_span_context(named.clone())));
            followed = Some(named);
        }
        Some(named) => span.add_link(named),
        None => {}
    }
    let own = trace::of(span).or(followed)?;
    span.record("trace_id", tracing::field::display(own.trace_id()));
    Some(trace::format(&own))
}

fn new_trace(trace: Uuid, parent: Uuid) -> String {
    format!("00-{}-{:016x}-01", trace.simple(), parent.as_u64_pair().1)
}

/// The user agent as text of bounded length, without control characters.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("user-agent")?.to_str().ok()?;
    Some(text.chars().filter(|c| !c.is_control()).take(300).collect())
}
