//! `grant_type=authorization_code` (RFC 6749 §4.1.3, OpenID Connect Core §3.1.3).

use chancery_domain::actor::Actor;
use chancery_domain::digest::Digest;
use chancery_domain::grant::{Grant, GrantCommand, GrantEvent, RedeemCode};
use chancery_domain::oauth::error::OAuthError;
use chancery_domain::oauth::params::Params;
use chancery_domain::oauth::scope::OFFLINE_ACCESS;
use chancery_domain::oauth::token_value::{parse_code, refresh_token};
use chancery_projections::access::{self, Asked};

use super::{Tokens, new_access_token, tokens_for_person};
use crate::app::App;
use crate::http::client::AuthenticatedClient;
use crate::http::request::Circumstances;
use crate::oidc::error::ProtocolError;

const INVALID: OAuthError = OAuthError::invalid_grant("the code or token is not valid");

pub async fn redeem(
    app: &App,
    circumstances: &Circumstances,
    client: &AuthenticatedClient,
    params: &Params,
) -> Result<Tokens, ProtocolError> {
    let code = params.value("code").ok_or(OAuthError::invalid_request("code is missing"))?;
    let (grant_id, digest) = parse_code(code).ok_or(INVALID)?;
    let grant = app.store.recall::<Grant>(grant_id).await?;
    let authorization = grant.state().authorization().filter(|grant| grant.code == digest).cloned().ok_or(INVALID)?;
    if authorization.client_id != client.id {
        return Err(INVALID.into());
    }
    let now = app.now();
    // What ended the grant meanwhile ended its code as well.
    let (user, session) = (authorization.user_id, authorization.session_id);
    let asked = Asked { client: &client.id, person: Some((user, session)), grant: Some((grant_id, None)) };
    let answer = access::decide(&app.memory, asked, &authorization.scopes, now).await?;
    let allowed = answer.ok_or(OAuthError::invalid_client())?.decision;

    let first = authorization.scopes.contains(OFFLINE_ACCESS).then(|| {
        let secret = app.store.vault().refresh_token_secret(grant_id.0.as_bytes(), 1, now);
        refresh_token(grant_id, 1, &secret)
    });
    let issued = new_access_token(app, grant_id, client.settings().access_token_seconds, now);
    let command = RedeemCode {
        client_id: client.id.clone(),
        code: digest,
        redirect_uri: params.value("redirect_uri").map(str::to_owned),
        code_verifier: params.value("code_verifier").map(str::to_owned),
        access_token: issued.clone(),
        refresh_token: first.as_ref().map(Digest::of),
        allowed,
        now,
    };
    let context = circumstances.context(app, Actor::Client(client.id.clone()));
    let receipt = app.store.execute_on(&grant, GrantCommand::RedeemCode(Box::new(command)), &context).await?;
    // A replay and a wrong verifier are recorded, and refused.
    if !matches!(receipt.events.as_slice(), [GrantEvent::TokensIssued { .. }]) {
        return Err(INVALID.into());
    }
    tokens_for_person(app, client, &authorization, &authorization.scopes, &issued, first, now).await
}
