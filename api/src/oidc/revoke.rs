//! `POST /api/oidc/revoke` (RFC 7009): a client gives a token back. A refresh token takes its whole grant with it, an
//! access token goes alone.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chancery_adapters::event_store::ExecuteError;
use chancery_domain::actor::Actor;
use chancery_domain::grant::{Grant, GrantCommand, GrantRefusal, IssuedAccessToken};
use chancery_domain::oauth::error::{ErrorCode, OAuthError};
use chancery_domain::oauth::token_value::parse_refresh_token;
use chancery_domain::oidc::access_token::{AccessTokenClaims, grant_of};

use super::error::ProtocolError;
use super::userinfo::access_claims;
use crate::app::App;
use crate::http::client::authenticate;
use crate::http::form::body_params;
use crate::http::request::Circumstances;

pub async fn revoke(
    State(app): State<App>,
    circumstances: Circumstances,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ProtocolError> {
    let params = body_params(&headers, &body)?;
    params.check()?;
    let client = authenticate(&app, &circumstances, &headers, &params).await?;
    let token = params.value("token").ok_or(OAuthError::invalid_request("token is missing"))?;
    // §2.1: the hint only helps to look; both kinds are told apart by their form.
    let found = match (parse_refresh_token(token), access_claims(&app, token)) {
        (Some(presented), _) => {
            let client_id = client.id.clone();
            Some((presented.grant, GrantCommand::RevokeByRefreshToken { client_id, presented }))
        }
        // What is given back twice is on the record once.
        (None, Some(claims)) if is_revoked(&app, &claims).await? => None,
        (None, Some(claims)) => grant_of(&claims.jti).zip(claims.expires_at()).map(|(grant, expires_at)| {
            let token = IssuedAccessToken { jti: claims.jti, expires_at };
            (grant, GrantCommand::RevokeToken { client_id: client.id.clone(), token, now: app.now() })
        }),
        (None, None) => None,
    };
    if let Some((grant, command)) = found {
        let context = circumstances.context(&app, Actor::Client(client.id.clone()));
        match app.store.execute::<Grant>(grant, command, &context).await {
            // §2.2: "the server responds with HTTP status code 200 … if the client submitted an invalid token".
            Ok(_) | Err(ExecuteError::Refused(GrantRefusal::Unknown)) => {}
            // §2.1: "the request is refused and the client is informed of the error".
            Err(ExecuteError::Refused(GrantRefusal::OtherClient)) => {
                let error = OAuthError::new(ErrorCode::UnauthorizedClient, "the token was issued to another client");
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response())
}

/// Whether an access token was revoked before; that nobody takes back, so memory may say so.
async fn is_revoked(app: &App, claims: &AccessTokenClaims) -> Result<bool, sqlx::Error> {
    let Some(id) = grant_of(&claims.jti) else { return Ok(false) };
    let grant = app.memory.grant(id).await?;
    Ok(grant.is_some_and(|grant| grant.revoked_tokens.contains(&claims.jti)))
}
