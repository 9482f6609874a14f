//! `/api/user-groups`: groups, their members and the apps they may use.

use std::collections::HashSet;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use chancery_adapters::event_store::ExecuteError;
use chancery_domain::client::{Client, ClientCommand};
use chancery_domain::group::{Group, GroupCommand, GroupNames, GroupRefusal};
use chancery_domain::ids::{ClientId, GroupId, UserId};
use chancery_domain::policy::admin::AdminAction;
use chancery_domain::user::{User as UserAggregate, UserCommand};
use chancery_projections::groups::{self, GroupRow};
use chancery_projections::users::{self, UserFilter};
use chancery_projections::{clients, page::Paging};
use serde::Deserialize;
use serde_json::{Value, json};

use super::users::user_json;
use crate::accounts::{claims_error, one_at_a_time, user_error};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::{JsonBody, or_default, required, uuids};
use crate::http::listing::{Listing, envelope};
use crate::http::precondition::{Held, Seen, Tagged};
use crate::http::principal::Principal;
use crate::http::request::Circumstances;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/user-groups", get(list).post(create))
        .route("/api/user-groups/{id}", get(find).put(update).delete(remove))
}

/// The routes whose bodies list ids.
pub fn lists() -> Router<App> {
    Router::new()
        .route("/api/user-groups/{id}/users", put(set_members))
        .route("/api/user-groups/{id}/allowed-oidc-clients", put(set_clients))
}

/// A group as it is nested in other answers: without claims and count.
pub fn minimal_json(row: &GroupRow) -> Value {
    json!({
        "id": row.group_id, "friendlyName": row.friendly_name, "name": row.name, "customClaims": [], "userCount": 0,
        "ldapId": null, "createdAt": super::audit_logs::rfc3339(row.created_at)
    })
}

/// A group of a person: without members.
pub fn bare_json(row: &GroupRow) -> Value {
    json!({
        "id": row.group_id, "friendlyName": row.friendly_name, "name": row.name, "customClaims": [], "ldapId": null,
        "createdAt": super::audit_logs::rfc3339(row.created_at), "users": [], "allowedOidcClients": []
    })
}

/// The whole group.
async fn full_json(app: &App, id: GroupId) -> Result<Value, ApiError> {
    let row = existing(app, id).await?;
    let mut connection = app.pool.acquire().await?;
    let filter = UserFilter { group: Some(id), ..UserFilter::default() };
    let mut members = Vec::new();
    let mut paging = Paging { limit: 100, ..Paging::default() };
    loop {
        let page = users::list(&mut connection, &filter, &paging).await?;
        members.extend(page.rows.iter().map(|user| user_json(user, &[], &[])));
        if page.current >= page.pages {
            break;
        }
        paging.page += 1;
    }
    let apps = clients::of_group(&mut *connection, id).await?;
    let mut json = bare_json(&row);
    json["customClaims"] = json!(row.claims.0);
    json["users"] = json!(members);
    json["allowedOidcClients"] = apps.iter().map(super::clients::meta_json).collect();
    Ok(json)
}

/// The group as whoever changes it saw it.
pub async fn held(app: App, id: GroupId, seen: Seen) -> Result<Held<Group>, ApiError> {
    seen.held(&app, id, full_json(&app, id)).await
}

pub async fn create_group(app: &App, caller: &Caller, id: GroupId, names: GroupNames) -> Result<(), ApiError> {
    execute(app, caller, id, GroupCommand::Create { names }, &None).await
}

/// Changes a group that is `held` as it was seen. Its lists are on other streams: neither they nor this are recorded while
/// it is looked whether the other may be.
pub async fn change_group(
    app: &App,
    caller: &Caller,
    id: GroupId,
    command: GroupCommand,
    held: impl Future<Output = Result<Held<Group>, ApiError>> + Send + 'static,
) -> Result<(), ApiError> {
    let (node, caller) = (app.clone(), caller.clone());
    one_at_a_time(app, async move { execute(&node, &caller, id, command, &held.await?).await }).await
}

async fn execute(
    app: &App,
    caller: &Caller,
    id: GroupId,
    command: GroupCommand,
    held: &Held<Group>,
) -> Result<(), ApiError> {
    let context = caller.may(&command)?;
    app.store.execute_all::<Group>(id, vec![command], held.as_ref(), context).await.map_err(group_error)?;
    Ok(())
}

pub fn group_id(text: &str) -> Result<GroupId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

/// # Errors
/// `not_found`.
pub async fn existing(app: &App, id: GroupId) -> Result<GroupRow, ApiError> {
    groups::find(&app.pool, id).await?.ok_or_else(ApiError::not_found)
}

pub fn group_error(error: ExecuteError<GroupRefusal>) -> ApiError {
    match error {
        ExecuteError::Store(error) => error.into(),
        ExecuteError::Refused(GroupRefusal::AlreadyCreated) => ApiError::already_in_use("id"),
        ExecuteError::Refused(GroupRefusal::Unknown) => ApiError::not_found(),
        ExecuteError::Refused(GroupRefusal::BadNames(wrong)) => ApiError::fields(&wrong),
        ExecuteError::Refused(GroupRefusal::Claims(refusal)) => claims_error(&refusal),
    }
}

async fn list(State(app): State<App>, principal: Principal, listing: Listing) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadGroups)?;
    let mut connection = app.pool.acquire().await?;
    let page = groups::list(&mut connection, listing.search.as_deref(), &listing.paging).await?;
    Ok(Json(envelope(page, |row| {
        let mut json = minimal_json(&row);
        json["customClaims"] = json!(row.claims.0);
        json["userCount"] = json!(row.user_count);
        json
    })))
}

async fn find(State(app): State<App>, principal: Principal, Path(id): Path<String>) -> Result<Tagged, ApiError> {
    principal.may(&app, AdminAction::ReadGroups)?;
    Ok(Tagged(full_json(&app, group_id(&id)?).await?))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GroupInput {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    friendly_name: String,
}

impl GroupInput {
    fn names(self) -> GroupNames {
        GroupNames { name: self.name, friendly_name: self.friendly_name }
    }
}

async fn create(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    JsonBody(input): JsonBody<GroupInput>,
) -> Result<(StatusCode, Tagged), ApiError> {
    principal.may(&app, AdminAction::ManageGroups)?;
    let id = GroupId(app.entropy.uuid_v4());
    let caller = principal.caller(&app, &circumstances);
    create_group(&app, &caller, id, input.names()).await?;
    Ok((StatusCode::CREATED, Tagged(full_json(&app, id).await?)))
}

async fn update(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
    JsonBody(input): JsonBody<GroupInput>,
) -> Result<Tagged, ApiError> {
    principal.may(&app, AdminAction::ManageGroups)?;
    let id = group_id(&id)?;
    let caller = principal.caller(&app, &circumstances);
    let change = GroupCommand::Change { names: input.names() };
    change_group(&app, &caller, id, change, held(app.clone(), id, seen)).await?;
    Ok(Tagged(full_json(&app, id).await?))
}

async fn remove(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::ManageGroups)?;
    let id = group_id(&id)?;
    let caller = principal.caller(&app, &circumstances);
    change_group(&app, &caller, id, GroupCommand::Delete, held(app.clone(), id, seen)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    user_ids: Option<Vec<String>>,
}

/// Exactly these members; whoever does not exist is dropped without a word.
async fn set_members(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
    JsonBody(body): JsonBody<Members>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ManageGroups)?;
    let id = group_id(&id)?;
    let wanted: Vec<UserId> = uuids(&required("userIds", body.user_ids)?).into_iter().map(UserId).collect();
    let caller = principal.caller(&app, &circumstances);
    let node = app.clone();
    one_at_a_time(&app, async move { replace_members(&node, &caller, id, &seen, &wanted).await }).await?;
    Ok(Json(full_json(&app, id).await?))
}

/// Members are on their own streams, which tell nothing of a group's list: what was seen is compared, and another list
/// recorded, by one at a time.
async fn replace_members(
    app: &App,
    caller: &Caller,
    id: GroupId,
    seen: &Seen,
    wanted: &[UserId],
) -> Result<(), ApiError> {
    existing(app, id).await?;
    seen.unchanged(full_json(app, id)).await?;
    let wanted: HashSet<UserId> = users::existing(&app.pool, wanted).await?.into_iter().collect();
    let before: HashSet<UserId> = groups::members(&app.pool, id).await?.into_iter().collect();
    let (leave, join) = (UserCommand::LeaveGroup { group_id: id }, UserCommand::JoinGroup { group_id: id });
    let mut unit = app.store.unit(caller.may_all(None, &[leave.clone(), join.clone()])?);
    for user in before.difference(&wanted) {
        unit.execute::<UserAggregate>(&user.to_string(), leave.clone()).await.map_err(user_error)?;
    }
    for user in wanted.difference(&before) {
        unit.execute::<UserAggregate>(&user.to_string(), join.clone()).await.map_err(user_error)?;
    }
    unit.commit().await?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AllowedClients {
    oidc_client_ids: Option<Vec<String>>,
}

/// Exactly these apps list the group among those that may use them.
async fn set_clients(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
    JsonBody(body): JsonBody<AllowedClients>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ManageClients)?;
    let id = group_id(&id)?;
    let wanted = required("oidcClientIds", body.oidc_client_ids)?;
    let wanted: Vec<ClientId> = wanted.iter().filter_map(|text| text.parse().ok()).collect();
    let caller = principal.caller(&app, &circumstances);
    let node = app.clone();
    let replacing = async move { seen.decide(|| replace_clients(&node, &caller, id, &seen, &wanted)).await };
    one_at_a_time(&app, replacing).await?;
    Ok(Json(full_json(&app, id).await?))
}

/// As [`replace_members`].
async fn replace_clients(
    app: &App,
    caller: &Caller,
    id: GroupId,
    seen: &Seen,
    wanted: &[ClientId],
) -> Result<(), ApiError> {
    existing(app, id).await?;
    seen.unchanged(full_json(app, id)).await?;
    let before: Vec<String> = clients::of_group(&app.pool, id).await?.into_iter().map(|row| row.client_id).collect();
    let mut restrictions = Vec::new();
    let gone = before.iter().filter(|client| !wanted.iter().any(|wanted| wanted.as_str() == *client));
    let gone: Vec<ClientId> = gone.filter_map(|client| client.parse().ok()).collect();
    let added = wanted.iter().filter(|client| !before.iter().any(|before| before == client.as_str()));
    for (client, allow) in gone.iter().map(|client| (client, false)).chain(added.map(|client| (client, true))) {
        // The app's other groups stay as they are: recorded only upon what was read.
        let read = app.store.load::<Client>(client).await?;
        let Client::Registered(registered) = read.state() else { continue };
        let mut groups = registered.groups.clone();
        groups.retain(|group| *group != id);
        groups.extend(allow.then_some(id));
        restrictions.push((read, ClientCommand::RestrictAccess { groups }));
    }
    let commands: Vec<_> = restrictions.iter().map(|(_, restrict)| restrict.clone()).collect();
    let mut unit = app.store.unit(caller.may_all(None, &commands)?);
    for (read, restrict) in restrictions {
        unit.execute_on::<Client>(&read, restrict).await.map_err(super::clients::client_error)?;
    }
    unit.commit().await?;
    Ok(())
}
