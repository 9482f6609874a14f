//! `/api/api-keys`: a person's own API keys.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use chancery_adapters::event_store::ExecuteError;
use chancery_domain::api_key::{ApiKey, ApiKeyCommand, ApiKeyRefusal, NAME, PREFIX};
use chancery_domain::digest::Digest;
use chancery_domain::field::{FieldError, normalized};
use chancery_domain::ids::ApiKeyId;
use chancery_projections::api_keys::{self, ApiKeyRow};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::audit_logs::rfc3339;
use crate::accounts;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::json::{JsonBody, moment, or_default, required};
use crate::http::listing::{Listing, envelope};
use crate::http::principal::{BrowserOnly, Principal};
use crate::http::request::Circumstances;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/api-keys", get(list).post(create))
        .route("/api/api-keys/{id}", delete(revoke))
        .route("/api/api-keys/{id}/renew", post(renew))
}

fn key_json(row: &ApiKeyRow, last_used_at: Option<OffsetDateTime>) -> Value {
    json!({
        "id": row.api_key_id, "name": row.name, "description": row.description, "expiresAt": rfc3339(row.expires_at),
        "lastUsedAt": last_used_at.map(rfc3339), "createdAt": rfc3339(row.created_at), "expirationEmailSent": false
    })
}

pub fn key_error(error: ExecuteError<ApiKeyRefusal>) -> ApiError {
    match error {
        ExecuteError::Store(error) => error.into(),
        ExecuteError::Refused(ApiKeyRefusal::AlreadyCreated) => ApiError::already_in_use("id"),
        ExecuteError::Refused(ApiKeyRefusal::Unknown) => {
            ApiError::new(StatusCode::NOT_FOUND, "api_key_not_found", "There is no such key")
        }
        ExecuteError::Refused(ApiKeyRefusal::BadName(wrong) | ApiKeyRefusal::BadDescription(wrong)) => {
            ApiError::fields(&[wrong])
        }
        ExecuteError::Refused(ApiKeyRefusal::BadExpiration) => {
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_api_key_expiration", "The end must lie in the future")
        }
        ExecuteError::Refused(ApiKeyRefusal::NotExpired) => {
            ApiError::new(StatusCode::CONFLICT, "api_key_not_expired", "The key has not expired yet")
        }
    }
}

async fn list(State(app): State<App>, principal: Principal, listing: Listing) -> Result<Json<Value>, ApiError> {
    let mut connection = app.pool.acquire().await?;
    let uses = app.key_uses.all();
    let page = api_keys::of_user(&mut connection, principal.user.id(), &uses, &listing.paging).await?;
    Ok(Json(envelope(page, |row| key_json(&row, app.key_uses.last(row.id())))))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct KeyInput {
    #[serde(deserialize_with = "or_default")]
    name: String,
    description: Option<String>,
    #[serde(deserialize_with = "moment")]
    expires_at: Option<OffsetDateTime>,
}

impl KeyInput {
    /// When the key is to end, if the rest is sound too: whoever asks learns at once of all that is wrong.
    fn checked(&self) -> Result<OffsetDateTime, ApiError> {
        const NO_END: FieldError = FieldError { field: "expiresAt", code: "required", message: "is required" };
        match (NAME.check(&normalized(&self.name)), self.expires_at) {
            (None, Some(expires_at)) => Ok(expires_at),
            (name, end) => {
                let errors: Vec<_> = name.into_iter().chain(end.is_none().then_some(NO_END)).collect();
                Err(ApiError::fields(&errors))
            }
        }
    }
}

/// A key that was just made, shown this once.
pub fn new_key(app: &App) -> (String, Digest) {
    let key = format!("{PREFIX}{}", app.entropy.token().expose());
    let digest = Digest::of(&key);
    (key, digest)
}

async fn create(
    State(app): State<App>,
    circumstances: Circumstances,
    BrowserOnly(signed_in): BrowserOnly,
    JsonBody(input): JsonBody<KeyInput>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    if !signed_in.stepped_up(&app) {
        return Err(ApiError::reauthentication_required());
    }
    let expires_at = input.checked()?;
    let id = ApiKeyId(app.entropy.uuid_v4());
    let (token, digest) = new_key(&app);
    let command = ApiKeyCommand::Create {
        user_id: signed_in.user.id(),
        name: input.name,
        description: input.description,
        digest,
        expires_at,
        now: app.now(),
    };
    let caller = signed_in.caller(&app, &circumstances);
    accounts::make_key(&app, &caller, &signed_in, id, command).await?;
    let row = api_keys::find(&app.pool, id).await?.ok_or_else(ApiError::internal)?;
    Ok((StatusCode::CREATED, Json(json!({ "apiKey": key_json(&row, None), "token": token }))))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Renewal {
    #[serde(default, deserialize_with = "moment")]
    expires_at: Option<OffsetDateTime>,
}

async fn renew(
    State(app): State<App>,
    circumstances: Circumstances,
    BrowserOnly(signed_in): BrowserOnly,
    Path(id): Path<String>,
    JsonBody(input): JsonBody<Renewal>,
) -> Result<Json<Value>, ApiError> {
    if !signed_in.stepped_up(&app) {
        return Err(ApiError::reauthentication_required());
    }
    let id: ApiKeyId = id.parse().map_err(|_| key_error(ExecuteError::Refused(ApiKeyRefusal::Unknown)))?;
    let expires_at = required("expiresAt", input.expires_at)?;
    let (token, digest) = new_key(&app);
    let user_id = signed_in.user.id();
    let command = ApiKeyCommand::Renew { user_id, digest, expires_at, now: app.now() };
    let caller = signed_in.caller(&app, &circumstances);
    let context = caller.may_about(user_id, &command)?;
    app.store.execute::<ApiKey>(id, command, context).await.map_err(key_error)?;
    let row = api_keys::find(&app.pool, id).await?.ok_or_else(ApiError::internal)?;
    Ok(Json(json!({ "apiKey": key_json(&row, None), "token": token })))
}

async fn revoke(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id: ApiKeyId = id.parse().map_err(|_| key_error(ExecuteError::Refused(ApiKeyRefusal::Unknown)))?;
    let caller = principal.caller(&app, &circumstances);
    let revoke = ApiKeyCommand::Revoke { user_id: principal.user.id() };
    let context = caller.may_about(principal.user.id(), &revoke)?;
    app.store.execute::<ApiKey>(id, revoke, context).await.map_err(key_error)?;
    Ok(StatusCode::NO_CONTENT)
}
