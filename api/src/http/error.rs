//! Errors of the JSON API: one envelope, `{"error", "code", "details"?, "request_id"}`, as Pocket ID's tools expect it.
//!
//! The text says what happened and what to do; what went wrong inside goes to the log only, under the same request id.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chancery_adapters::event_store::{ExecuteError, StoreError};
use chancery_adapters::vault::VaultError;
use chancery_domain::claim::ClaimKind;
use chancery_domain::field::FieldError;
use chancery_domain::policy::allowance::Exhausted;
use serde_json::{Value, json};

use crate::limits::guesses::Barred;

tokio::task_local! {
    /// The id of the request that is being answered.
    pub static REQUEST_ID: uuid::Uuid;
}

/// The id of the current request, as shown in error pages and bodies.
pub fn request_id() -> String {
    REQUEST_ID.try_with(ToString::to_string).unwrap_or_default()
}

/// A refusal or failure on its way to an API caller.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub details: Option<Value>,
    /// Seconds, for `Retry-After`.
    pub retry_after: Option<i64>,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: None, retry_after: None }
    }

    pub fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    pub fn not_signed_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_signed_in", "You are not signed in")
    }

    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this")
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing")
    }

    /// A stricter proof is needed: the session's last ceremony is too long ago.
    pub fn reauthentication_required() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "reauthentication_required", "Confirm with a passkey that it is you")
    }

    pub fn already_in_use(property: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "already_in_use", format!("This {property} is already in use"))
            .with_details(json!({ "property": property }))
    }

    pub fn invalid_body() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_body", "The request's body is not the JSON expected here")
    }

    /// `fields`: name, code, text for people.
    pub fn validation(fields: &[(String, String, String)]) -> Self {
        let message: Vec<_> = fields.iter().map(|(field, _, message)| format!("{field} {message}")).collect();
        let fields: Vec<_> = fields
            .iter()
            .map(|(field, code, message)| json!({ "field": field, "code": code, "message": message }))
            .collect();
        Self::new(StatusCode::BAD_REQUEST, "validation_failed", message.join(", "))
            .with_details(json!({ "fields": fields }))
    }

    /// `validation_failed` for one field.
    pub fn field(field: &str, code: &str, message: &str) -> Self {
        Self::validation(&[(field.to_owned(), code.to_owned(), message.to_owned())])
    }

    /// `validation_failed` for each of these.
    pub fn fields(errors: &[FieldError]) -> Self {
        let named = |error: &FieldError| (error.field.to_owned(), error.code.to_owned(), error.message.to_owned());
        Self::validation(&errors.iter().map(named).collect::<Vec<_>>())
    }

    /// The database or the log cannot be reached: nothing was done.
    pub fn unavailable() -> Self {
        let says = "The service is briefly unavailable; try again";
        Self { retry_after: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", says) }
    }

    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.message, "code": self.code, "request_id": request_id() });
        if let Some(details) = self.details {
            body["details"] = details;
        }
        let mut response = (self.status, Json(body)).into_response();
        response
            .headers_mut()
            .extend(self.retry_after.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))));
        response
    }
}

impl From<Exhausted> for ApiError {
    fn from(exhausted: Exhausted) -> Self {
        let seconds = exhausted.seconds();
        let unit = if seconds == 1 { "second" } else { "seconds" };
        let says = format!("Too many requests came from your network; wait {seconds} {unit} and try again");
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", says) }
    }
}

impl From<Barred> for ApiError {
    fn from(barred: Barred) -> Self {
        match barred {
            Barred::Exhausted(exhausted) => exhausted.into(),
            Barred::Uncounted(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "the database failed");
        Self::unavailable()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => {
                Self::new(StatusCode::CONFLICT, "conflict", "Someone else changed this at the same time; look again")
            }
            StoreError::Claimed(kind) => Self::already_in_use(claimed_property(kind)),
            StoreError::Vault(VaultError::Erased(_)) => Self::not_found(),
            StoreError::Unavailable(_) | StoreError::Vault(VaultError::Database(_)) => {
                tracing::error!(%error, "the event store is unavailable");
                Self::unavailable()
            }
            StoreError::Unreadable(_) | StoreError::Vault(_) => {
                tracing::error!(%error, "the event store failed");
                Self::internal()
            }
        }
    }
}

fn claimed_property(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Username => "username",
        ClaimKind::Email => "email",
        ClaimKind::CredentialId => "passkey",
        ClaimKind::GroupName => "name",
        ClaimKind::FirstAdmin => "setup",
    }
}

impl<R> From<ExecuteError<R>> for ApiError
where
    R: std::error::Error + Into<ApiError>,
{
    fn from(error: ExecuteError<R>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => refusal.into(),
            ExecuteError::Store(error) => error.into(),
        }
    }
}
