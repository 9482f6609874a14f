//! Mails that somebody asks for themselves: the proof of an address, and a test.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_adapters::event_store::ExecuteError;
use chancery_domain::digest::Digest;
use chancery_domain::ids::{EmailVerificationId, UserId};
use chancery_domain::user::{UserCommand, UserRefusal};
use time::OffsetDateTime;

use crate::accounts::{execute, user_error};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;

/// What the secret of a link that proves an address follows from, beside its id.
const VERIFICATION_LINK: &str = "email_verification";

/// Asks for a mail by which a person proves that their e-mail address is theirs.
///
/// # Errors
/// The refusal as the API says it, here and below.
pub async fn request_verification(app: &App, caller: &Caller, id: UserId) -> Result<i64, ApiError> {
    require_mail(app)?;
    let verification_id = EmailVerificationId(app.entropy.uuid_v4());
    let now = app.now();
    let secret = Digest::of(verification_secret(app, verification_id, now));
    execute(app, caller, id, UserCommand::RequestEmailVerification { verification_id, secret, now }).await
}

/// Takes the proof, which is a secret that was mailed to the address.
pub async fn verify_email(app: &App, caller: &Caller, id: UserId, token: &str) -> Result<i64, ApiError> {
    let secret = URL_SAFE_NO_PAD.decode(token).ok().filter(|secret| secret.len() == 32);
    let secret = secret.ok_or_else(|| user_error(ExecuteError::Refused(UserRefusal::NoSuchVerification)))?;
    execute(app, caller, id, UserCommand::VerifyEmail { secret: Digest::of(secret), now: app.now() }).await
}

/// The link that is mailed, made again as it was when it was asked for.
pub fn verification_url(app: &App, id: EmailVerificationId, requested_at: OffsetDateTime) -> String {
    format!("{}/verify-email?token={}", app.issuer, URL_SAFE_NO_PAD.encode(verification_secret(app, id, requested_at)))
}

fn verification_secret(app: &App, id: EmailVerificationId, at: OffsetDateTime) -> [u8; 32] {
    app.store.vault().link_secret(VERIFICATION_LINK, id.0.as_bytes(), at)
}

/// Asks for a mail to whoever asks.
pub async fn request_test_mail(app: &App, caller: &Caller, id: UserId) -> Result<i64, ApiError> {
    require_mail(app)?;
    execute(app, caller, id, UserCommand::RequestTestMail).await
}

fn require_mail(app: &App) -> Result<(), ApiError> {
    let says = "Mail is not set up here; ask your administrator";
    let off = || ApiError::new(StatusCode::CONFLICT, "mail_not_configured", says);
    app.config.smtp.as_ref().map(|_| ()).ok_or_else(off)
}
