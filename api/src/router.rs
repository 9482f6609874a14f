//! All routes, grouped by who calls them, and the layers around them.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::FutureExt;
use serde_json::json;
use tower_http::limit::RequestBodyLimitLayer;
use tracing::Instrument;

use crate::app::App;
use crate::http::error::{ApiError, REQUEST_ID};
use crate::http::remote::Peer;
use crate::http::request::arrived;
use crate::http::{csrf, readiness, security_headers};
use crate::limits::admission;
use crate::pages::assets;
use crate::pages::render::{error_page, home};
use crate::{admin, house, oidc, openapi, pages, pictures, webauthn};

/// The largest body that is read: forms and JSON alike.
const MAX_BODY: usize = 64 * 1024;
/// The same where a body lists ids: the members of a group replace those it had, and a group may be large.
const MAX_LIST: usize = 1024 * 1024;
/// How long a request is worked on, whatever it waits for, its body too (attacks HB-02).
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub usual: Duration,
    pub uploads: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            usual: Duration::from_secs(9),
            // A file may come over a slow line: 5 MB in this time are 1.4 Mbit/s.
            uploads: Duration::from_secs(30),
        }
    }
}

pub fn router(app: App) -> Router {
    with_patience(app, Patience::default())
}

/// The same with other limits of time.
pub fn with_patience(app: App, patience: Patience) -> Router {
    // Pages and the API carry our cookie's authority, so they answer our own origin only.
    let own = Router::new()
        .merge(admin::routes())
        .merge(webauthn::routes())
        .merge(openapi::routes())
        .merge(oidc::page_routes())
        .merge(pages::handlers::routes())
        .merge(pages::verification::routes())
        .merge(house::routes())
        .layer(middleware::from_fn_with_state(app.clone(), guarded));
    // These alone take a file.
    let uploads = Router::new()
        .merge(admin::pictures::routes())
        .merge(house::picture_routes())
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), csrf::protect))
        .layer(DefaultBodyLimit::max(pictures::MAX_BODY))
        .layer(middleware::from_fn_with_state((app.clone(), patience.uploads), in_time));
    let lists = Router::new()
        .merge(admin::lists())
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), guarded))
        .layer(RequestBodyLimitLayer::new(MAX_LIST))
        .layer(middleware::from_fn_with_state((app.clone(), patience.usual), in_time));
    let protocol = oidc::protocol_routes().layer(middleware::from_fn(any_origin));
    let routes = Router::new()
        .merge(own)
        .merge(protocol)
        .merge(oidc::browser_routes())
        .merge(assets::routes())
        .route("/healthz", get(|| async { StatusCode::NO_CONTENT }))
        .route("/readyz", get(readiness::ready))
        .route("/.well-known/passkey-endpoints", get(passkey_endpoints))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(middleware::from_fn_with_state((app.clone(), patience.usual), in_time))
        .merge(lists)
        .merge(uploads);
    surrounded(&app, routes).with_state(app)
}

/// What is around every handler: one layer, since each costs every request a dozen allocations.
pub fn surrounded(app: &App, routes: Router<App>) -> Router<App> {
    routes.layer(middleware::from_fn_with_state(app.clone(), surround))
}

async fn surround(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let arrived = arrived(&app, peer, &mut request);
    let answering = answered(&app, arrived.address, request, next).instrument(arrived.span());
    let mut response = REQUEST_ID.scope(arrived.request_id, answering).await;
    arrived.answered(&app, &mut response);
    app.readiness.part(response.headers_mut());
    response
}

/// A panic becomes an answer like any other.
async fn answered(app: &App, address: IpAddr, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = match admission::refusal(app, &path, address) {
        Some(refusal) => refusal,
        None => {
            let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
            in_our_words(app, &path, answer.unwrap_or_else(panicked))
        }
    };
    security_headers::add(response.headers_mut());
    response
}

/// What carries our cookie's authority: our own pages' requests only, and whole ones.
async fn guarded(State(app): State<App>, request: Request, next: Next) -> Response {
    match csrf::refusal(&app, &request) {
        Some(refusal) => refusal,
        None => hear_out(request, next).await,
    }
}

/// Takes in what is sent before it is asked who sends it: what somebody may do is decided when all is said, not when they
/// began to speak (attacks SE-03).
async fn hear_out(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await {
        Ok(body) => next.run(Request::from_parts(parts, body.into())).await,
        Err(rejection) => rejection.into_response(),
    }
}

/// CORS for endpoints that look at no cookie: apps in browsers call them from their own origins.
async fn any_origin(request: Request, next: Next) -> Response {
    let preflight = *request.method() == Method::OPTIONS;
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    open_to_any_origin(response.headers_mut());
    response
}

pub fn open_to_any_origin(headers: &mut HeaderMap) {
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set("access-control-allow-origin", "*");
    set("access-control-allow-headers", "Authorization, Content-Type");
    set("access-control-allow-methods", "GET, POST");
}

/// W3C "A Well-Known URL for Relying Party Passkey Endpoints".
async fn passkey_endpoints(State(app): State<App>) -> Json<serde_json::Value> {
    let passkeys = format!("{}/account/passkeys", app.issuer);
    Json(json!({ "enroll": passkeys, "manage": passkeys }))
}

async fn nothing_here(State(app): State<App>, request: Request) -> Response {
    if is_api(request.uri().path()) {
        return (StatusCode::NOT_FOUND, Json(json!({ "error": "API endpoint not found" }))).into_response();
    }
    error_page(
        &app,
        StatusCode::NOT_FOUND,
        "There is nothing here",
        &["Check the address, or start over."],
        Some(home()),
    )
}

async fn wrong_method(State(app): State<App>, request: Request) -> Response {
    if oidc::PROTOCOL_PATHS.contains(&request.uri().path()) {
        return invalid_request(StatusCode::METHOD_NOT_ALLOWED, "This method is not allowed here.");
    }
    if is_api(request.uri().path()) {
        let error =
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This method is not allowed here");
        return error.into_response();
    }
    let says = "This address does not take that kind of request.";
    error_page(&app, StatusCode::METHOD_NOT_ALLOWED, "That did not work", &[says], Some(home()))
}

/// What axum refuses by itself — a body that is too large, a path or query that is no text — is said in the words of each
/// endpoint, and so is a defect of ours.
fn in_our_words(app: &App, path: &str, response: Response) -> Response {
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let plain = content_type.is_some_and(|value| value.starts_with("text/plain"));
    let (code, says) = match status {
        StatusCode::INTERNAL_SERVER_ERROR if plain => return admission::defect(app, path),
        StatusCode::PAYLOAD_TOO_LARGE if plain => ("request_too_large", "The request is too large."),
        _ if status.is_client_error() && plain => ("invalid_request", "The request cannot be read."),
        _ => return response,
    };
    if oidc::PROTOCOL_PATHS.contains(&path) {
        return invalid_request(status, says);
    }
    if is_api(path) {
        return ApiError::new(status, code, says).into_response();
    }
    error_page(app, status, "That did not work", &[says], None)
}

/// A protocol endpoint's refusal of what never reached it, which an app in a browser can read as well.
fn invalid_request(status: StatusCode, says: &str) -> Response {
    let body = Json(json!({ "error": "invalid_request", "error_description": says }));
    let mut response = (status, body).into_response();
    open_to_any_origin(response.headers_mut());
    response
}

/// Whoever waits longer than this is told so, in the words of the endpoint.
async fn in_time(State((app, limit)): State<(App, Duration)>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        tracing::error!("a request took too long");
        admission::unavailable(&app, &path)
    })
}

pub fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/.well-known/")
}

/// A defect of ours: the log has what it is, under the request's id. [`in_our_words`] tells the caller.
fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = text, "a handler panicked");
    (StatusCode::INTERNAL_SERVER_ERROR, "").into_response()
}
