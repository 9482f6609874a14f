//! The client behind a protocol request, authenticated (RFC 6749 §2.3).

use axum::http::{HeaderMap, header};
use chancery_domain::client::ClientSettings;
use chancery_domain::digest::Digest;
use chancery_domain::ids::ClientId;
use chancery_domain::oauth::client_authentication::presented_client;
use chancery_domain::oauth::error::OAuthError;
use chancery_domain::oauth::params::Params;
use chancery_projections::clients;

use crate::app::App;
use crate::oidc::error::ProtocolError;

/// A client that is who it says. A public one has only said so.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    pub id: ClientId,
    pub settings: ClientSettings,
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
    let found = clients::find_with_secrets(&app.pool, &presented.client_id).await?;
    let Some((row, secrets)) = found else { return Err(OAuthError::invalid_client().into()) };
    let now = app.now();
    let proven = match digest {
        None => row.settings.is_public,
        // Every secret is compared, so that the time does not tell which one matched.
        Some(digest) => {
            let matching = secrets.iter().filter(|secret| secret.is(digest) & secret.active_at(now)).count();
            matching > 0 && !row.settings.is_public
        }
    };
    if !proven || row.disabled {
        return Err(OAuthError::invalid_client().into());
    }
    Ok(AuthenticatedClient { id: presented.client_id, settings: row.settings.0 })
}
