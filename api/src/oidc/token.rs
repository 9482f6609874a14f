//! `POST /api/oidc/token` (RFC 6749 §3.2).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use chancery_domain::oauth::error::{ErrorCode, OAuthError};

use super::error::ProtocolError;
use crate::app::App;
use crate::grants::{Tokens, authorization_code, client_credentials, refresh_token};
use crate::http::client::authenticate;
use crate::http::form::body_params;
use crate::http::request::Circumstances;

pub async fn token(
    State(app): State<App>,
    circumstances: Circumstances,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ProtocolError> {
    // RFC 6749 §2.3.1: credentials never in the URI, where logs keep them.
    if uri.query().is_some() {
        return Err(OAuthError::invalid_request("parameters belong into the body").into());
    }
    let params = body_params(&headers, &body)?;
    params.check()?;
    let grant_type = params.value("grant_type").ok_or(OAuthError::invalid_request("grant_type is missing"))?;
    let client = authenticate(&app, &circumstances, &headers, &params).await?;
    let tokens: Tokens = match grant_type {
        "authorization_code" => authorization_code::redeem(&app, &circumstances, &client, &params).await?,
        "refresh_token" => refresh_token::refresh(&app, &circumstances, &client, &params).await?,
        "client_credentials" => client_credentials::issue(&app, &circumstances, &client, &params).await?,
        _ => {
            let error = OAuthError::new(ErrorCode::UnsupportedGrantType, "this grant type is not supported");
            return Err(error.into());
        }
    };
    // RFC 6749 §5.1.
    Ok(([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(tokens)).into_response())
}
