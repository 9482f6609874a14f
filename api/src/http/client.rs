//! The client behind a protocol request, authenticated (RFC 6749 §2.3).

use std::sync::Arc;

use axum::http::HeaderMap;
use chancery_domain::client::ClientSettings;
use chancery_domain::digest::Digest;
use chancery_domain::ids::ClientId;
use chancery_domain::oauth::client_authentication::presented_client;
use chancery_domain::oauth::error::OAuthError;
use chancery_domain::oauth::params::Params;
use chancery_projections::clients::RememberedClient;

use super::authorization::authorization;
use super::request::Circumstances;
use crate::app::App;
use crate::limits::guesses::{Guess, Guessed};
use crate::oidc::error::ProtocolError;

/// A client that is who it says. A public one has only said so.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    pub id: ClientId,
    client: Arc<RememberedClient>,
}

impl AuthenticatedClient {
    pub fn settings(&self) -> &ClientSettings {
        &self.client.row.settings
    }
}

/// # Errors
/// `invalid_client`: the same for an unknown client, a wrong, missing or expired secret, a disabled client, and a public
/// client that presents a secret it cannot have. `temporarily_unavailable` for whoever guesses or asks too often.
pub async fn authenticate(
    app: &App,
    circumstances: &Circumstances,
    headers: &HeaderMap,
    params: &Params,
) -> Result<AuthenticatedClient, ProtocolError> {
    let presented = presented_client(authorization(headers)?, params)?;
    let anybody = Guess::at(Guessed::ClientSecret, circumstances.address);
    let guess = anybody.about(presented.client_id.as_str());
    app.limits.guesses.admit(&guess, app.now())?;
    let digest = presented.secret.as_ref().map(|secret| Digest::of(secret.expose()));
    let proven = |client: &RememberedClient| {
        let is_public = client.row.settings.is_public;
        let proven = match digest {
            None => is_public,
            Some(digest) => client.has_secret(digest, app.now()) && !is_public,
        };
        proven && !client.row.disabled
    };
    let mut found = app.memory.known_client(&presented.client_id).await?;
    if !found.as_ref().is_some_and(|client| proven(client)) {
        // Nobody is refused for what memory holds: each refusal takes one look at the database, whether there is such a
        // client or not, so that its time does not tell (attacks TC-13).
        app.memory.forget_client(&presented.client_id);
        found = app.memory.client(&presented.client_id).await?;
    }
    // Anybody can make up any number of ids: the unknown ones are counted together.
    let Some(client) = found else { return Err(refuse(app, &anybody).await) };
    if !proven(&client) {
        return Err(refuse(app, &guess).await);
    }
    // Who claims to be a public client proves nothing: what they ask for is counted by network only.
    if !client.row.settings.is_public {
        app.limits.client(&presented.client_id, app.now())?;
    }
    Ok(AuthenticatedClient { id: presented.client_id, client })
}

async fn refuse(app: &App, guess: &Guess<'_>) -> ProtocolError {
    match app.limits.guesses.failed(guess, app.now()).await {
        Ok(()) => OAuthError::invalid_client().into(),
        Err(barred) => barred.into(),
    }
}
