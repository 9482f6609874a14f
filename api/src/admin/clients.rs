//! `/api/oidc/clients`: apps.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_adapters::event_store::ExecuteError;
use chancery_domain::client::{Client, ClientCommand, ClientRefusal, ClientSettings};
use chancery_domain::ids::{ClientId, GroupId};
use chancery_domain::policy::admin::AdminAction;
use chancery_projections::clients::{self, ClientFilter, ClientRow, SecretRow};
use chancery_projections::groups;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::client_input::ClientInput;
use super::client_secrets::secret_json;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::{JsonBody, required, uuids};
use crate::http::listing::{Listing, envelope};
use crate::http::precondition::{Held, Seen, Tagged};
use crate::http::principal::Principal;
use crate::http::request::Circumstances;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/oidc/clients", get(list).post(create))
        .route("/api/oidc/clients/{id}", get(find).put(update).delete(remove))
        .route("/api/oidc/clients/{id}/meta", get(meta))
}

/// The routes whose bodies list ids.
pub fn lists() -> Router<App> {
    Router::new().route("/api/oidc/clients/{id}/allowed-user-groups", put(set_groups))
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

pub async fn full_json(app: &App, id: &ClientId) -> Result<Value, ApiError> {
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
    let field = ApiError::field;
    match refusal {
        ClientRefusal::AlreadyRegistered => {
            ApiError::new(StatusCode::CONFLICT, "client_id_already_exists", "This id is taken, or was once")
        }
        ClientRefusal::Unknown | ClientRefusal::NoSuchSecret => ApiError::not_found(),
        ClientRefusal::Settings(wrong) => ApiError::fields(&wrong),
        ClientRefusal::PublicClient => field("secret", "invalid_value", "cannot be given to a public client"),
        ClientRefusal::TooManySecrets => field("secret", "too_many", "cannot be added: a client has 20 at most"),
        ClientRefusal::BadExpiration => field("expiresAt", "invalid_value", "must lie in the future"),
    }
}

async fn list(State(app): State<App>, principal: Principal, listing: Listing) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadClients)?;
    let mut connection = app.pool.acquire().await?;
    let page = clients::list(&mut connection, &filter_of(&listing), &listing.paging).await?;
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

fn filter_of(listing: &Listing) -> ClientFilter {
    ClientFilter {
        search: listing.search.clone(),
        is_public: listing.flags("isPublic"),
        pkce_enabled: listing.flags("pkceEnabled"),
        requires_reauthentication: listing.flags("requiresReauthentication"),
        requires_pushed_authorization_requests: listing.flags("requiresPushedAuthorizationRequests"),
        skip_consent: listing.flags("skipConsent"),
        is_group_restricted: listing.flags("isGroupRestricted"),
        client_type: listing.filter("clientType"),
    }
}

async fn find(State(app): State<App>, principal: Principal, Path(id): Path<String>) -> Result<Tagged, ApiError> {
    principal.may(&app, AdminAction::ReadClients)?;
    Ok(Tagged(full_json(&app, &client_id(&id)?).await?))
}

async fn meta(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(meta_json(&existing(&app, &client_id(&id)?).await?)))
}

async fn create(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    JsonBody(input): JsonBody<ClientInput>,
) -> Result<(StatusCode, Tagged), ApiError> {
    principal.may(&app, AdminAction::ManageClients)?;
    let settings = input.settings(&app, None)?;
    // Go's encoder writes a text that is not there as an empty one.
    let id = match input.id.as_deref().unwrap_or_default() {
        "" => app.entropy.uuid_v4().to_string(),
        id => id.to_owned(),
    };
    let bad = || ApiError::field("id", "client_id", "has 2 to 128 of a-z A-Z 0-9 . _ -");
    let id: ClientId = id.parse().map_err(|_| bad())?;
    let caller = principal.caller(&app, &circumstances);
    execute_all(&app, &caller, &id, vec![ClientCommand::Register { settings }], &None).await?;
    Ok((StatusCode::CREATED, Tagged(full_json(&app, &id).await?)))
}

async fn update(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
    JsonBody(input): JsonBody<ClientInput>,
) -> Result<Tagged, ApiError> {
    principal.may(&app, AdminAction::ManageClients)?;
    let id = client_id(&id)?;
    let caller = principal.caller(&app, &circumstances);
    seen.decide(|| change(&app, &caller, &id, &seen, &input)).await?;
    Ok(Tagged(full_json(&app, &id).await?))
}

/// What the body does not name stays as it is: that is read behind the stream, and recorded only upon that. Otherwise a
/// change that is made meanwhile would be undone by somebody who said nothing of it (attacks AD-15).
async fn change(app: &App, caller: &Caller, id: &ClientId, seen: &Seen, input: &ClientInput) -> Result<(), ApiError> {
    let read = app.store.load::<Client>(id).await?;
    let settings = input.settings(app, Some(&existing(app, id).await?.settings))?;
    seen.unchanged(full_json(app, id)).await?;
    execute_all(app, caller, id, changing(settings, None), &Some(read)).await
}

/// New settings, and the allowed groups where they are said too; lifting the restriction forgets them.
pub fn changing(settings: ClientSettings, groups: Option<Vec<GroupId>>) -> Vec<ClientCommand> {
    let groups = if settings.is_group_restricted { groups } else { Some(Vec::new()) };
    let restrict = groups.map(|groups| ClientCommand::RestrictAccess { groups });
    std::iter::once(ClientCommand::Change { settings }).chain(restrict).collect()
}

/// The app as whoever changes it saw it.
pub async fn held(app: &App, id: &ClientId, seen: &Seen) -> Result<Held<Client>, ApiError> {
    seen.held(app, id, full_json(app, id)).await
}

/// Several commands on one app in one append.
pub async fn execute_all(
    app: &App,
    caller: &Caller,
    id: &ClientId,
    commands: Vec<ClientCommand>,
    held: &Held<Client>,
) -> Result<(), ApiError> {
    let context = caller.may_all(None, &commands)?;
    app.store.execute_all::<Client>(id, commands, held.as_ref(), context).await.map_err(client_error)?;
    Ok(())
}

async fn remove(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::ManageClients)?;
    let caller = principal.caller(&app, &circumstances);
    let id = client_id(&id)?;
    let held = held(&app, &id, &seen).await?;
    execute_all(&app, &caller, &id, vec![ClientCommand::Delete], &held).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupIds {
    user_group_ids: Option<Vec<String>>,
}

async fn set_groups(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
    JsonBody(body): JsonBody<GroupIds>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ManageClients)?;
    let id = client_id(&id)?;
    let wanted = required("userGroupIds", body.user_group_ids)?;
    let wanted: Vec<GroupId> = uuids(&wanted).into_iter().map(GroupId).collect();
    let groups = groups::existing(&app.pool, &wanted).await?;
    let caller = principal.caller(&app, &circumstances);
    let restrict = ClientCommand::RestrictAccess { groups };
    let held = held(&app, &id, &seen).await?;
    execute_all(&app, &caller, &id, vec![restrict], &held).await?;
    let mut json = full_json(&app, &id).await?;
    if let Some(members) = json.as_object_mut() {
        members.remove("allowedUserGroups");
    }
    Ok(Json(json))
}
