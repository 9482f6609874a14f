//! Who calls the API: a browser session or an API key, with the rights of the person behind it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chancery_domain::actor::Actor;
use chancery_domain::digest::Digest;
use chancery_domain::ids::{ApiKeyId, UserId};
use chancery_domain::policy::admin::{AdminAction, authorize};
use chancery_projections::users::User;
use chancery_projections::{api_keys, users};
use uuid::Uuid;

use super::error::ApiError;
use super::request::Circumstances;
use super::session::{SignedIn, present};
use crate::app::App;
use crate::limits::guesses::{Guess, Guessed};

/// The person that `STATIC_API_KEY` stands for.
pub const STATIC_USER: UserId = UserId(Uuid::nil());

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Principal {
    pub user: User,
    pub actor: Actor,
    /// Absent for an API key.
    pub session: Option<SignedIn>,
}

impl Principal {
    /// The one question before any act of administration.
    ///
    /// # Errors
    /// `forbidden`, or `reauthentication_required` where a recent ceremony is missing.
    pub fn may(&self, app: &App, action: AdminAction) -> Result<(), ApiError> {
        Ok(authorize(&self.facts(app), action)?)
    }
}

impl FromRequestParts<App> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if let Some(session) = present(app, parts).await? {
            let user = session.user.clone();
            return Ok(Self { user, actor: session.actor(), session: Some(session) });
        }
        by_api_key(app, parts).await?.ok_or_else(ApiError::not_signed_in)
    }
}

/// A person in a browser only: an API key may not do this.
#[derive(Clone, Debug)]
pub struct BrowserOnly(pub SignedIn);

impl FromRequestParts<App> for BrowserOnly {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if let Some(session) = present(app, parts).await? {
            return Ok(Self(session));
        }
        if parts.headers.contains_key("x-api-key") {
            let text = "An API key cannot do this; sign in with a passkey";
            return Err(ApiError::new(axum::http::StatusCode::FORBIDDEN, "api_key_auth_not_allowed", text));
        }
        Err(ApiError::not_signed_in())
    }
}

async fn by_api_key(app: &App, parts: &mut Parts) -> Result<Option<Principal>, ApiError> {
    let Some(presented) = parts.headers.get("x-api-key").and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let digest = Digest::of(presented);
    let circumstances = Circumstances::from_request_parts(parts, app).await?;
    let guess = Guess::at(Guessed::ApiKey, circumstances.address);
    app.limits.guesses.admit(&guess, app.now())?;
    if app.config.static_api_key.as_ref().is_some_and(|key| Digest::of(key.expose()) == digest) {
        let user = crate::admin::static_api_key::user(app).await?;
        let principal =
            |user| Principal { user, actor: Actor::ApiKey(STATIC_USER, ApiKeyId(Uuid::nil())), session: None };
        return Ok(Some(user).filter(|user| !user.disabled).map(principal));
    }
    let Some(key) = api_keys::by_digest(&app.pool, digest).await?.filter(|key| key.expires_at > app.now()) else {
        tracing::info!(reason = "it is unknown or has expired", "an API key was refused");
        app.limits.guesses.failed(&guess, app.now()).await?;
        return Ok(None);
    };
    // A key is worth what its owner is worth (attacks AD-04): nothing while they are disabled, as their sessions are.
    let owner = users::find(&app.pool, key.user()).await?.filter(|user| !user.disabled);
    let Some(user) = owner else {
        tracing::info!(reason = "its owner is disabled or gone", "an API key was refused");
        return Ok(None);
    };
    app.key_uses.note(key.id(), app.now());
    Ok(Some(Principal { actor: Actor::ApiKey(user.id(), key.id()), user, session: None }))
}
