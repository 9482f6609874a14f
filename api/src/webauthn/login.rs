//! Sign-in and sign-out.
//!
//! One path for everybody: a discoverable passkey with user verification, nothing typed, no list of credentials before
//! it is known who is there, so nobody learns which accounts exist.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chancery_adapters::event_store::{ExecuteError, Unit};
use chancery_domain::actor::Actor;
use chancery_domain::digest::Digest;
use chancery_domain::ids::{PasskeyId, SessionId, UserId};
use chancery_domain::ports::passkeys::{Assertion, PasskeyFailure};
use chancery_domain::secret::Secret;
use chancery_domain::session::{PasskeyProof, Session, SessionCommand, SessionEnd};
use chancery_domain::sign_in_attempt::FailureReason;
use chancery_domain::user::{User as UserAggregate, UserCommand};
use chancery_projections::passkeys::PasskeyRow;
use chancery_projections::users::{Person, User};
use serde_json::Value;

use super::ceremony::{self, AUTHENTICATION, Authentication};
use crate::admin::users::user_json;
use crate::app::App;
use crate::http::cookie;
use crate::http::error::ApiError;
use crate::http::failures::Failure;
use crate::http::json::JsonBody;
use crate::http::principal::BrowserOnly;
use crate::http::request::Circumstances;
use crate::http::session::{MaybeSignedIn, SignedIn, cookie_value};
use crate::limits::guesses::{Guess, Guessed};

/// Authentication Context Class of a passkey with user verification (OpenID Connect EAP ACR Values 1.0 §2).
const PHISHING_RESISTANT: &str = "phr";

/// `GET /api/webauthn/login/start`: request options, without a list of credentials.
pub async fn start(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    let started = app.passkeys.start_authentication(None).map_err(|_| ApiError::internal())?;
    let mut response = Json(&started.options).into_response();
    let kept = Authentication { state: started.state, expected: None };
    ceremony::keep(&app, AUTHENTICATION, &headers, response.headers_mut(), &started.options, &kept).await?;
    Ok(response)
}

/// `POST /api/webauthn/login/finish`: the person, and their session's cookie.
pub async fn finish(
    State(app): State<App>,
    circumstances: Circumstances,
    MaybeSignedIn(present): MaybeSignedIn,
    headers: HeaderMap,
    JsonBody(response): JsonBody<Value>,
) -> Result<Response, ApiError> {
    let kept: Authentication = match ceremony::take(&app, AUTHENTICATION, &headers, &response).await {
        Ok(kept) => kept,
        Err(error) => {
            if let Some(reason) = ceremony::failure(&error) {
                app.failures.note(&app, &circumstances, Failure::of(reason)).await;
            }
            return Err(error);
        }
    };
    let (user, passkey, assertion) = verify(&app, &circumstances, &kept, &response).await?;
    let now = app.now();
    let (id, secret) = (SessionId(app.entropy.uuid_v7(now)), new_secret(&app));
    let command = SessionCommand::Start {
        user_id: user.id(),
        secret: Digest::of(secret.expose()),
        proof: proof(&passkey, &assertion),
        now,
        idle_seconds: app.config.session_idle_seconds,
        lifetime_seconds: app.config.session_lifetime_seconds,
    };
    let context = circumstances.context(&app, Actor::User(user.id()));
    let mut unit = app.store.unit(&context);
    // No event, no cookie: what follows is recorded before the answer leaves.
    unit.create::<Session>(&id.to_string(), command).await.map_err(session_error)?;
    if let Some(present) = present {
        replace_session(&mut unit, &present).await?;
    }
    unit.commit().await?;

    let mut answer = Json(user_json(&user, &[], &[])).into_response();
    let lifetime = app.config.session_lifetime_seconds;
    cookie::set(answer.headers_mut(), cookie::SESSION, &cookie_value(id, &secret), Some(lifetime));
    Ok(answer)
}

/// One session a browser: signing in again ends the one before (session fixation, SE-02).
pub async fn replace_session(unit: &mut Unit, present: &SignedIn) -> Result<(), ApiError> {
    let end = SessionCommand::End { why: SessionEnd::Replaced };
    unit.execute::<Session>(&present.session.id().to_string(), end).await.map_err(session_error)?;
    Ok(())
}

/// `POST /api/webauthn/logout`: ends the session and clears its cookie.
pub async fn logout(
    State(app): State<App>,
    circumstances: Circumstances,
    BrowserOnly(signed_in): BrowserOnly,
) -> Result<Response, ApiError> {
    end_session(&app, &circumstances, &signed_in, SessionEnd::SignedOut).await?;
    let mut answer = StatusCode::NO_CONTENT.into_response();
    cookie::clear(answer.headers_mut(), cookie::SESSION);
    Ok(answer)
}

pub async fn end_session(
    app: &App,
    circumstances: &Circumstances,
    signed_in: &SignedIn,
    why: SessionEnd,
) -> Result<(), ApiError> {
    let context = circumstances.context(app, signed_in.actor());
    let end = SessionCommand::End { why };
    app.store.execute::<Session>(signed_in.session.id(), end, &context).await.map_err(session_error)?;
    Ok(())
}

/// Verifies a sign-in: the passkey is known and usable, its owner may sign in, the signature and counter hold. Every
/// refusal is on the record with its real reason; the caller hears the same whatever it was.
pub async fn verify(
    app: &App,
    circumstances: &Circumstances,
    kept: &Authentication,
    response: &Value,
) -> Result<(User, PasskeyRow, Assertion), ApiError> {
    let guess = Guess::at(Guessed::Passkey, circumstances.address);
    app.limits.guesses.admit(&guess, app.now())?;
    let refuse = |failure: Failure, error: ApiError| async move {
        let person = failure.person().map(|user| user.to_string()).unwrap_or_default();
        app.failures.note(app, circumstances, failure).await;
        app.limits.guesses.failed(&guess.about(&person), app.now()).await?;
        Err(error)
    };
    let presented = match app.passkeys.identify(response) {
        Ok(presented) => presented,
        Err(_) => return refuse(Failure::of(FailureReason::Malformed), malformed()).await,
    };
    let row = app.credentials.ask(presented.credential_id.clone()).await?;
    // The handle and the credential must name the same person; in a step-up, the one who is signed in.
    let matches = |row: &PasskeyRow| {
        presented.user_handle.is_none_or(|handle| handle == row.user())
            && kept.expected.map_or(presented.user_handle.is_some(), |expected| expected == row.user())
    };
    let exists = row.is_some();
    let Some(row) = row.filter(matches) else {
        let failure = Failure::of(FailureReason::UnknownPasskey).credential(&presented.credential_id);
        let error = if exists { not_known() } else { forgotten(&presented.credential_id) };
        return refuse(failure, error).await;
    };
    app.limits.guesses.admit(&guess.about(&row.user_id.to_string()), app.now())?;
    let failure = |reason| Failure::of(reason).user(row.user()).passkey(row.id());
    let assertion = match app.passkeys.finish_authentication(&kept.state, response, &ceremony::stored(&row)) {
        Ok(assertion) => assertion,
        Err(PasskeyFailure::CloneSuspected { stored, presented }) => {
            suspend(app, circumstances, &row, stored, presented).await?;
            return refuse(failure(FailureReason::CloneSuspected), suspended()).await;
        }
        Err(error) => return refuse(failure(reason(&error)), ceremony_refused(&error)).await,
    };
    if row.suspended {
        return refuse(failure(FailureReason::PasskeySuspended), suspended()).await;
    }
    let Some(user) = enabled_user(app, row.user()).await? else {
        // WA-07: the same answer as for an unknown passkey; but its provider keeps it, since they may be enabled again.
        return refuse(failure(FailureReason::UserDisabled), not_known()).await;
    };
    Ok((user, row, assertion))
}

/// The person, if they may sign in; for a no, the database is asked.
async fn enabled_user(app: &App, id: UserId) -> Result<Option<User>, sqlx::Error> {
    let enabled = |person: Option<Arc<Person>>| person.map(|person| person.user.clone()).filter(|user| !user.disabled);
    if let Some(user) = enabled(app.memory.person(id).await?) {
        return Ok(Some(user));
    }
    app.memory.forget_person(id);
    Ok(enabled(app.memory.person(id).await?))
}

/// The counter went backwards: somebody may hold a copy. This passkey stops working until an administrator decides.
async fn suspend(
    app: &App,
    circumstances: &Circumstances,
    row: &PasskeyRow,
    stored: u32,
    presented: u32,
) -> Result<(), ApiError> {
    let context = circumstances.context(app, Actor::System);
    let command = UserCommand::SuspendPasskey { passkey_id: row.id(), stored, presented };
    match app.store.execute::<UserAggregate>(row.user(), command, &context).await {
        Ok(_) | Err(ExecuteError::Refused(_)) => Ok(()),
        Err(ExecuteError::Store(error)) => Err(error.into()),
    }
}

pub fn proof(row: &PasskeyRow, assertion: &Assertion) -> PasskeyProof {
    proof_of(row.id(), row.backup_eligible, assertion)
}

/// RFC 8176 and OpenID Connect EAP: proof of possession of a key, with user presence and verification; a key that can
/// be backed up is in software.
pub fn proof_of(passkey_id: PasskeyId, backup_eligible: bool, assertion: &Assertion) -> PasskeyProof {
    let mut amr = vec!["pop".to_owned(), "user".to_owned(), "mfa".to_owned()];
    amr.extend(backup_eligible.then(|| "swk".to_owned()));
    PasskeyProof {
        passkey_id,
        counter: assertion.counter,
        backed_up: assertion.backed_up,
        attachment: assertion.attachment.clone(),
        acr: PHISHING_RESISTANT.to_owned(),
        amr,
    }
}

pub fn new_secret(app: &App) -> Secret<[u8; 32]> {
    let mut secret = [0; 32];
    app.entropy.fill(&mut secret);
    Secret::new(secret)
}

pub fn session_error(error: ExecuteError<chancery_domain::session::SessionRefusal>) -> ApiError {
    match error {
        ExecuteError::Refused(_) => ApiError::not_signed_in(),
        ExecuteError::Store(error) => error.into(),
    }
}

fn reason(failure: &PasskeyFailure) -> FailureReason {
    match failure {
        PasskeyFailure::UserNotVerified => FailureReason::UserVerificationMissing,
        PasskeyFailure::OriginMismatch | PasskeyFailure::CrossOrigin | PasskeyFailure::WrongRelyingParty => {
            FailureReason::OriginMismatch
        }
        PasskeyFailure::ChallengeMismatch => FailureReason::ChallengeExpiredOrReused,
        PasskeyFailure::Malformed => FailureReason::Malformed,
        PasskeyFailure::CloneSuspected { .. } => FailureReason::CloneSuspected,
        _ => FailureReason::BadSignature,
    }
}

fn ceremony_refused(failure: &PasskeyFailure) -> ApiError {
    match failure {
        PasskeyFailure::UserNotVerified => ApiError::new(
            StatusCode::BAD_REQUEST,
            "passkey_user_verification_required",
            "Your device didn’t check your PIN or fingerprint. Turn on screen lock and try again.",
        ),
        PasskeyFailure::BackupEligibilityChanged => {
            failed("This passkey changed its kind. Ask your administrator for a link and enroll it again.")
        }
        _ => failed("Signing in didn’t work. Try again, or use another passkey."),
    }
}

fn failed(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "webauthn_authentication_failed", message)
}

fn malformed() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_webauthn_response", "This is not the answer of a passkey")
}

fn not_known() -> ApiError {
    failed("This passkey is not known here any more. Use another one.")
}

/// What the page then tells the passkey's provider cannot be taken back (WebAuthn Level 3 §5.1.10.2): nobody here has it.
fn forgotten(credential_id: &str) -> ApiError {
    not_known().with_details(serde_json::json!({ "unknownCredentialId": credential_id }))
}

fn suspended() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "passkey_suspended",
        "We stopped this passkey to protect you. Use another one, or ask your administrator.",
    )
}
