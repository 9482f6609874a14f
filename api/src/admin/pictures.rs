//! `/api/users/{id}/profile-picture(.png)`: what apps show beside a name. Anybody may look, without a cookie: apps fetch it
//! by themselves, and name only people who signed in to them.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use chancery_domain::ids::UserId;
use chancery_domain::policy::admin::AdminAction;

use super::users::{existing, user_id};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::principal::Principal;
use crate::http::request::Circumstances;
use crate::pictures::{self, Upload};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/users/{id}/profile-picture.png", get(show))
        .route("/api/users/me/profile-picture", put(set_own).delete(remove_own))
        .route("/api/users/{id}/profile-picture", put(set).delete(remove))
}

/// Apps keep it for a quarter of an hour, and an hour more while they ask for a newer one, as they do with Pocket ID.
const CACHING: &str = "public, max-age=900, stale-while-revalidate=3600";
/// Opened by itself it is a picture and nothing else, and pages of other origins may show it.
const NOTHING_ELSE: [(HeaderName, &str); 2] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
];

async fn show(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let id: UserId = id.parse().map_err(|_| ApiError::field("userId", "uuid", "must be a UUID"))?;
    let user = pictures::sitter(&app, id).await?;
    let tag = format!("\"{}\"", pictures::tag(&user));
    let about = [(header::CACHE_CONTROL, CACHING), (header::ETAG, tag.as_str())];
    if has(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    let png = pictures::of(&app, &user).await?;
    Ok((about, NOTHING_ELSE, [(header::CONTENT_TYPE, "image/png")], png).into_response())
}

/// RFC 9110 §13.1.2.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

async fn set_own(
    State(app): State<App>,
    circumstances: Circumstances,
    Upload { by: principal, file }: Upload<Principal>,
) -> Result<StatusCode, ApiError> {
    let caller = principal.caller(&app, &circumstances);
    pictures::set(&app, &caller, &principal.user, file?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_own(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
) -> Result<StatusCode, ApiError> {
    let caller = principal.caller(&app, &circumstances);
    pictures::remove(&app, &caller, &principal.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set(
    State(app): State<App>,
    circumstances: Circumstances,
    Path(id): Path<String>,
    Upload { by: principal, file }: Upload<Principal>,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::ManageUsers)?;
    let user = existing(&app, user_id(&id)?).await?;
    let caller = principal.caller(&app, &circumstances);
    pictures::set(&app, &caller, &user, file?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::ManageUsers)?;
    let user = existing(&app, user_id(&id)?).await?;
    let caller = principal.caller(&app, &circumstances);
    pictures::remove(&app, &caller, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}
