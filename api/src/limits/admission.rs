//! Every request is counted before any handler sees it, and refused in the words of each endpoint.

use std::net::IpAddr;

use axum::response::{IntoResponse, Response};
use chancery_domain::oauth::error::{ErrorCode, OAuthError};

use super::Requests;
use crate::app::App;
use crate::http::error::ApiError;
use crate::oidc;
use crate::oidc::error::{self, ProtocolError};
use crate::pages::render::api_error_page;
use crate::router::{is_api, open_to_any_origin};

/// Counts a request from this address; an answer for one that is too many.
pub fn refusal(app: &App, path: &str, address: IpAddr) -> Option<Response> {
    let exhausted = app.limits.request(address, requests(path)?, app.now()).err()?;
    Some(refuse(app, path, exhausted.into(), exhausted.into()))
}

/// Which limit a path falls under. A path that nobody thought of here has the general one.
fn requests(path: &str) -> Option<Requests> {
    match path {
        // They touch nothing, and whoever looks after this node must not be turned away.
        "/healthz" | "/readyz" => None,
        "/authorize" => Some(Requests::Authorization),
        "/api/webauthn/login/start"
        | "/api/webauthn/login/finish"
        | "/api/enrollment/start"
        | "/api/enrollment/finish" => Some(Requests::Ceremonies),
        _ if path.starts_with("/enroll/") || path.starts_with("/lc/") => Some(Requests::Ceremonies),
        _ if oidc::PROTOCOL_PATHS.contains(&path) => Some(Requests::Protocol),
        _ => Some(Requests::Any),
    }
}

/// Nobody came to an answer in time.
pub fn unavailable(app: &App, path: &str) -> Response {
    refuse(app, path, error::unavailable().into(), ApiError::unavailable())
}

/// Something is wrong with Chancery itself.
pub fn defect(app: &App, path: &str) -> Response {
    let error = OAuthError::new(ErrorCode::ServerError, "something went wrong on our side");
    refuse(app, path, error.into(), ApiError::internal())
}

fn refuse(app: &App, path: &str, protocol: ProtocolError, error: ApiError) -> Response {
    if oidc::PROTOCOL_PATHS.contains(&path) {
        let mut response = protocol.into_response();
        open_to_any_origin(response.headers_mut());
        return response;
    }
    // A browser is sent there, although the path is the API's.
    let page = !is_api(path) || path == oidc::END_SESSION;
    if page { api_error_page(app, &error) } else { error.into_response() }
}
