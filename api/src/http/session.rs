//! The browser session behind a request.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::actor::Actor;
use chancery_domain::digest::Digest;
use chancery_domain::ids::SessionId;
use chancery_domain::secret::Secret;
use chancery_domain::session::{Session, SessionCommand};
use chancery_projections::sessions::SessionRow;
use chancery_projections::users::User;
use time::Duration;
use uuid::Uuid;

use super::cookie;
use super::error::ApiError;
use super::request::Circumstances;
use crate::app::App;

/// How long a ceremony counts for what changes credentials or administers.
pub const STEP_UP_LASTS: Duration = Duration::minutes(5);

/// A person with a live session in this browser.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub session: SessionRow,
    pub user: User,
}

impl SignedIn {
    pub fn actor(&self) -> Actor {
        Actor::User(self.user.id())
    }

    /// Whether the last ceremony is recent enough for acts that need a step-up.
    pub fn stepped_up(&self, app: &App) -> bool {
        app.now() - self.session.authenticated_at <= STEP_UP_LASTS
    }
}

/// The cookie's value: the session's id and its secret.
pub fn cookie_value(id: SessionId, secret: &Secret<[u8; 32]>) -> String {
    URL_SAFE_NO_PAD.encode([id.0.as_bytes().as_slice(), secret.expose()].concat())
}

fn parse(value: &str) -> Option<(SessionId, Digest)> {
    let bytes: [u8; 48] = URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()?;
    let (id, secret) = bytes.split_at(16);
    Some((SessionId(Uuid::from_slice(id).ok()?), Digest::of(secret)))
}

/// Who is signed in with these headers, if anybody is: the session is live, the secret matches, the person is enabled and
/// still has the passkey.
///
/// # Errors
/// Those of the database: then nobody knows, and nobody is let in.
pub async fn signed_in(app: &App, headers: &HeaderMap) -> Result<Option<SignedIn>, sqlx::Error> {
    let Some((id, secret)) = cookie::read(headers, cookie::SESSION).and_then(parse) else { return Ok(None) };
    if let Some(found) = remembered(app, id, secret).await? {
        return Ok(Some(found));
    }
    // Nobody is turned away for what memory holds: another node may have stepped the session up just now, or enrolled its
    // passkey.
    if let Some(session) = app.memory.session(id).await? {
        app.memory.forget_person(session.user());
    }
    app.memory.forget_session(id);
    remembered(app, id, secret).await
}

async fn remembered(app: &App, id: SessionId, secret: Digest) -> Result<Option<SignedIn>, sqlx::Error> {
    let Some(session) = app.memory.session(id).await? else { return Ok(None) };
    let genuine = session.secret.as_slice().try_into().is_ok_and(|kept| Digest::from_bytes(kept) == secret);
    if !genuine || !session.live_at(app.now()) {
        return Ok(None);
    }
    let person = app.memory.person(session.user()).await?;
    let person = person.filter(|person| !person.user.disabled && person.holds(session.passkey()));
    Ok(person.map(|person| SignedIn { session: session.as_ref().clone(), user: person.user.clone() }))
}

/// Notes that the session was used; an event at most once in a twelfth of its idle time.
pub async fn touch(app: &App, signed_in: &SignedIn, circumstances: &Circumstances) {
    let now = app.now();
    if now < signed_in.session.used_at + Duration::seconds(signed_in.session.idle_seconds / 12) {
        return;
    }
    let context = circumstances.context(app, signed_in.actor());
    let touched = app.store.execute::<Session>(signed_in.session.id(), SessionCommand::Touch { now }, &context).await;
    if let Err(error) = touched {
        tracing::debug!(%error, "the use of a session was not noted");
    }
}

/// Who is signed in, whose session is thereby used.
///
/// # Errors
/// Those of the database.
pub async fn present(app: &App, parts: &Parts) -> Result<Option<SignedIn>, sqlx::Error> {
    let found = signed_in(app, &parts.headers).await?;
    if let (Some(found), Some(circumstances)) = (&found, parts.extensions.get()) {
        touch(app, found, circumstances).await;
    }
    Ok(found)
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        present(app, parts).await?.ok_or_else(ApiError::not_signed_in)
    }
}

/// The session if there is one; pages that everybody may see.
#[derive(Clone, Debug)]
pub struct MaybeSignedIn(pub Option<SignedIn>);

impl FromRequestParts<App> for MaybeSignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self(present(app, parts).await?))
    }
}

impl FromRequestParts<App> for Circumstances {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(ApiError::internal)
    }
}
