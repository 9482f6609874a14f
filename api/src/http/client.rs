//! The client behind a protocol request, authenticated (RFC 6749 §2.3).

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use chancery_domain::client::ClientSettings;
use chancery_domain::digest::Digest;
use chancery_domain::ids::ClientId;
use chancery_domain::oauth::client_authentication::presented_client;
use chancery_domain::oauth::error::OAuthError;
use chancery_domain::oauth::params::Params;
use chancery_projections::clients::RememberedClient;

use crate::app::App;
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
/// client that presents a secret it cannot have.
pub async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    params: &Params,
) -> Result<AuthenticatedClient, ProtocolError> {
    let authorization = headers.get(header::AUTHORIZATION);
    // A header that is no text is an attempt, and a failed one.
    let authorization = authorization.map(|value| value.to_str().unwrap_or_default());
    let presented = presented_client(authorization, params)?;
    let digest = presented.secret.as_ref().map(|secret| Digest::of(secret.expose()));
    let proven = |client: &RememberedClient| {
        let is_public = client.row.settings.is_public;
        let proven = match digest {
            None => is_public,
            Some(digest) => client.has_secret(digest, app.now()) && !is_public,
        };
        proven && !client.row.disabled
    };
    let mut found = app.memory.client(&presented.client_id).await?.filter(|client| proven(client));
    if found.is_none() {
        // Nobody is refused for what memory holds.
        app.memory.forget_client(&presented.client_id);
        found = app.memory.client(&presented.client_id).await?.filter(|client| proven(client));
    }
    let client = found.ok_or(OAuthError::invalid_client())?;
    Ok(AuthenticatedClient { id: presented.client_id, client })
}
