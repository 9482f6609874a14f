//! Changes made only to what their author saw (RFC 9110 §13.1): of two administrators who edit the same thing at once, the
//! second hears of the first (attacks AD-15). API callers say what they saw by `If-Match`, pages by a member of the form.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chancery_adapters::event_store::Loaded;
use chancery_domain::Decider;
use chancery_domain::digest::Digest;
use chancery_domain::oauth::params::Params;
use serde_json::Value;

use super::error::ApiError;
use crate::app::App;

/// How often a change is decided on again.
const ATTEMPTS: usize = 64;

/// The strong validator of a representation (RFC 9110 §8.8.3): its digest.
pub fn entity_tag(representation: &Value) -> String {
    format!("\"{}\"", String::from(Digest::of(representation.to_string())))
}

/// A representation that can be changed, with its `ETag`.
pub struct Tagged(pub Value);

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        ([(header::ETAG, entity_tag(&self.0))], Json(self.0)).into_response()
    }
}

/// A stream that a change is decided on only as it is here; `None` where its author did not say what they saw.
pub type Held<D> = Option<Loaded<D>>;

/// What the author of a change saw, by its entity tags; `None` where they did not say.
#[derive(Clone, Debug)]
pub struct Seen(Option<Vec<String>>);

impl<S: Send + Sync> FromRequestParts<S> for Seen {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(header::IF_MATCH).iter();
        // A value that is no text matches nothing.
        let tags: Vec<_> = values.flat_map(|value| value.to_str().unwrap_or_default().split(',')).collect();
        let tags = tags.into_iter().map(|tag| tag.trim().to_owned()).collect::<Vec<_>>();
        Ok(Self((!tags.is_empty()).then_some(tags)))
    }
}

impl Seen {
    /// What a form was filled in from.
    pub fn in_form(params: &Params) -> Self {
        Self(params.value("seen").map(|tag| vec![tag.to_owned()]))
    }

    /// Decides again on what is there then, while others are faster; unless the author said what they saw.
    ///
    /// # Errors
    /// Those of the last attempt.
    pub async fn decide<F>(&self, attempt: impl Fn() -> F) -> Result<(), ApiError>
    where
        F: Future<Output = Result<(), ApiError>>,
    {
        for _ in 1..ATTEMPTS {
            match attempt().await {
                Err(error) if self.0.is_none() && is_outrun(&error) => {}
                decided => return decided,
            }
        }
        attempt().await
    }

    /// # Errors
    /// `precondition_failed` if `present` is not what they saw; those of `present`, if they said.
    pub async fn unchanged(&self, present: impl Future<Output = Result<Value, ApiError>>) -> Result<(), ApiError> {
        let Some(tags) = &self.0 else { return Ok(()) };
        let present = entity_tag(&present.await?);
        match tags.iter().any(|tag| tag == "*" || *tag == present) {
            true => Ok(()),
            false => Err(changed_meanwhile()),
        }
    }

    /// The stream, read before it is looked whether `present` is still what they saw: a change that is recorded in between
    /// makes the append conflict.
    ///
    /// # Errors
    /// `precondition_failed`, and those of `present` and the store.
    pub async fn held<D: Decider>(
        &self,
        app: &App,
        id: impl Display,
        present: impl Future<Output = Result<Value, ApiError>>,
    ) -> Result<Held<D>, ApiError> {
        if self.0.is_none() {
            return Ok(None);
        }
        let loaded = app.store.load::<D>(id).await?;
        self.unchanged(present).await?;
        Ok(Some(loaded))
    }
}

fn changed_meanwhile() -> ApiError {
    let says = "Someone else changed this after you opened it; look again";
    ApiError::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", says)
}

/// Whether a change was refused since someone else was faster.
pub fn is_outrun(error: &ApiError) -> bool {
    matches!(error.code, "precondition_failed" | "conflict")
}
