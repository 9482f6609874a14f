//! A person's own passkeys: listed, renamed, removed, and kept in step with their providers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chancery_domain::ids::{PasskeyId, UserId};
use chancery_domain::user::{RemovedBy, UserCommand};
use chancery_projections::passkeys::{self, PasskeyRow};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts;
use crate::admin::audit_logs::rfc3339;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::json::{JsonBody, or_default};
use crate::http::principal::{BrowserOnly, Principal};
use crate::http::request::Circumstances;

pub fn passkey_json(row: &PasskeyRow) -> Value {
    json!({
        "id": row.passkey_id, "name": row.name, "credentialID": row.credential_id, "attestationType": "none",
        "transport": row.transports, "backupEligible": row.backup_eligible, "backupState": row.backed_up,
        "createdAt": rfc3339(row.enrolled_at), "lastUsedAt": row.last_used_at.map(rfc3339), "aaguid": row.aaguid,
        "suspended": row.suspended
    })
}

pub async fn credentials_json(app: &App, user: UserId) -> Result<Value, ApiError> {
    Ok(passkeys::of_user(&app.pool, user).await?.iter().map(passkey_json).collect())
}

pub async fn list(State(app): State<App>, principal: Principal) -> Result<Json<Value>, ApiError> {
    Ok(Json(credentials_json(&app, principal.user.id()).await?))
}

#[derive(Deserialize)]
pub struct Renaming {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

pub async fn rename(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Renaming>,
) -> Result<Json<Value>, ApiError> {
    let passkey_id: PasskeyId = id.parse().map_err(|_| ApiError::not_found())?;
    let caller = principal.caller(&app, &circumstances);
    let command = UserCommand::RenamePasskey { passkey_id, name: body.name };
    accounts::execute(&app, &caller, principal.user.id(), command).await?;
    let rows = passkeys::of_user(&app.pool, principal.user.id()).await?;
    let row = rows.iter().find(|row| row.id() == passkey_id).ok_or_else(ApiError::not_found)?;
    Ok(Json(passkey_json(row)))
}

/// Removing a way in needs a recent ceremony, and is never the last one (attacks WR-10).
pub async fn remove(
    State(app): State<App>,
    circumstances: Circumstances,
    BrowserOnly(signed_in): BrowserOnly,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let passkey_id: PasskeyId = id.parse().map_err(|_| ApiError::not_found())?;
    if !signed_in.stepped_up(&app) {
        return Err(ApiError::reauthentication_required());
    }
    let caller = signed_in.caller(&app, &circumstances);
    let command = UserCommand::RemovePasskey { passkey_id, by: RemovedBy::Owner };
    accounts::execute(&app, &caller, signed_in.user.id(), command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/webauthn/signals`: what the Signal API tells the person's providers (WebAuthn Level 3 §5.1.10). Suspended
/// passkeys are in the list: a provider hides what is not, and they may be restored. Never empty: that would hide all.
pub async fn signals(State(app): State<App>, BrowserOnly(signed_in): BrowserOnly) -> Result<Json<Value>, ApiError> {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let rows = passkeys::of_user(&app.pool, signed_in.user.id()).await?;
    if rows.is_empty() {
        return Err(ApiError::not_found());
    }
    let ids: Vec<_> = rows.iter().map(|row| row.credential_id.as_str()).collect();
    Ok(Json(json!({
        "rpId": app.config.app_url.host_str(),
        "userId": URL_SAFE_NO_PAD.encode(signed_in.user.user_id.as_bytes()),
        "acceptedCredentialIds": ids,
        "name": signed_in.user.username,
        "displayName": signed_in.user.display_name
    })))
}
