//! JSON bodies: the content type, the syntax and the shape are checked; a mistake is a 400 in the API's envelope.

use axum::body::Bytes;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use super::error::ApiError;

/// A body as `T`. The router limits how long it may be.
#[derive(Clone, Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (headers, body) = parts(request, state).await?;
        read(&headers, &body)
    }
}

/// A body that may be left out.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        let (headers, body) = parts(request, state).await?;
        if body.is_empty() { Ok(None) } else { read(&headers, &body).map(Some) }
    }
}

async fn parts<S: Send + Sync>(request: Request, state: &S) -> Result<(HeaderMap, Bytes), ApiError> {
    let headers = request.headers().clone();
    let body = Bytes::from_request(request, state).await.map_err(|_| ApiError::invalid_body())?;
    Ok((headers, body))
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<JsonBody<T>, ApiError> {
    // A form can be posted from any site without asking (CORS); JSON cannot.
    if !is_json(headers) {
        return Err(ApiError::invalid_body());
    }
    serde_json::from_slice(body).map(JsonBody).map_err(|_| ApiError::invalid_body())
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// For members where `null` is as if nothing were said: what Go's encoder makes of a list that is not there.
///
/// # Errors
/// Those of the member's type.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A moment as RFC 3339 writes it, in UTC, as everything keeps it; `null` is none.
///
/// # Errors
/// Those of the format, and a moment that only another offset has a year for: it could not be kept.
pub fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
    let Some(moment) = time::serde::rfc3339::option::deserialize(deserializer)? else { return Ok(None) };
    let moment = moment.checked_to_offset(UtcOffset::UTC).filter(|moment| (0..=9999).contains(&moment.year()));
    moment.map(Some).ok_or_else(|| de::Error::custom("it lies beyond the years of four digits"))
}

/// # Errors
/// `validation_failed` for a member that must be there and is not.
pub fn required<T>(field: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::field(field, "required", "is required"))
}

/// The ids of a list. What is no UUID names nothing, as little as an unknown one: both are dropped.
pub fn uuids(texts: &[String]) -> Vec<Uuid> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
