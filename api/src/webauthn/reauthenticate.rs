//! Step-up: the person who is signed in proves again that they are there.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chancery_domain::digest::Digest;
use chancery_domain::session::{Session, SessionCommand};
use chancery_projections::passkeys;
use serde_json::Value;

use super::ceremony::{self, AUTHENTICATION, Authentication};
use super::login::{new_secret, proof, session_error, verify};
use crate::app::App;
use crate::http::cookie;
use crate::http::error::ApiError;
use crate::http::json::JsonBody;
use crate::http::principal::BrowserOnly;
use crate::http::request::Circumstances;
use crate::http::session::cookie_value;

/// `GET /api/webauthn/reauthenticate/start`: request options that name the person's own usable passkeys.
pub async fn start(
    State(app): State<App>,
    BrowserOnly(signed_in): BrowserOnly,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let rows = passkeys::of_user(&app.pool, signed_in.user.id()).await?;
    let allowed: Vec<_> = rows.iter().filter(|row| !row.suspended).map(ceremony::stored).collect();
    let started = app.passkeys.start_authentication(Some(&allowed)).map_err(|_| ApiError::internal())?;
    let mut response = Json(&started.options).into_response();
    let kept = Authentication { state: started.state, expected: Some(signed_in.user.id()) };
    ceremony::keep(&app, AUTHENTICATION, &headers, response.headers_mut(), &started.options, &kept).await?;
    Ok(response)
}

/// `POST /api/webauthn/reauthenticate`: a new time of authentication and a new cookie secret for the same session.
pub async fn finish(
    State(app): State<App>,
    circumstances: Circumstances,
    BrowserOnly(signed_in): BrowserOnly,
    headers: HeaderMap,
    body: Option<JsonBody<Value>>,
) -> Result<Response, ApiError> {
    // Pocket ID takes a sign-in of the last minute for it; here it takes a ceremony of its own.
    let JsonBody(response) = body.ok_or_else(ApiError::reauthentication_required)?;
    let mut kept: Authentication = ceremony::take(&app, AUTHENTICATION, &headers, &response).await?;
    // Whoever began the ceremony: it counts for the person who is signed in, or for nobody.
    kept.expected = Some(signed_in.user.id());
    let (user, passkey, assertion) = verify(&app, &circumstances, &kept, &response).await?;
    let secret = new_secret(&app);
    let command = SessionCommand::StepUp {
        user_id: user.id(),
        secret: Digest::of(secret.expose()),
        proof: proof(&passkey, &assertion),
        now: app.now(),
    };
    let context = circumstances.context(&app, signed_in.actor());
    app.store.execute::<Session>(signed_in.session.id(), command, &context).await.map_err(session_error)?;

    let mut answer = StatusCode::NO_CONTENT.into_response();
    let remaining = (signed_in.session.expires_at - app.now()).whole_seconds();
    let value = cookie_value(signed_in.session.id(), &secret);
    cookie::set(answer.headers_mut(), cookie::SESSION, &value, Some(remaining));
    Ok(answer)
}
