//! `/.well-known/*`: provider metadata and keys. No database: they answer while it is away.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chancery_domain::oidc::discovery;

use crate::app::App;

/// OpenID Connect Discovery 1.0 §4, RFC 8414 §3.
pub async fn metadata(State(app): State<App>) -> Response {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(discovery::metadata(&app.issuer))).into_response()
}

/// RFC 7517 §5. Keys are published longer than this is cached before they sign.
pub async fn jwks(State(app): State<App>) -> Response {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(app.keyring.jwks())).into_response()
}
