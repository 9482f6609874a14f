//! Mails that somebody asks for: the proof of their address, a test, an invitation.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use chancery_domain::policy::admin::AdminAction;
use serde::Deserialize;

use super::users::{LinkInput, existing, user_id};
use crate::accounts;
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
        .route("/api/users/{id}/one-time-access-email", post(invite))
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
    #[serde(default, deserialize_with = "crate::http::json::or_default")]
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

/// `one-time-access-token`, but mailed to the person and shown to nobody.
async fn invite(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<LinkInput>,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::IssueEnrollment)?;
    let user = existing(&app, user_id(&id)?).await?;
    let lifetime = super::ttl(body.ttl.as_ref())?;
    let caller = principal.caller(&app, &circumstances);
    accounts::mail_invitation(&app, &caller, &user, lifetime).await?;
    Ok(StatusCode::NO_CONTENT)
}
