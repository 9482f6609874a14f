//! The circumstances of a request: its id, its trace, where it came from; the basis of every command's context.

use std::net::IpAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use chancery_domain::actor::Actor;
use chancery_domain::context::{Context, Origin};
use chancery_domain::personal::{Personal, Subject};
use tracing::Instrument;
use uuid::Uuid;

use super::error;
use super::remote::{Peer, Walk};
use crate::app::App;

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

/// Layer: establishes the [`Circumstances`] and answers with the request id.
pub async fn establish(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let request_id = app.entropy.uuid_v4();
    let walk = Walk::new(peer, request.headers(), &app.config.trust_proxy, &app.config.address_header);
    let address = walk.address;
    let traceparent = incoming_trace(request.headers())
        .filter(|_| walk.peer_is_trusted)
        .unwrap_or_else(|| new_trace(request_id, app.entropy.uuid_v4()));
    let circumstances = Circumstances { request_id, address, user_agent: user_agent(request.headers()), traceparent };
    // Never the query: it carries codes, tokens and states.
    let span = tracing::info_span!(
        "request",
        %request_id,
        method = %request.method(),
        path = request.uri().path(),
        client_address = %address,
        traceparent = circumstances.traceparent,
    );
    request.extensions_mut().insert(circumstances);
    request.extensions_mut().insert(walk);
    let mut response = error::REQUEST_ID.scope(request_id, next.run(request).instrument(span)).await;
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

/// W3C Trace Context §3.2: version 00, trace id and parent id not all zero.
fn incoming_trace(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else { return None };
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    };
    let named = |part: &str| part.bytes().any(|c| c != b'0');
    let valid = *version == "00" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    (valid && named(trace) && named(parent)).then(|| text.to_owned())
}

fn new_trace(trace: Uuid, parent: Uuid) -> String {
    format!("00-{}-{:016x}-01", trace.simple(), parent.as_u64_pair().1)
}

/// The user agent as text of bounded length, without control characters.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("user-agent")?.to_str().ok()?;
    Some(text.chars().filter(|c| !c.is_control()).take(300).collect())
}
