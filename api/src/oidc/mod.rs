//! The protocol endpoints, one a file. A handler parses, authenticates, executes and answers; the rules are in the domain.

mod authorization_response;
pub mod authorize;
mod consent;
mod discovery;
pub mod end_session;
pub mod error;
pub mod interaction;
mod introspect;
mod lead_on;
mod person;
mod revoke;
mod token;
mod userinfo;
mod without_cookies;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::{MethodRouter, get, post};

pub use person::claims as person_claims;

use crate::app::App;

/// Where clients call by themselves and expect errors in the words of RFC 6749.
pub const PROTOCOL_PATHS: [&str; 4] =
    ["/api/oidc/token", "/api/oidc/userinfo", "/api/oidc/introspect", "/api/oidc/revoke"];

/// Where an app sends a browser to sign out; people look at its errors.
pub const END_SESSION: &str = "/api/oidc/end-session";

/// Endpoints that clients call with their own proof, from anywhere: no cookie counts here.
pub fn protocol_routes() -> Router<App> {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery::metadata))
        .route("/.well-known/oauth-authorization-server", get(discovery::metadata))
        .route("/.well-known/jwks.json", get(discovery::jwks))
        .route("/api/oidc/token", post(token::token))
        .route("/api/oidc/userinfo", get(userinfo::userinfo).post(userinfo::userinfo))
        .route("/api/oidc/introspect", post(introspect::introspect))
        .route("/api/oidc/revoke", post(revoke::revoke))
}

/// Endpoints that a browser is sent to, from anywhere.
pub fn browser_routes() -> Router<App> {
    Router::new()
        .route("/authorize", never_head(get(authorize::authorize).post(authorize::authorize)))
        .route(END_SESSION, never_head(get(end_session::end_session).post(end_session::end_session)))
}

/// axum answers HEAD as GET without the body: here that would issue a code or end a session for a mere look (RFC 9110
/// §9.2.1, attacks AZ-16).
fn never_head(route: MethodRouter<App>) -> MethodRouter<App> {
    // RFC 9110 §15.5.6: with the methods that there are.
    route.head(|| async { (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, POST")]) })
}

/// What a person decides on our own pages.
pub fn page_routes() -> Router<App> {
    Router::new()
        .route("/consent", post(consent::decide))
        .route("/select-account", post(consent::select_account))
        .route("/sign-out", get(end_session::ask).post(end_session::confirm))
}
