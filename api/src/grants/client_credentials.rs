//! `grant_type=client_credentials` (RFC 6749 §4.4): a client acting for itself.

use chancery_domain::actor::Actor;
use chancery_domain::grant::{Grant, GrantCommand};
use chancery_domain::ids::GrantId;
use chancery_domain::oauth::error::{ErrorCode, OAuthError};
use chancery_domain::oauth::params::Params;
use chancery_domain::oauth::scope::Scopes;
use chancery_domain::oidc::access_token::AccessTokenClaims;
use chancery_domain::policy::access::{AccessFacts, decide_access};

use super::{Tokens, new_access_token, sign_access_token};
use crate::app::App;
use crate::http::client::AuthenticatedClient;
use crate::http::request::Circumstances;
use crate::oidc::error::ProtocolError;

pub async fn issue(
    app: &App,
    circumstances: &Circumstances,
    client: &AuthenticatedClient,
    params: &Params,
) -> Result<Tokens, ProtocolError> {
    // RFC 6749 §4.4: "MUST only be used by confidential clients".
    if client.settings().is_public {
        let error = OAuthError::new(ErrorCode::UnauthorizedClient, "a public client cannot act for itself");
        return Err(error.into());
    }
    // The scopes that there are speak of a person, and what nobody knows is invalid here (RFC 6749 §5.2): a client that asks
    // for something must not believe that it was given.
    if params.value("scope").is_some_and(|scope| !scope.trim().is_empty()) {
        return Err(OAuthError::new(ErrorCode::InvalidScope, "there are no scopes for an app itself").into());
    }
    let scopes = Scopes::default();
    let now = app.now();
    // The client was authenticated with facts read just now; a disabled one did not get here.
    let facts = AccessFacts { client_enabled: true, person: None, grant_revoked: false };
    let causes = decide_access(&facts, &scopes)?;
    let grant_id = GrantId(app.entropy.uuid_v7(now));
    let issued = new_access_token(app, grant_id, client.settings().access_token_seconds, now);
    let command = GrantCommand::IssueToClient {
        client_id: client.id.clone(),
        scopes: scopes.clone(),
        access_token: issued.clone(),
        causes,
    };
    let context = circumstances.context(app, Actor::Client(client.id.clone()));
    app.store.create::<Grant>(grant_id, command, &context).await?;
    let claims = AccessTokenClaims {
        iss: app.issuer.clone(),
        // RFC 9068 §2.2: the client itself; prefixed, so that no person's id is ever the same.
        sub: format!("client-{}", client.id),
        aud: vec![client.id.to_string()],
        client_id: client.id.to_string(),
        scope: String::new(),
        jti: issued.jti.clone(),
        iat: now.unix_timestamp(),
        exp: issued.expires_at.unix_timestamp(),
        auth_time: None,
        acr: None,
        sid: None,
        claims: Vec::new(),
    };
    Ok(Tokens {
        access_token: sign_access_token(app, &claims)?,
        token_type: "Bearer",
        expires_in: client.settings().access_token_seconds,
        refresh_token: None,
        id_token: None,
        scope: String::new(),
    })
}
