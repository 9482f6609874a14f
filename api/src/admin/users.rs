//! `/api/users`: people.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::ids::{GroupId, UserId};
use chancery_domain::policy::admin::AdminAction;
use chancery_domain::user::{RegisteredVia, User as UserAggregate, UserCommand};
use chancery_projections::groups::{self, GroupRow};
use chancery_projections::users::{self, User, UserFilter};
use serde::Deserialize;
use serde_json::{Value, json};

use super::audit_logs::rfc3339;
use super::user_input::UserInput;
use crate::accounts;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::json::{JsonBody, required, uuids};
use crate::http::listing::{Listing, envelope};
use crate::http::precondition::{Held, Seen, Tagged};
use crate::http::principal::Principal;
use crate::http::request::Circumstances;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/users", get(list).post(create))
        .route("/api/users/me", get(me).put(update_me))
        .route("/api/users/{id}", get(find).put(update).delete(erase))
        .route("/api/users/{id}/groups", get(groups_of))
        .route("/api/users/{id}/one-time-access-token", post(issue_link).delete(revoke_links))
        .route("/api/users/{id}/webauthn-credentials", get(credentials))
        .route("/api/users/{id}/webauthn-credentials/{credential}", delete(remove_credential))
}

/// The routes whose bodies list ids.
pub fn lists() -> Router<App> {
    Router::new().route("/api/users/{id}/user-groups", put(set_groups))
}

/// A person as the API shows them.
pub fn user_json(user: &User, groups: &[GroupRow], claims: &[CustomClaim]) -> Value {
    json!({
        "id": user.user_id,
        "username": user.username,
        "email": user.email,
        "emailVerified": user.email_verified,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "displayName": user.display_name,
        "isAdmin": user.is_admin,
        "locale": user.locale,
        "customClaims": claims,
        "userGroups": groups.iter().map(super::groups::minimal_json).collect::<Vec<_>>(),
        "ldapId": null,
        "disabled": user.disabled
    })
}

/// The person with groups and claims, everywhere alike.
pub async fn full_json(app: &App, user: &User) -> Result<Value, ApiError> {
    let groups = groups::of_user(&app.pool, user.id()).await?;
    Ok(user_json(user, &groups, &user.claims))
}

/// Parses an id in a path; one that is no UUID names nobody.
pub fn user_id(text: &str) -> Result<UserId, ApiError> {
    text.parse().map_err(|_| user_not_found())
}

pub fn user_not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "user_not_found", "There is no such person")
}

/// # Errors
/// `user_not_found`.
pub async fn existing(app: &App, id: UserId) -> Result<User, ApiError> {
    users::find(&app.pool, id).await?.ok_or_else(user_not_found)
}

async fn list(State(app): State<App>, principal: Principal, listing: Listing) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadUsers)?;
    let filter = UserFilter {
        search: listing.search.clone(),
        is_admin: listing.flags("isAdmin"),
        disabled: listing.flags("disabled"),
        email_verified: listing.flags("emailVerified"),
        group: None,
        people_only: false,
    };
    let mut connection = app.pool.acquire().await?;
    let page = users::list(&mut connection, &filter, &listing.paging).await?;
    let mut rows = Vec::with_capacity(page.rows.len());
    for user in &page.rows {
        let groups = groups::of_user(&mut *connection, user.id()).await?;
        rows.push(user_json(user, &groups, &user.claims));
    }
    let mut rows = rows.into_iter();
    Ok(Json(envelope(page, |_| rows.next().unwrap_or_default())))
}

/// What `GET` shows of a person now.
async fn present(app: &App, id: UserId) -> Result<Value, ApiError> {
    full_json(app, &existing(app, id).await?).await
}

/// The person as whoever changes them saw them.
pub async fn held(app: &App, id: UserId, seen: &Seen) -> Result<Held<UserAggregate>, ApiError> {
    seen.held(app, id, present(app, id)).await
}

async fn me(State(app): State<App>, principal: Principal) -> Result<Tagged, ApiError> {
    Ok(Tagged(full_json(&app, &principal.user).await?))
}

async fn find(State(app): State<App>, principal: Principal, Path(id): Path<String>) -> Result<Tagged, ApiError> {
    principal.may(&app, AdminAction::ReadUsers)?;
    Ok(Tagged(present(&app, user_id(&id)?).await?))
}

async fn create(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    JsonBody(input): JsonBody<UserInput>,
) -> Result<(StatusCode, Tagged), ApiError> {
    principal.may(&app, AdminAction::ManageUsers)?;
    let via = if principal.session.is_some() { RegisteredVia::Admin } else { RegisteredVia::Api };
    // As with apps, an empty text is none.
    let id = match input.id.as_deref().unwrap_or_default() {
        "" => UserId(app.entropy.uuid_v4()),
        id => id.parse().map_err(|_| ApiError::field("id", "uuid", "must be a UUID"))?,
    };
    let groups = known_groups(&app, &input.user_group_ids).await?;
    let caller = principal.caller(&app, &circumstances);
    accounts::register(&app, &caller, id, input.wanted()?, via, groups).await?;
    Ok((StatusCode::CREATED, Tagged(present(&app, id).await?)))
}

async fn update(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
    JsonBody(input): JsonBody<UserInput>,
) -> Result<Tagged, ApiError> {
    principal.may(&app, AdminAction::ManageUsers)?;
    let id = user_id(&id)?;
    let caller = principal.caller(&app, &circumstances);
    let held = held(&app, id, &seen).await?;
    accounts::change(&app, &caller, id, input.wanted()?, &held).await?;
    Ok(Tagged(present(&app, id).await?))
}

async fn update_me(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    seen: Seen,
    JsonBody(input): JsonBody<UserInput>,
) -> Result<Tagged, ApiError> {
    let caller = principal.caller(&app, &circumstances);
    let id = principal.user.id();
    // AD-03: rights, verification and state are not the person's own to set; they are ignored here.
    let held = held(&app, id, &seen).await?;
    accounts::change_own(&app, &caller, &principal.user, input.profile()?, &held).await?;
    Ok(Tagged(present(&app, id).await?))
}

async fn erase(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::ManageUsers)?;
    let id = user_id(&id)?;
    existing(&app, id).await?;
    let caller = principal.caller(&app, &circumstances);
    let held = held(&app, id, &seen).await?;
    accounts::erase(&app, &caller, id, &held).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn groups_of(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadUsers)?;
    let user = existing(&app, user_id(&id)?).await?;
    let groups = groups::of_user(&app.pool, user.id()).await?;
    Ok(Json(groups.iter().map(super::groups::bare_json).collect()))
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
    principal.may(&app, AdminAction::ManageUsers)?;
    let id = user_id(&id)?;
    let groups = known_groups(&app, &required("userGroupIds", body.user_group_ids)?).await?;
    let caller = principal.caller(&app, &circumstances);
    let held = held(&app, id, &seen).await?;
    accounts::execute_all(&app, &caller, id, vec![UserCommand::SetGroups { groups }], &held).await?;
    Ok(Json(present(&app, id).await?))
}

/// Unknown ids are dropped without a word, as Pocket ID does.
async fn known_groups(app: &App, ids: &[String]) -> Result<Vec<GroupId>, ApiError> {
    let ids: Vec<_> = uuids(ids).into_iter().map(GroupId).collect();
    Ok(groups::existing(&app.pool, &ids).await?)
}

/// How long an enrollment link shall live.
#[derive(Debug, Deserialize)]
pub struct LinkInput {
    #[serde(default)]
    pub ttl: Option<Value>,
}

/// `POST /api/users/{id}/one-time-access-token`: an enrollment link. Pocket ID's code signs in; ours enrolls a passkey,
/// since nothing but a passkey lets anyone in.
async fn issue_link(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<LinkInput>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    principal.may(&app, AdminAction::IssueEnrollment)?;
    let user = existing(&app, user_id(&id)?).await?;
    let lifetime = super::ttl(body.ttl.as_ref())?;
    let caller = principal.caller(&app, &circumstances);
    let link = accounts::issue_link(&app, &caller, &user, lifetime, false).await?;
    Ok((
        StatusCode::CREATED,
        Json(json!({ "token": link.code, "url": link.url, "expiresAt": rfc3339(link.expires_at) })),
    ))
}

/// `DELETE /api/users/{id}/one-time-access-token`: no open link of theirs can be used any more. Pocket ID has nothing like it.
async fn revoke_links(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::IssueEnrollment)?;
    let user = existing(&app, user_id(&id)?).await?;
    accounts::revoke_links(&app, &principal.caller(&app, &circumstances), user.id()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn credentials(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadUsers)?;
    let user = existing(&app, user_id(&id)?).await?;
    crate::webauthn::credentials_json(&app, user.id()).await.map(Json)
}

async fn remove_credential(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path((id, credential)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::RemovePasskey)?;
    let id = user_id(&id)?;
    let passkey_id = credential.parse().map_err(|_| ApiError::not_found())?;
    let caller = principal.caller(&app, &circumstances);
    let command = UserCommand::RemovePasskey { passkey_id, by: chancery_domain::user::RemovedBy::Admin };
    accounts::execute(&app, &caller, id, command).await?;
    Ok(StatusCode::NO_CONTENT)
}
