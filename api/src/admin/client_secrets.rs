//! `/api/oidc/clients/{id}/secrets`: the secrets of an app.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use chancery_domain::client::{Client, ClientCommand, SECRET_PREFIX};
use chancery_domain::digest::Digest;
use chancery_domain::ids::{ClientId, ClientSecretId};
use chancery_domain::policy::admin::AdminAction;
use chancery_projections::clients::{self, SecretRow};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::audit_logs::rfc3339;
use super::clients::{client_id, execute_all, existing, full_json};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::{JsonBody, moment};
use crate::http::precondition::Seen;
use crate::http::principal::Principal;
use crate::http::request::Circumstances;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/oidc/clients/{id}/secrets", get(secrets).post(add_secret))
        .route("/api/oidc/clients/{id}/secrets/{secret}", delete(remove_secret))
        .route("/api/oidc/clients/{id}/secret", post(replace_secret))
}

/// A secret as it may be shown for ever. By the first 4 characters Pocket ID's operator knows its own again; ours all begin
/// alike, and are told apart by the 8.
pub fn secret_json(secret: &SecretRow, now: OffsetDateTime) -> Value {
    let prefix: String = secret.prefix.chars().take(4).collect();
    json!({
        "id": secret.secret_id, "prefix": prefix, "visiblePrefix": secret.prefix, "createdAt": rfc3339(secret.created_at),
        "expiresAt": secret.expires_at.map(rfc3339), "isActive": secret.active_at(now)
    })
}

async fn secrets(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadClients)?;
    let id = client_id(&id)?;
    existing(&app, &id).await?;
    let rows = clients::secrets(&app.pool, &id).await?;
    Ok(Json(rows.iter().map(|row| secret_json(row, app.now())).collect()))
}

/// Of a secret that somebody chose, in characters.
const SHORTEST: usize = 16;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SecretInput {
    secret: Option<String>,
    #[serde(deserialize_with = "moment")]
    expires_at: Option<OffsetDateTime>,
}

/// The body is optional.
fn secret_input(body: Option<JsonBody<SecretInput>>) -> Result<SecretInput, ApiError> {
    let input = body.map(|JsonBody(input)| input).unwrap_or_default();
    input.secret.as_deref().map_or(Ok(()), check_secret)?;
    Ok(input)
}

/// # Errors
/// `validation_failed` for a secret that somebody chose too short or that does not go into a header.
pub fn check_secret(secret: &str) -> Result<(), ApiError> {
    let says = "needs 16 printable characters at least";
    if secret.len() < SHORTEST {
        return Err(ApiError::field("secret", "too_short", says));
    }
    match secret.bytes().all(|c| c.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(ApiError::field("secret", "printascii", says)),
    }
}

/// A secret that was just added, shown this once.
pub struct NewSecret {
    pub id: ClientSecretId,
    pub secret: String,
    pub prefix: String,
}

/// Adds a secret, the caller's or one of 256 random bits.
pub async fn issue_secret(
    app: &App,
    caller: &Caller,
    id: &ClientId,
    chosen: Option<String>,
    expires_at: Option<OffsetDateTime>,
) -> Result<NewSecret, ApiError> {
    let (made, add) = new_secret(app, chosen, expires_at);
    execute_all(app, caller, id, vec![add], &None).await?;
    Ok(made)
}

fn new_secret(app: &App, chosen: Option<String>, expires_at: Option<OffsetDateTime>) -> (NewSecret, ClientCommand) {
    let secret = chosen.unwrap_or_else(|| format!("{SECRET_PREFIX}{}", app.entropy.token().expose()));
    let (secret_id, prefix) = (ClientSecretId(app.entropy.uuid_v4()), prefix_of(&secret));
    let (digest, now) = (Digest::of(&secret), app.now());
    let add = ClientCommand::AddSecret { secret_id, prefix: prefix.clone(), digest, expires_at, now };
    (NewSecret { id: secret_id, secret, prefix }, add)
}

/// What may be shown of a secret for ever: the common beginning tells nobody anything, what follows it does. The shortest
/// secret that somebody may choose keeps 12 characters to itself.
pub fn prefix_of(secret: &str) -> String {
    let shown = if secret.starts_with(SECRET_PREFIX) && secret.len() > SHORTEST { 8 } else { 4 };
    secret.chars().take(shown).collect()
}

async fn add_secret(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    body: Option<JsonBody<SecretInput>>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    principal.may(&app, AdminAction::ManageClientSecrets)?;
    let id = client_id(&id)?;
    let input = secret_input(body)?;
    let caller = principal.caller(&app, &circumstances);
    let added = issue_secret(&app, &caller, &id, input.secret, input.expires_at).await?;
    let rows = clients::secrets(&app.pool, &id).await?;
    let row = rows.iter().find(|row| row.secret_id == added.id.0).ok_or_else(ApiError::internal)?;
    let mut json = secret_json(row, app.now());
    json["secret"] = json!(added.secret);
    Ok((StatusCode::CREATED, Json(json)))
}

/// The call that Pocket ID had before 2.14 and its tools still make: one secret in place of all, in one append.
async fn replace_secret(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
    body: Option<JsonBody<SecretInput>>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ManageClientSecrets)?;
    let id = client_id(&id)?;
    let input = secret_input(body)?;
    let caller = principal.caller(&app, &circumstances);
    let (made, add) = new_secret(&app, input.secret, None);
    seen.decide(|| replace_all(&app, &caller, &id, &seen, &add)).await?;
    Ok(Json(json!({ "secret": made.secret })))
}

async fn replace_all(
    app: &App,
    caller: &Caller,
    id: &ClientId,
    seen: &Seen,
    add: &ClientCommand,
) -> Result<(), ApiError> {
    let read = app.store.load::<Client>(id).await?;
    seen.unchanged(full_json(app, id)).await?;
    let Client::Registered(client) = read.state() else { return Err(ApiError::not_found()) };
    let remove = client.secrets.iter().map(|secret| ClientCommand::RemoveSecret { secret_id: secret.id });
    execute_all(app, caller, id, remove.chain([add.clone()]).collect(), &Some(read)).await
}

async fn remove_secret(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path((id, secret)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::ManageClientSecrets)?;
    let id = client_id(&id)?;
    let secret_id = secret.parse().map_err(|_| ApiError::not_found())?;
    let caller = principal.caller(&app, &circumstances);
    let remove = ClientCommand::RemoveSecret { secret_id };
    execute_all(&app, &caller, &id, vec![remove], &None).await?;
    Ok(StatusCode::NO_CONTENT)
}
