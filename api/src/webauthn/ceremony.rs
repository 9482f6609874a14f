//! Ceremonies in flight.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::ids::UserId;
use chancery_domain::ports::passkeys::{PasskeyFailure, StoredPasskey};
use chancery_domain::sign_in_attempt::FailureReason;
use chancery_projections::passkeys::PasskeyRow;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::Duration;

use crate::app::App;
use crate::http::cookie;
use crate::http::error::ApiError;

/// A sign-in or step-up that was begun.
#[derive(Debug, Serialize, Deserialize)]
pub struct Authentication {
    pub state: String,
    /// A step-up is for one person only.
    pub expected: Option<UserId>,
}

/// The enrollment of a passkey by someone signed in.
#[derive(Debug, Serialize, Deserialize)]
pub struct Registration {
    pub state: String,
    pub user_id: UserId,
}

/// A little longer than browsers are told to let a person take (attacks WR-01).
const CHALLENGE_LASTS: Duration = Duration::minutes(5);

pub const AUTHENTICATION: &str = "authentication";
pub const REGISTRATION: &str = "registration";

/// Keeps a ceremony for this browser and sets the browser's cookie if it has none.
pub async fn keep(
    app: &App,
    kind: &'static str,
    request: &HeaderMap,
    answer: &mut HeaderMap,
    options: &Value,
    ceremony: &impl Serialize,
) -> Result<(), ApiError> {
    let browser = match cookie::read(request, cookie::BROWSER) {
        Some(browser) => browser.to_owned(),
        None => {
            let browser = app.entropy.token().expose().clone();
            cookie::set(answer, cookie::BROWSER, &browser, None);
            browser
        }
    };
    let challenge = options.get("challenge").and_then(Value::as_str).ok_or_else(ApiError::internal)?;
    let id = format!("{browser}.{challenge}");
    app.short_lived.put(kind, &id, ceremony, CHALLENGE_LASTS, app.now()).await?;
    Ok(())
}

/// Takes the ceremony that a response belongs to: of this browser, with this challenge, not used before.
pub async fn take<T: DeserializeOwned>(
    app: &App,
    kind: &'static str,
    request: &HeaderMap,
    response: &Value,
) -> Result<T, ApiError> {
    let bad = |code, message: &str| ApiError::new(axum::http::StatusCode::BAD_REQUEST, code, message);
    let browser = cookie::read(request, cookie::BROWSER)
        .ok_or_else(|| bad("missing_session_id", "This browser sent no cookie; allow cookies and try again"))?;
    let challenge = challenge_of(response)
        .ok_or_else(|| bad("invalid_webauthn_response", "This is not the answer of a passkey"))?;
    let id = format!("{browser}.{challenge}");
    app.short_lived.take(kind, &id, app.now()).await?.ok_or_else(not_under_way)
}

/// Why nobody was let in by a response whose ceremony could not be taken; nothing where that is no fault of theirs.
pub fn failure(error: &ApiError) -> Option<FailureReason> {
    match error.code {
        "invalid_webauthn_response" => Some(FailureReason::Malformed),
        _ if error.status.is_client_error() => Some(FailureReason::ChallengeExpiredOrReused),
        _ => None,
    }
}

/// The ceremony has expired, was used already, or is another's.
pub fn not_under_way() -> ApiError {
    let says = "This attempt has expired or was used already; try again";
    ApiError::new(axum::http::StatusCode::BAD_REQUEST, "invalid_webauthn_session", says)
}

/// The challenge in the response's clientDataJSON: it only finds the ceremony, whose own state is what is verified.
fn challenge_of(response: &Value) -> Option<String> {
    let data = response.get("response")?.get("clientDataJSON")?.as_str()?;
    if data.len() > 8_192 {
        return None;
    }
    let data = URL_SAFE_NO_PAD.decode(data.trim_end_matches('=')).ok()?;
    let data: Value = serde_json::from_slice(&data).ok()?;
    data.get("challenge")?.as_str().filter(|challenge| challenge.len() <= 128).map(str::to_owned)
}

/// What the ceremonies' verification needs of a stored passkey.
pub fn stored(row: &PasskeyRow) -> StoredPasskey {
    StoredPasskey {
        credential_id: row.credential_id.clone(),
        authenticator_data: row.authenticator_data.clone(),
        counter: u32::try_from(row.counter).unwrap_or(u32::MAX),
        backup_eligible: row.backup_eligible,
        backed_up: row.backed_up,
        transports: row.transports.clone(),
    }
}

/// What the API says about a ceremony that failed at registration.
pub fn registration_error(failure: &PasskeyFailure) -> ApiError {
    let bad = |code, message: &str| ApiError::new(axum::http::StatusCode::BAD_REQUEST, code, message);
    match failure {
        PasskeyFailure::UserNotVerified => bad(
            "passkey_user_verification_required",
            "Your device didn’t check your PIN or fingerprint. Turn on screen lock and try again.",
        ),
        PasskeyFailure::NotDiscoverable => bad(
            "invalid_webauthn_response",
            "This key can’t store passkeys. Set a PIN on it, or use another key or device.",
        ),
        PasskeyFailure::AlreadyRegistered => {
            bad("invalid_webauthn_response", "This device already has a passkey for you.")
        }
        _ => bad("invalid_webauthn_response", "This passkey could not be enrolled. Try again, or use another device."),
    }
}
