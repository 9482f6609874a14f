//! Form parameters of protocol endpoints, from the body or the query.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use chancery_domain::oauth::error::OAuthError;
use chancery_domain::oauth::params::Params;

/// The parameters of a form body (RFC 6749 §3.2: `application/x-www-form-urlencoded`).
///
/// # Errors
/// `invalid_request` for another content type.
pub fn body_params(headers: &HeaderMap, body: &Bytes) -> Result<Params, OAuthError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(OAuthError::invalid_request("the body must be application/x-www-form-urlencoded"));
    }
    Ok(parse(body))
}

pub fn query_params(query: Option<&str>) -> Params {
    parse(query.unwrap_or_default().as_bytes())
}

fn parse(text: &[u8]) -> Params {
    Params::new(url::form_urlencoded::parse(text).into_owned().collect())
}
