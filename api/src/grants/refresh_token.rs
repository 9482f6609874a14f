//! `grant_type=refresh_token` (RFC 6749 §6, RFC 9700 §4.14, OpenID Connect Core §12).

use chancery_domain::actor::Actor;
use chancery_domain::digest::Digest;
use chancery_domain::grant::{Authorization, Grant, GrantCommand, GrantEvent, Refresh};
use chancery_domain::oauth::error::OAuthError;
use chancery_domain::oauth::params::Params;
use chancery_domain::oauth::scope::Scopes;
use chancery_domain::oauth::token_value::{parse_refresh_token, refresh_token};
use chancery_projections::access::{self, Asked};

use super::{Tokens, new_access_token, tokens_for_person};
use crate::app::App;
use crate::http::client::AuthenticatedClient;
use crate::http::request::Circumstances;
use crate::oidc::error::ProtocolError;

const INVALID: OAuthError = OAuthError::invalid_grant("the code or token is not valid");

pub async fn refresh(
    app: &App,
    circumstances: &Circumstances,
    client: &AuthenticatedClient,
    params: &Params,
) -> Result<Tokens, ProtocolError> {
    let text = params.value("refresh_token").ok_or(OAuthError::invalid_request("refresh_token is missing"))?;
    let presented = parse_refresh_token(text).ok_or(INVALID)?;
    let grant_id = presented.grant;
    let grant = app.store.recall::<Grant>(grant_id).await?;
    let authorization = grant.state().authorization().cloned().ok_or(INVALID)?;
    if authorization.client_id != client.id {
        return Err(INVALID.into());
    }
    let now = app.now();
    let (user, session) = (authorization.user_id, authorization.session_id);
    let asked = Asked { client: &client.id, person: Some((user, session)), grant: Some((grant_id, None)) };
    let answer = access::decide(&app.memory, asked, &authorization.scopes, now).await?;
    let allowed = answer.ok_or(OAuthError::invalid_client())?.decision;

    let of_generation = |generation| {
        let secrets = app.store.vault().refresh_token_secrets(grant_id.0.as_bytes(), generation, now);
        secrets.iter().map(|secret| refresh_token(grant_id, generation, secret)).collect::<Vec<_>>()
    };
    let genuine = of_generation(presented.generation).iter().any(|token| Digest::of(token) == presented.digest);
    let successors = of_generation(presented.generation.wrapping_add(1));
    let narrowed = params.value("scope").map(Scopes::parse).transpose()?;
    let scopes = narrowed.clone().unwrap_or_else(|| authorization.scopes.clone());
    let issued = new_access_token(app, grant_id, client.settings().access_token_seconds, now);
    let command = Refresh {
        client_id: client.id.clone(),
        presented,
        genuine,
        successors: successors.iter().map(Digest::of).collect(),
        scopes: narrowed,
        access_token: issued.clone(),
        allowed,
        now,
    };
    let context = circumstances.context(app, Actor::Client(client.id.clone()));
    let receipt = app.store.execute_on(&grant, GrantCommand::Refresh(Box::new(command)), &context).await?;
    // Reuse is recorded together with the end of the family, and refused.
    let [GrantEvent::Refreshed { refresh_token, .. }] = receipt.events.as_slice() else { return Err(INVALID.into()) };
    let successor = successors.into_iter().find(|successor| Digest::of(successor) == *refresh_token);
    // OpenID Connect Core §12.2: the new ID token "SHOULD NOT have a nonce Claim".
    let authorization = Authorization { nonce: None, ..authorization };
    tokens_for_person(app, client, &authorization, &scopes, &issued, successor, now).await
}
