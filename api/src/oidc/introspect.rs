//! `POST /api/oidc/introspect` (RFC 7662): a confidential client asks about its own tokens, and learns nothing of others'.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use chancery_domain::grant::Grant;
use chancery_domain::oauth::error::OAuthError;
use chancery_domain::oauth::scope::{PROFILE, Scopes};
use chancery_domain::oauth::token_value::parse_refresh_token;
use chancery_projections::access::{self, Asked};
use serde_json::{Value, json};

use super::error::ProtocolError;
use super::userinfo::live_token;
use crate::app::App;
use crate::http::client::{AuthenticatedClient, authenticate};
use crate::http::form::body_params;
use crate::http::request::Circumstances;

pub async fn introspect(
    State(app): State<App>,
    circumstances: Circumstances,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ProtocolError> {
    let params = body_params(&headers, &body)?;
    params.check()?;
    let client = authenticate(&app, &circumstances, &headers, &params).await?;
    // RFC 7662 §2.1: the endpoint is protected; a public client proves nothing.
    if client.settings().is_public {
        return Err(OAuthError::invalid_client().into());
    }
    let token = params.value("token").ok_or(OAuthError::invalid_request("token is missing"))?;
    let answer = match of_access_token(&app, &client, token).await? {
        Some(answer) => answer,
        // §2.2: nothing more for a token that does not count or is not the caller's.
        None => of_refresh_token(&app, &client, token).await?.unwrap_or_else(|| json!({ "active": false })),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn of_access_token(app: &App, client: &AuthenticatedClient, token: &str) -> Result<Option<Value>, ProtocolError> {
    let Some(live) = live_token(app, token).await? else { return Ok(None) };
    if live.claims.client_id != client.id.as_str() {
        return Ok(None);
    }
    let claims = live.claims;
    let mut answer = json!({
        "active": true, "scope": claims.scope, "client_id": claims.client_id, "token_type": "Bearer",
        "exp": claims.exp, "iat": claims.iat, "sub": claims.sub, "aud": claims.aud, "iss": claims.iss,
        "jti": claims.jti
    });
    // The person's name is theirs to tell, here as at UserInfo (attacks UI-02).
    let named = Scopes::known(claims.scope.split(' ')).contains(PROFILE)
        || claims.claims.iter().any(|name| name == "preferred_username");
    if named
        && let Ok(id) = claims.sub.parse()
        && let Some(person) = app.memory.person(id).await?
    {
        answer["username"] = json!(person.user.username);
    }
    Ok(Some(answer))
}

async fn of_refresh_token(
    app: &App,
    client: &AuthenticatedClient,
    token: &str,
) -> Result<Option<Value>, ProtocolError> {
    let Some(presented) = parse_refresh_token(token) else { return Ok(None) };
    let grant = app.store.load::<Grant>(presented.grant).await?.into_state();
    let now = app.now();
    let Some(authorization) = grant.authorization().filter(|grant| grant.client_id == client.id) else {
        return Ok(None);
    };
    if !grant.is_current(&presented) || now >= authorization.ends_at {
        return Ok(None);
    }
    let (user, session) = (authorization.user_id, authorization.session_id);
    let asked = Asked { client: &client.id, person: Some((user, session)), grant: Some((presented.grant, None)) };
    let answer = access::decide(&app.memory, asked, &authorization.scopes, now).await?;
    let allowed = answer.is_some_and(|answer| answer.decision.is_ok());
    Ok(allowed.then(|| {
        json!({
            "active": true, "scope": authorization.scopes.to_string(), "client_id": client.id,
            "token_type": "refresh_token", "sub": user, "exp": authorization.ends_at.unix_timestamp(), "iss": app.issuer
        })
    }))
}
