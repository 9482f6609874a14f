//! The `Authorization` header (RFC 9110 §11.6.2).

use axum::http::{HeaderMap, header};
use chancery_domain::oauth::error::OAuthError;

/// What a caller presents there. A value that is no text is an attempt, and a failed one.
///
/// # Errors
/// `invalid_request` for two of them: what stands in front of us may have looked at the other (RFC 6749 §2.3, RFC 6750 §2:
/// no more than one method).
pub fn authorization(headers: &HeaderMap) -> Result<Option<&str>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(OAuthError::invalid_request("send one Authorization header only"));
    }
    Ok(first.map(|value| value.to_str().unwrap_or_default()))
}
