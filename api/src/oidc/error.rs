//! [`OAuthError`] → bytes: one table (RFC 6749 §5.2, RFC 6750 §3).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chancery_adapters::event_store::{ExecuteError, StoreError};
use chancery_domain::grant::GrantRefusal;
use chancery_domain::oauth::error::{ErrorCode, OAuthError};
use chancery_domain::policy::access::AccessDenied;
use chancery_domain::policy::allowance::Exhausted;
use serde_json::json;

use crate::limits::guesses::Barred;

/// An error on its way to a client that called by itself.
#[derive(Clone, Copy, Debug)]
pub struct ProtocolError {
    pub error: OAuthError,
    /// What the client does not hear.
    why: Option<Why>,
    /// Seconds to wait, for somebody who asked too often.
    too_many: Option<i64>,
}

/// Whose rule refused.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Grant(GrantRefusal),
    #[error(transparent)]
    Policy(AccessDenied),
}

impl From<OAuthError> for ProtocolError {
    fn from(error: OAuthError) -> Self {
        Self { error, why: None, too_many: None }
    }
}

impl From<AccessDenied> for ProtocolError {
    fn from(denied: AccessDenied) -> Self {
        Self { why: Some(Why::Policy(denied)), ..denied.at_token_endpoint().into() }
    }
}

/// No specification names an error for it: the status says it (RFC 6585 §4), the code that trying again may help.
impl From<Exhausted> for ProtocolError {
    fn from(exhausted: Exhausted) -> Self {
        let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "too many requests; see Retry-After");
        Self { error, why: None, too_many: Some(exhausted.seconds()) }
    }
}

impl From<Barred> for ProtocolError {
    fn from(barred: Barred) -> Self {
        match barred {
            Barred::Exhausted(exhausted) => exhausted.into(),
            Barred::Uncounted(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for ProtocolError {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "the database failed");
        unavailable().into()
    }
}

impl From<StoreError> for ProtocolError {
    fn from(error: StoreError) -> Self {
        store_error(error).into()
    }
}

impl From<ExecuteError<GrantRefusal>> for ProtocolError {
    fn from(error: ExecuteError<GrantRefusal>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => {
                Self { why: Some(Why::Grant(refusal)), ..OAuthError::from(refusal).into() }
            }
            ExecuteError::Store(error) => error.into(),
        }
    }
}

pub const fn unavailable() -> OAuthError {
    OAuthError::new(ErrorCode::TemporarilyUnavailable, "the service is briefly unavailable")
}

/// Nothing was recorded, so nothing happened: the client may try again.
pub fn store_error(error: StoreError) -> OAuthError {
    tracing::error!(%error, "the event store failed");
    unavailable()
}

impl IntoResponse for ProtocolError {
    fn into_response(self) -> Response {
        let OAuthError { code, description } = self.error;
        let body = Json(json!({ "error": code.as_str(), "error_description": description }));
        let status = if self.too_many.is_some() { StatusCode::TOO_MANY_REQUESTS } else { status(code) };
        // Failures of ours were logged where they happened; a flood is counted, and not written down line by line.
        if status.is_client_error() && self.too_many.is_none() {
            let reason = self.why.map_or_else(|| description.to_owned(), |why| why.to_string());
            tracing::info!(error = code.as_str(), reason, "a client's request was refused");
        }
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if code == ErrorCode::InvalidClient {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Chancery\", charset=\"UTF-8\""),
            );
        }
        if matches!(code, ErrorCode::InvalidToken | ErrorCode::InsufficientScope) {
            headers.extend(bearer_challenge(self.error).map(|value| (header::WWW_AUTHENTICATE, value)));
        }
        if code == ErrorCode::TemporarilyUnavailable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.too_many.unwrap_or(5)));
        }
        response
    }
}

/// RFC 6750 §3: what is wrong with an access token, or with how it was sent.
pub fn bearer_challenge(OAuthError { code, description }: OAuthError) -> Option<HeaderValue> {
    let value = format!("Bearer error=\"{}\", error_description=\"{description}\"", code.as_str());
    HeaderValue::from_str(&value).ok()
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        // RFC 6749 §5.2 and RFC 6750 §3.1.
        ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::InvalidRequest
        | ErrorCode::InvalidGrant
        | ErrorCode::UnauthorizedClient
        | ErrorCode::UnsupportedGrantType
        | ErrorCode::UnsupportedResponseType
        | ErrorCode::InvalidScope
        | ErrorCode::AccessDenied
        | ErrorCode::LoginRequired
        | ErrorCode::ConsentRequired
        | ErrorCode::InteractionRequired
        | ErrorCode::RequestNotSupported
        | ErrorCode::RequestUriNotSupported
        | ErrorCode::RegistrationNotSupported
        | ErrorCode::UnmetAuthenticationRequirements => StatusCode::BAD_REQUEST,
    }
}
