//! `GET|POST /api/oidc/userinfo` (OpenID Connect Core §5.3, RFC 6750 §2).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chancery_domain::grant::Grant;
use chancery_domain::oauth::error::{ErrorCode, OAuthError};
use chancery_domain::oauth::params::Params;
use chancery_domain::oauth::scope::{OPENID, Scopes};
use chancery_domain::oidc::access_token::{AccessTokenClaims, grant_of};
use chancery_domain::policy::access::AccessDenied;
use chancery_projections::access::{self, Asked};
use serde_json::{Value, json};

use super::error::ProtocolError;
use super::person;
use crate::app::App;
use crate::grants::ACCESS_TOKEN;
use crate::http::authorization::authorization;
use crate::http::form::{body_params, query_params};

const INVALID_TOKEN: OAuthError = OAuthError::new(ErrorCode::InvalidToken, "the access token is not valid");

pub async fn userinfo(
    State(app): State<App>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = presented(&method, &uri, &headers, &body);
    let told = async { told(&app, token?).await }.await;
    told.unwrap_or_else(refused)
}

fn presented(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Result<Option<String>, ProtocolError> {
    let form = match *method {
        Method::POST if !body.is_empty() => body_params(headers, body)?,
        _ => Params::default(),
    };
    Ok(bearer_token(headers, &form, &query_params(uri.query()))?)
}

async fn told(app: &App, token: Option<String>) -> Result<Response, ProtocolError> {
    let Some(token) = token else { return Ok(challenge()) };
    let live = live_token(app, &token).await?.ok_or(INVALID_TOKEN)?;
    let scopes = Scopes::known(live.claims.scope.split(' '));
    if !scopes.contains(OPENID) {
        return Err(OAuthError::new(ErrorCode::InsufficientScope, "the openid scope is required").into());
    }
    let user = live.claims.sub.parse().map_err(|_| INVALID_TOKEN)?;
    let person = person::claims(app, user).await?.ok_or(INVALID_TOKEN)?;
    let mut claims = person.released(&scopes, &live.claims.claims);
    claims.insert("sub".to_owned(), json!(person.sub));
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(Value::Object(claims))).into_response())
}

/// RFC 6750 §3.1: whoever presents nothing hears what to present, and of no error.
fn challenge() -> Response {
    tracing::info!(reason = "there is no access token", "a client's request was refused");
    let headers = [(header::WWW_AUTHENTICATE, "Bearer realm=\"Chancery\""), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::UNAUTHORIZED, headers).into_response()
}

/// RFC 6750 §3: what is wrong with the request or its token is said in the challenge too.
fn refused(refusal: ProtocolError) -> Response {
    let OAuthError { code, description } = refusal.error;
    let mut response = refusal.into_response();
    if matches!(code, ErrorCode::InvalidRequest | ErrorCode::InvalidToken | ErrorCode::InsufficientScope) {
        let value = format!("Bearer error=\"{}\", error_description=\"{description}\"", code.as_str());
        let value = HeaderValue::from_str(&value).map(|value| (header::WWW_AUTHENTICATE, value));
        response.headers_mut().extend(value);
    }
    response
}

/// One access token, from the header or the form body; never from the query (RFC 9700 §4.3.2).
fn bearer_token(headers: &HeaderMap, form: &Params, query: &Params) -> Result<Option<String>, OAuthError> {
    if query.value("access_token").is_some() {
        return Err(OAuthError::invalid_request("the access token does not belong into the URI"));
    }
    form.check()?;
    let header = authorization(headers)?.and_then(|value| value.split_once(' '));
    let header = header.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match (header, form.value("access_token")) {
        (Some(_), Some(_)) => Err(OAuthError::invalid_request("send the access token one way only")),
        (Some((_, token)), None) => Ok(Some(token.trim().to_owned())),
        (None, token) => Ok(token.map(str::to_owned)),
    }
}

/// An access token that counts at this moment.
pub struct LiveToken {
    pub claims: AccessTokenClaims,
}

/// Verifies an access token and asks the policy whether what it rests on still holds.
///
/// # Errors
/// Those of the database; anything wrong with the token is None.
pub async fn live_token(app: &App, token: &str) -> Result<Option<LiveToken>, ProtocolError> {
    let Some(claims) = access_claims(app, token) else { return Ok(None) };
    let (Some(grant), Ok(client)) = (grant_of(&claims.jti), claims.client_id.parse()) else { return Ok(None) };
    let now = app.now();
    let scopes = Scopes::known(claims.scope.split(' '));
    let person = match (claims.sub.parse(), claims.sid.as_deref().map(str::parse)) {
        (Ok(user), Some(Ok(session))) => Some((user, session)),
        _ => None,
    };
    let asked = Asked { client: &client, person, grant: Some((grant, Some(&claims.jti))) };
    let decide = async |scopes: &Scopes| {
        let answer = access::decide(&app.memory, asked, scopes, now).await?;
        Ok::<_, ProtocolError>(answer.map(|answer| answer.decision))
    };
    let mut decision = decide(&scopes).await?;
    // A refresh may have left `offline_access` out of this token's scope; what the token rests on is the grant, which has it.
    if decision == Some(Err(AccessDenied::SessionOver))
        && let Some(authorization) = app.store.recall::<Grant>(grant).await?.state().authorization()
    {
        decision = decide(&authorization.scopes).await?;
    }
    let allowed = decision.is_some_and(|decision| decision.is_ok());
    Ok(allowed.then_some(LiveToken { claims }))
}

/// RFC 9068 §4: type, issuer, signature and expiry.
pub fn access_claims(app: &App, token: &str) -> Option<AccessTokenClaims> {
    let expected = chancery_adapters::signing::Expected {
        typ: ACCESS_TOKEN,
        issuer: &app.issuer,
        now: app.now().unix_timestamp(),
        allow_expired: false,
    };
    let claims = app.keyring.verify(token, expected).ok()?;
    serde_json::from_value(claims).ok()
}
