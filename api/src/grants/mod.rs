//! The grants of the token endpoint, one a file. They take the application and domain types and know no HTTP.

pub mod authorization_code;
pub mod client_credentials;
pub mod refresh_token;

use chancery_domain::grant::{Authorization, IssuedAccessToken};
use chancery_domain::ids::GrantId;
use chancery_domain::oauth::error::{ErrorCode, OAuthError};
use chancery_domain::oauth::scope::{OPENID, Scopes};
use chancery_domain::oidc::access_token::{AccessTokenClaims, jti};
use chancery_domain::oidc::id_token::id_token;
use chancery_domain::signing_algorithm::SigningAlgorithm;
use serde::Serialize;
use time::{Duration, OffsetDateTime};

use crate::app::App;
use crate::http::client::AuthenticatedClient;
use crate::oidc::error::ProtocolError;
use crate::oidc::person_claims;

/// A token response (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
#[derive(Debug, Serialize)]
pub struct Tokens {
    pub access_token: String,
    pub token_type: &'static str,
    pub expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    pub scope: String,
}

/// The reference of an access token that is about to be issued; it is recorded before the token leaves.
pub fn new_access_token(app: &App, grant: GrantId, seconds: i64, now: OffsetDateTime) -> IssuedAccessToken {
    IssuedAccessToken { jti: jti(grant, app.entropy.uuid_v4()), expires_at: now + Duration::seconds(seconds) }
}

/// Signs what the recorded event says was issued to a person.
pub async fn tokens_for_person(
    app: &App,
    client: &AuthenticatedClient,
    authorization: &Authorization,
    scopes: &Scopes,
    issued: &IssuedAccessToken,
    refresh_token: Option<String>,
    now: OffsetDateTime,
) -> Result<Tokens, ProtocolError> {
    let claims = AccessTokenClaims {
        iss: app.issuer.clone(),
        sub: authorization.user_id.to_string(),
        aud: vec![client.id.to_string(), app.issuer.clone()],
        client_id: client.id.to_string(),
        scope: scopes.to_string(),
        jti: issued.jti.clone(),
        iat: now.unix_timestamp(),
        exp: issued.expires_at.unix_timestamp(),
        auth_time: Some(authorization.authenticated_at.unix_timestamp()),
        acr: Some(authorization.acr.clone()),
        sid: Some(authorization.session_id.to_string()),
        claims: authorization.claims.clone(),
    };
    // The app asks for UserInfo with it next.
    let access_token = app.keyring.sign_and_remember(SigningAlgorithm::ES256, ACCESS_TOKEN, &claims);
    let access_token = access_token.map_err(signing_failed)?;
    let id_token = match scopes.contains(OPENID) {
        false => None,
        true => {
            let person = person_claims(app, authorization.user_id).await?;
            let person = person.ok_or(OAuthError::invalid_grant("the code or token is not valid"))?;
            let settings = client.settings();
            let claims = id_token(&app.issuer, settings, authorization, scopes, &person, &access_token, now);
            Some(app.keyring.sign(settings.id_token_algorithm, "JWT", &claims).map_err(signing_failed)?)
        }
    };
    Ok(Tokens {
        access_token,
        token_type: "Bearer",
        expires_in: (issued.expires_at - now).whole_seconds(),
        refresh_token,
        id_token,
        scope: scopes.to_string(),
    })
}

/// RFC 9068 §2.1: the `typ` of an access token.
pub const ACCESS_TOKEN: &str = "at+jwt";

fn sign_access_token(app: &App, claims: &AccessTokenClaims) -> Result<String, ProtocolError> {
    Ok(app.keyring.sign(SigningAlgorithm::ES256, ACCESS_TOKEN, claims).map_err(signing_failed)?)
}

fn signing_failed(error: chancery_adapters::signing::SigningError) -> OAuthError {
    tracing::error!(%error, "a token could not be signed");
    OAuthError::new(ErrorCode::ServerError, "a token could not be signed")
}
