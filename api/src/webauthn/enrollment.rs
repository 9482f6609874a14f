//! Enrolling by a link: the first administrator, an invited person, somebody who lost their passkeys.
//!
//! The link's page puts its code into a cookie and shows whom it is for (a GET uses nothing up). Here the ceremony begins
//! and ends; only a verified passkey redeems the link, in one append with the passkey, the person and their session.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chancery_adapters::event_store::ExecuteError;
use chancery_domain::actor::Actor;
use chancery_domain::api_key::{ApiKey, ApiKeyCommand};
use chancery_domain::context::Context;
use chancery_domain::digest::Digest;
use chancery_domain::enrollment::{Enrollment, EnrollmentCommand, EnrollmentRefusal, Purpose, link};
use chancery_domain::ids::{EnrollmentId, SessionId, UserId};
use chancery_domain::ports::passkeys::{Assertion, RegistrationUser};
use chancery_domain::secret::Secret;
use chancery_domain::session::{Session, SessionCommand};
use chancery_domain::user::{EnrolledVia, Passkey, Profile, RegisteredVia, User as UserAggregate, UserCommand};
use chancery_projections::{api_keys, passkeys};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ceremony;
use super::login::{new_secret, proof_of, replace_session, session_error};
use super::register::{default_name, passkey_of};
use crate::accounts::{enrollment_error, one_at_a_time, user_error};
use crate::admin::api_keys::key_error;
use crate::admin::user_input::UserInput;
use crate::admin::users::existing;
use crate::app::App;
use crate::http::cookie;
use crate::http::error::ApiError;
use crate::http::form::query_params;
use crate::http::json::JsonBody;
use crate::http::request::Circumstances;
use crate::http::session::{MaybeSignedIn, SignedIn, cookie_value};
use crate::limits::guesses::{Guess, Guessed};

const KIND: &str = "enrollment";

/// A link's ceremony in flight.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    state: String,
    link: EnrollmentId,
    /// Never the code itself: it is as good as the link (attacks AD-07).
    secret: Digest,
    user_id: UserId,
    /// Of the first administrator, who does not exist yet.
    profile: Option<Profile>,
}

/// An open link that this browser holds.
pub struct OpenLink {
    pub id: EnrollmentId,
    pub secret: Digest,
    pub purpose: Purpose,
    pub expires_at: time::OffsetDateTime,
}

/// The link in this browser's cookie, if it can still be used.
///
/// # Errors
/// `token_invalid_or_expired` with the reason.
pub async fn open_link(app: &App, circumstances: &Circumstances, headers: &HeaderMap) -> Result<OpenLink, ApiError> {
    let code = cookie::read(headers, cookie::ENROLLMENT).ok_or_else(not_valid)?;
    by_code(app, circumstances, code).await
}

/// The link of a code, if it can still be used. A code that no link has is a guess.
pub async fn by_code(app: &App, circumstances: &Circumstances, code: &str) -> Result<OpenLink, ApiError> {
    let guess = Guess::at(Guessed::EnrollmentLink, circumstances.address);
    app.limits.guesses.admit(&guess, app.now())?;
    let Some((id, secret)) = link::decode(code) else {
        tracing::info!(reason = "it is no code of a link", "an enrollment link was refused");
        app.limits.guesses.failed(&guess, app.now()).await?;
        return Err(not_valid());
    };
    let refusal = match look(app, id, secret).await? {
        Ok(link) => return Ok(link),
        Err(refusal) => refusal,
    };
    tracing::info!(reason = %refusal, "an enrollment link was refused");
    if refusal == EnrollmentRefusal::Unknown {
        app.limits.guesses.failed(&guess, app.now()).await?;
    }
    Err(enrollment_error(ExecuteError::Refused(refusal)))
}

async fn look(app: &App, id: EnrollmentId, secret: Digest) -> Result<Result<OpenLink, EnrollmentRefusal>, ApiError> {
    let enrollment = app.store.load::<Enrollment>(id).await?.into_state();
    let purpose = match enrollment.purpose_at(secret, app.now()) {
        Ok(purpose) => purpose,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let expires_at = enrollment.expires_at().ok_or_else(not_valid)?;
    Ok(Ok(OpenLink { id, secret, purpose, expires_at }))
}

fn not_valid() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "token_invalid_or_expired", "This link is not valid; ask for a new one")
}

/// `POST /api/enrollment/start`: creation options. The first administrator says who they are.
///
/// A page names the link that it is about: by the cookie alone, somebody who has another link opened in this browser
/// meanwhile would get the passkey for an account of theirs.
pub async fn start(
    State(app): State<App>,
    circumstances: Circumstances,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    JsonBody(input): JsonBody<UserInput>,
) -> Result<Response, ApiError> {
    let link = open_link(&app, &circumstances, &headers).await?;
    if query_params(uri.query()).value("link").is_some_and(|meant| meant != link.id.to_string()) {
        let says = "Another link was opened in this browser since. Open yours again.";
        return Err(ApiError::new(StatusCode::CONFLICT, "another_link", says));
    }
    let (user_id, profile, held) = match link.purpose.person() {
        None => (UserId(app.entropy.uuid_v4()), Some(input.profile()?), Vec::new()),
        Some(id) => (id, None, passkeys::of_user(&app.pool, id).await?),
    };
    let known = match &profile {
        Some(profile) => (profile.username.clone(), profile.display_name.clone()),
        None => {
            let user = existing(&app, user_id).await?;
            if user.disabled {
                return Err(ApiError::new(StatusCode::FORBIDDEN, "user_disabled", "This account is disabled"));
            }
            (user.username, user.display_name)
        }
    };
    let about = RegistrationUser { id: user_id, name: &known.0, display_name: &known.1 };
    let exclude: Vec<_> = held.iter().map(ceremony::stored).collect();
    let started = app.passkeys.start_registration(&about, &exclude).map_err(|_| ApiError::internal())?;
    let mut response = Json(&started.options).into_response();
    let kept = Kept { state: started.state, link: link.id, secret: link.secret, user_id, profile };
    ceremony::keep(&app, KIND, &headers, response.headers_mut(), &started.options, &kept).await?;
    Ok(response)
}

/// `POST /api/enrollment/finish`: verifies the new passkey, redeems the link and signs the person in.
pub async fn finish(
    State(app): State<App>,
    circumstances: Circumstances,
    MaybeSignedIn(present): MaybeSignedIn,
    headers: HeaderMap,
    JsonBody(response): JsonBody<Value>,
) -> Result<Response, ApiError> {
    let kept: Kept = ceremony::take(&app, KIND, &headers, &response).await?;
    let link = look(&app, kept.link, kept.secret).await?;
    let link = link.map_err(|refusal| enrollment_error(ExecuteError::Refused(refusal)))?;
    let made = app.passkeys.finish_registration(&kept.state, &response);
    let made = made.map_err(|failure| ceremony::registration_error(&failure))?;
    let passkey = passkey_of(&app, &kept.user_id.0, made);
    let name = default_name(&passkey, circumstances.user_agent.as_deref());
    let context = circumstances.context(&app, Actor::User(kept.user_id));
    let replaces = matches!(link.purpose, Purpose::Recovery { replace: true, .. });
    let redeeming = redeem(app.clone(), context, link, kept, passkey, name, present);
    let (session, secret) = match replaces {
        // No API key is made meanwhile that would not be among those that end.
        true => one_at_a_time(&app, redeeming).await?,
        false => redeeming.await?,
    };

    let mut answer = StatusCode::NO_CONTENT.into_response();
    let lifetime = app.config.session_lifetime_seconds;
    cookie::set(answer.headers_mut(), cookie::SESSION, &cookie_value(session, &secret), Some(lifetime));
    cookie::clear(answer.headers_mut(), cookie::ENROLLMENT);
    Ok(answer)
}

/// Records all that redeeming a link is, in one append. Answers with the session that begins.
async fn redeem(
    app: App,
    context: Context,
    link: OpenLink,
    kept: Kept,
    passkey: Passkey,
    name: String,
    present: Option<SignedIn>,
) -> Result<(SessionId, Secret<[u8; 32]>), ApiError> {
    let (passkey_id, backup_eligible) = (passkey.passkey_id, passkey.backup_eligible);
    let assertion =
        Assertion { counter: passkey.counter, backed_up: passkey.backed_up, attachment: passkey.attachment.clone() };
    let mut unit = app.store.unit(&context);
    let person = kept.user_id.to_string();
    if let (Purpose::Setup, Some(profile)) = (link.purpose, kept.profile) {
        let register = UserCommand::Register {
            user_id: kept.user_id,
            profile,
            email_verified: false,
            is_admin: true,
            via: RegisteredVia::Setup,
        };
        unit.create::<UserAggregate>(&person, register).await.map_err(user_error)?;
    }
    let via = EnrolledVia::Enrollment { enrollment_id: link.id };
    let enroll = UserCommand::EnrollPasskey { passkey, name, via };
    unit.execute::<UserAggregate>(&person, enroll).await.map_err(user_error)?;
    if let Purpose::Recovery { replace: true, .. } = link.purpose {
        let replace = UserCommand::ReplacePasskeys { keep: passkey_id };
        unit.execute::<UserAggregate>(&person, replace).await.map_err(user_error)?;
        let sign_out = UserCommand::SignOutEverywhere { except: None };
        unit.execute::<UserAggregate>(&person, sign_out).await.map_err(user_error)?;
        // Whoever had the lost device may have made keys with it.
        for key in api_keys::ids_of_user(&app.pool, kept.user_id).await? {
            let revoke = ApiKeyCommand::Revoke { user_id: kept.user_id };
            unit.execute::<ApiKey>(&key.to_string(), revoke).await.map_err(key_error)?;
        }
    }
    let redeem = EnrollmentCommand::Redeem { secret: link.secret, user_id: kept.user_id, passkey_id, now: app.now() };
    unit.execute::<Enrollment>(&link.id.to_string(), redeem).await.map_err(enrollment_error)?;
    let now = app.now();
    let (session, secret) = (SessionId(app.entropy.uuid_v7(now)), new_secret(&app));
    let start = SessionCommand::Start {
        user_id: kept.user_id,
        secret: Digest::of(secret.expose()),
        proof: proof_of(passkey_id, backup_eligible, &assertion),
        now,
        idle_seconds: app.config.session_idle_seconds,
        lifetime_seconds: app.config.session_lifetime_seconds,
    };
    unit.create::<Session>(&session.to_string(), start).await.map_err(session_error)?;
    if let Some(present) = present {
        replace_session(&mut unit, &present).await?;
    }
    unit.commit().await?;
    Ok((session, secret))
}
