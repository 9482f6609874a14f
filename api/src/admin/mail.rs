//! Mails that somebody asks for themselves: the proof of an address, and a test.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use chancery_domain::policy::admin::AdminAction;
use serde::Deserialize;

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::json::JsonBody;
use crate::http::principal::{BrowserOnly, Principal};
use crate::http::request::Circumstances;
use crate::mail::requests;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/users/me/send-email-verification", post(send_verification))
        .route("/api/users/me/verify-email", post(verify_email))
        .route("/api/application-configuration/test-email", post(test_mail))
}

async fn send_verification(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
) -> Result<StatusCode, ApiError> {
    let caller = principal.caller(&app, &circumstances);
    requests::request_verification(&app, &caller, principal.user.id()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Verification {
    #[serde(default)]
    token: String,
}

/// Signed in, and no API key: whoever follows the link is the person it was mailed to.
async fn verify_email(
    State(app): State<App>,
    circumstances: Circumstances,
    BrowserOnly(signed_in): BrowserOnly,
    JsonBody(body): JsonBody<Verification>,
) -> Result<StatusCode, ApiError> {
    let caller = signed_in.caller(&app, &circumstances);
    requests::verify_email(&app, &caller, signed_in.user.id(), &body.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A mail to the caller. It leaves like every other, after the answer: `/admin/mail` says what became of it.
async fn test_mail(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::SendTestMail)?;
    let caller = principal.caller(&app, &circumstances);
    requests::request_test_mail(&app, &caller, principal.user.id()).await?;
    Ok(StatusCode::NO_CONTENT)
}
