//! JSON bodies: the content type, the syntax and the shape are checked; a mistake is a 400 in the API's envelope.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// A body as `T`. WebAuthn responses and small objects; the router limits bodies to 64 KiB.
#[derive(Clone, Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // A form can be posted from any site without asking (CORS); JSON cannot.
        if !is_json(&request) {
            return Err(ApiError::invalid_body());
        }
        let body = Bytes::from_request(request, state).await.map_err(|_| ApiError::invalid_body())?;
        serde_json::from_slice(&body).map(Self).map_err(|_| ApiError::invalid_body())
    }
}

fn is_json(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}
