//! `/api/oidc/clients`: apps.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_adapters::event_store::ExecuteError;
use chancery_domain::client::{
    ACCESS_TOKEN_SECONDS, Client, ClientCommand, ClientRefusal, ClientSettings, REFRESH_TOKEN_SECONDS, SECRET_PREFIX,
};
use chancery_domain::digest::Digest;
use chancery_domain::ids::{ClientId, ClientSecretId, GroupId};
use chancery_domain::oauth::redirect_uri::RedirectUri;
use chancery_domain::policy::admin::AdminAction;
use chancery_projections::clients::{self, ClientRow, SecretRow};
use chancery_projections::groups;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::audit_logs::rfc3339;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::json::JsonBody;
use crate::http::listing::{Listing, envelope};
use crate::http::principal::Principal;
use crate::http::request::Circumstances;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/oidc/clients", get(list).post(create))
        .route("/api/oidc/clients/{id}", get(find).put(update).delete(remove))
        .route("/api/oidc/clients/{id}/meta", get(meta))
        .route("/api/oidc/clients/{id}/allowed-user-groups", put(set_groups))
        .route("/api/oidc/clients/{id}/secrets", get(secrets).post(add_secret))
        .route("/api/oidc/clients/{id}/secrets/{secret}", delete(remove_secret))
        .route("/api/oidc/clients/{id}/secret", post(replace_secret))
}

/// What everybody may know of an app.
pub fn meta_json(row: &ClientRow) -> Value {
    let settings = &row.settings.0;
    json!({
        "id": row.client_id, "name": settings.name, "description": settings.description, "hasLogo": false,
        "hasDarkLogo": false, "launchURL": settings.launch_url,
        "requiresReauthentication": settings.requires_reauthentication, "clientType": "standard"
    })
}

fn client_json(row: &ClientRow, secrets: &[SecretRow], now: OffsetDateTime) -> Value {
    let settings = &row.settings.0;
    let mut json = meta_json(row);
    let more = json!({
        "callbackURLs": settings.redirect_uris,
        "logoutCallbackURLs": settings.post_logout_redirect_uris,
        "isPublic": settings.is_public,
        "pkceEnabled": settings.requires_pkce(),
        "requiresPushedAuthorizationRequests": false,
        "skipConsent": settings.skip_consent,
        "credentials": { "secrets": secrets.iter().map(|secret| secret_json(secret, now)).collect::<Vec<_>>() },
        "isGroupRestricted": settings.is_group_restricted,
        "accessTokenDurationMinutes": settings.access_token_seconds / 60,
        "refreshTokenDurationMinutes": settings.refresh_token_seconds / 60,
        "idTokenSigningAlg": settings.id_token_algorithm,
        "minimalIdToken": settings.minimal_id_token,
    });
    if let (Some(json), Value::Object(more)) = (json.as_object_mut(), more) {
        json.extend(more);
    }
    json
}

fn secret_json(secret: &SecretRow, now: OffsetDateTime) -> Value {
    json!({
        "id": secret.secret_id, "prefix": secret.prefix, "createdAt": rfc3339(secret.created_at),
        "expiresAt": secret.expires_at.map(rfc3339), "isActive": secret.active_at(now)
    })
}

async fn full_json(app: &App, id: &ClientId) -> Result<Value, ApiError> {
    let row = existing(app, id).await?;
    let secrets = clients::secrets(&app.pool, id).await?;
    let mut json = client_json(&row, &secrets, app.now());
    let mut allowed = Vec::new();
    for group in clients::allowed_groups(&app.pool, id).await? {
        allowed.extend(groups::find(&app.pool, group).await?.as_ref().map(super::groups::minimal_json));
    }
    json["allowedUserGroups"] = json!(allowed);
    Ok(json)
}

/// An id in a path, or `~` and its base64url.
pub fn client_id(text: &str) -> Result<ClientId, ApiError> {
    let decoded = text.strip_prefix('~').map(|rest| URL_SAFE_NO_PAD.decode(rest).unwrap_or_default());
    let text = decoded.map_or(text.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
    text.parse().map_err(|_| ApiError::not_found())
}

/// # Errors
/// `not_found`.
pub async fn existing(app: &App, id: &ClientId) -> Result<ClientRow, ApiError> {
    clients::find(&app.pool, id).await?.ok_or_else(ApiError::not_found)
}

pub fn client_error(error: ExecuteError<ClientRefusal>) -> ApiError {
    let refusal = match error {
        ExecuteError::Store(error) => return error.into(),
        ExecuteError::Refused(refusal) => refusal,
    };
    let field =
        |field: &str, code: &str, message: &str| ApiError::validation(&[(field.into(), code.into(), message.into())]);
    match refusal {
        ClientRefusal::AlreadyRegistered => {
            ApiError::new(StatusCode::CONFLICT, "client_id_already_exists", "This id is taken, or was once")
        }
        ClientRefusal::Unknown | ClientRefusal::NoSuchSecret => ApiError::not_found(),
        ClientRefusal::Setting(error) => field(error.field, error.code, error.message),
        ClientRefusal::PublicClient => field("secret", "invalid_value", "cannot be given to a public client"),
        ClientRefusal::TooManySecrets => field("secret", "too_many", "cannot be added: a client has 20 at most"),
        ClientRefusal::BadExpiration => field("expiresAt", "invalid_value", "must lie in the future"),
    }
}

/// `ClientInput` of Pocket ID, and beside it what only we have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientInput {
    pub id: Option<String>,
    pub name: String,
    pub description: String,
    #[serde(rename = "callbackURLs")]
    pub callback_urls: Vec<String>,
    #[serde(rename = "logoutCallbackURLs")]
    pub logout_callback_urls: Vec<String>,
    pub is_public: bool,
    pub pkce_enabled: bool,
    pub requires_reauthentication: bool,
    pub skip_consent: bool,
    #[serde(rename = "launchURL")]
    pub launch_url: Option<String>,
    pub is_group_restricted: bool,
    pub access_token_duration_minutes: i64,
    pub refresh_token_duration_minutes: i64,
    #[serde(rename = "idTokenSigningAlg")]
    pub id_token_signing_alg: Option<String>,
    pub minimal_id_token: bool,
}

impl ClientInput {
    /// # Errors
    /// `validation_failed`, with every redirect URI that cannot be registered.
    pub fn settings(&self, app: &App) -> Result<ClientSettings, ApiError> {
        let mut errors = Vec::new();
        let insecure = app.config.allow_insecure_callback_urls;
        let mut uris = |field: &str, list: &[String]| -> Vec<RedirectUri> {
            let parse = |(index, text): (usize, &String)| match RedirectUri::register(text, insecure) {
                Ok(uri) => Some(uri),
                Err(error) => {
                    errors.push((format!("{field}[{index}]"), "callback_url_pattern".to_owned(), error.to_string()));
                    None
                }
            };
            list.iter().enumerate().filter_map(parse).collect()
        };
        let redirect_uris = uris("callbackURLs", &self.callback_urls);
        let post_logout_redirect_uris = uris("logoutCallbackURLs", &self.logout_callback_urls);
        let algorithm = self.id_token_signing_alg.as_deref().unwrap_or("RS256").parse();
        let id_token_algorithm = algorithm.unwrap_or_else(|_| {
            errors.push(("idTokenSigningAlg".into(), "oneof".into(), "must be RS256, ES256 or EdDSA".into()));
            Default::default()
        });
        if !errors.is_empty() {
            return Err(ApiError::validation(&errors));
        }
        let minutes = |minutes: i64, default: i64| if minutes == 0 { default } else { minutes.saturating_mul(60) };
        Ok(ClientSettings {
            name: self.name.trim().to_owned(),
            description: self.description.trim().to_owned(),
            redirect_uris,
            post_logout_redirect_uris,
            is_public: self.is_public,
            pkce_required: self.pkce_enabled || self.is_public,
            requires_reauthentication: self.requires_reauthentication,
            skip_consent: self.skip_consent,
            launch_url: self.launch_url.clone().filter(|url| !url.is_empty()),
            is_group_restricted: self.is_group_restricted,
            id_token_algorithm,
            minimal_id_token: self.minimal_id_token,
            access_token_seconds: minutes(self.access_token_duration_minutes, ACCESS_TOKEN_SECONDS),
            refresh_token_seconds: minutes(self.refresh_token_duration_minutes, REFRESH_TOKEN_SECONDS),
        })
    }
}

async fn list(State(app): State<App>, principal: Principal, listing: Listing) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadClients)?;
    let mut connection = app.pool.acquire().await?;
    let page = clients::list(&mut connection, listing.search.as_deref(), &listing.paging).await?;
    let mut rows = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        let Ok(id) = row.client_id.parse() else { continue };
        let secrets = clients::secrets(&mut *connection, &id).await?;
        let mut json = client_json(row, &secrets, app.now());
        json["allowedUserGroupsCount"] = json!(clients::allowed_groups(&mut *connection, &id).await?.len());
        rows.push(json);
    }
    let mut rows = rows.into_iter();
    Ok(Json(envelope(page, |_| rows.next().unwrap_or_default())))
}

async fn find(State(app): State<App>, principal: Principal, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadClients)?;
    Ok(Json(full_json(&app, &client_id(&id)?).await?))
}

async fn meta(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(meta_json(&existing(&app, &client_id(&id)?).await?)))
}

async fn create(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    JsonBody(input): JsonBody<ClientInput>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    principal.may(&app, AdminAction::ManageClients)?;
    let settings = input.settings(&app)?;
    let id = match &input.id {
        None => app.entropy.uuid_v4().to_string(),
        Some(id) => id.clone(),
    };
    let bad = || ApiError::validation(&[("id".into(), "client_id".into(), "has 2 to 128 of a-z A-Z 0-9 . _ -".into())]);
    let id: ClientId = id.parse().map_err(|_| bad())?;
    let context = circumstances.context(&app, principal.actor.clone());
    app.store
        .execute::<Client>(id.as_str(), ClientCommand::Register { settings }, &context)
        .await
        .map_err(client_error)?;
    Ok((StatusCode::CREATED, Json(full_json(&app, &id).await?)))
}

async fn update(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    JsonBody(input): JsonBody<ClientInput>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ManageClients)?;
    let id = client_id(&id)?;
    let settings = input.settings(&app)?;
    let context = circumstances.context(&app, principal.actor.clone());
    change(&app, &context, &id, settings).await?;
    Ok(Json(full_json(&app, &id).await?))
}

/// New settings; lifting the restriction forgets the allowed groups.
pub async fn change(
    app: &App,
    context: &chancery_domain::context::Context,
    id: &ClientId,
    settings: ClientSettings,
) -> Result<(), ApiError> {
    let unrestricted = !settings.is_group_restricted;
    let mut unit = app.store.unit(context);
    unit.execute::<Client>(id.as_str(), ClientCommand::Change { settings }).await.map_err(client_error)?;
    if unrestricted {
        let lift = ClientCommand::RestrictAccess { groups: Vec::new() };
        unit.execute::<Client>(id.as_str(), lift).await.map_err(client_error)?;
    }
    unit.commit().await?;
    Ok(())
}

async fn remove(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::ManageClients)?;
    let context = circumstances.context(&app, principal.actor.clone());
    let id = client_id(&id)?;
    app.store.execute::<Client>(id.as_str(), ClientCommand::Delete, &context).await.map_err(client_error)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupIds {
    user_group_ids: Vec<Uuid>,
}

async fn set_groups(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<GroupIds>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ManageClients)?;
    let id = client_id(&id)?;
    let wanted: Vec<GroupId> = body.user_group_ids.into_iter().map(GroupId).collect();
    let groups = groups::existing(&app.pool, &wanted).await?;
    let context = circumstances.context(&app, principal.actor.clone());
    let restrict = ClientCommand::RestrictAccess { groups };
    app.store.execute::<Client>(id.as_str(), restrict, &context).await.map_err(client_error)?;
    let mut json = full_json(&app, &id).await?;
    if let Some(members) = json.as_object_mut() {
        members.remove("allowedUserGroups");
    }
    Ok(Json(json))
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

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SecretInput {
    secret: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

/// The body is optional.
fn secret_input(body: &Bytes) -> Result<SecretInput, ApiError> {
    if body.is_empty() {
        return Ok(SecretInput::default());
    }
    let input: SecretInput = serde_json::from_slice(body).map_err(|_| ApiError::invalid_body())?;
    input.secret.as_deref().map_or(Ok(()), check_secret)?;
    Ok(input)
}

/// # Errors
/// `validation_failed` for a secret that somebody chose too short or that does not go into a header.
pub fn check_secret(secret: &str) -> Result<(), ApiError> {
    if secret.len() >= 16 && secret.bytes().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    let message = "needs 16 printable characters at least";
    Err(ApiError::validation(&[("secret".into(), "printascii".into(), message.into())]))
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
    context: &chancery_domain::context::Context,
    id: &ClientId,
    chosen: Option<String>,
    expires_at: Option<OffsetDateTime>,
) -> Result<NewSecret, ApiError> {
    let secret = chosen.unwrap_or_else(|| format!("{SECRET_PREFIX}{}", app.entropy.token().expose()));
    let (secret_id, prefix) = (ClientSecretId(app.entropy.uuid_v4()), prefix_of(&secret));
    let (digest, now) = (Digest::of(&secret), app.now());
    let add = ClientCommand::AddSecret { secret_id, prefix: prefix.clone(), digest, expires_at, now };
    app.store.execute::<Client>(id.as_str(), add, context).await.map_err(client_error)?;
    Ok(NewSecret { id: secret_id, secret, prefix })
}

/// What may be shown of a secret for ever: the common beginning tells nobody anything, what follows it does.
pub fn prefix_of(secret: &str) -> String {
    let shown = if secret.starts_with(SECRET_PREFIX) { 8 } else { 4 };
    if secret.len() <= 2 * shown { String::new() } else { secret.chars().take(shown).collect() }
}

async fn add_secret(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    principal.may(&app, AdminAction::ManageClientSecrets)?;
    let id = client_id(&id)?;
    let input = secret_input(&body)?;
    let context = circumstances.context(&app, principal.actor.clone());
    let added = issue_secret(&app, &context, &id, input.secret, input.expires_at).await?;
    let rows = clients::secrets(&app.pool, &id).await?;
    let row = rows.iter().find(|row| row.secret_id == added.id.0).ok_or_else(ApiError::internal)?;
    let mut json = secret_json(row, app.now());
    json["secret"] = json!(added.secret);
    Ok((StatusCode::CREATED, Json(json)))
}

/// The call that Pocket ID had before 2.14 and its tools still make: one secret in place of all.
async fn replace_secret(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ManageClientSecrets)?;
    let id = client_id(&id)?;
    let input = secret_input(&body)?;
    let before = clients::secrets(&app.pool, &id).await?;
    let context = circumstances.context(&app, principal.actor.clone());
    let added = issue_secret(&app, &context, &id, input.secret, None).await?;
    for row in before {
        let remove = ClientCommand::RemoveSecret { secret_id: ClientSecretId(row.secret_id) };
        app.store.execute::<Client>(id.as_str(), remove, &context).await.map_err(client_error)?;
    }
    Ok(Json(json!({ "secret": added.secret })))
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
    let context = circumstances.context(&app, principal.actor.clone());
    let remove = ClientCommand::RemoveSecret { secret_id };
    app.store.execute::<Client>(id.as_str(), remove, &context).await.map_err(client_error)?;
    Ok(StatusCode::NO_CONTENT)
}
