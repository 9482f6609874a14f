//! `/api/oidc/users/…`: what people allowed apps, and which apps they may use.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use chancery_adapters::event_store::ExecuteError;
use chancery_domain::consent::{Consent, ConsentCommand, stream};
use chancery_domain::ids::{ClientId, UserId};
use chancery_domain::policy::admin::AdminAction;
use chancery_projections::clients;
use chancery_projections::consents::{self, AuthorizedClient};
use serde_json::{Value, json};

use super::audit_logs::rfc3339;
use super::clients::{client_id, meta_json};
use super::users::{existing, user_id};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::listing::{Listing, envelope};
use crate::http::principal::Principal;
use crate::http::request::Circumstances;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/oidc/users/me/authorized-clients", get(own))
        .route("/api/oidc/users/me/authorized-clients/{client}", delete(withdraw_own))
        .route("/api/oidc/users/me/clients", get(usable))
        .route("/api/oidc/users/{id}/authorized-clients", get(of_person))
}

async fn own(State(app): State<App>, principal: Principal, listing: Listing) -> Result<Json<Value>, ApiError> {
    list(&app, principal.user.id(), &listing).await
}

async fn of_person(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<String>,
    listing: Listing,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadUsers)?;
    let user = existing(&app, user_id(&id)?).await?;
    list(&app, user.id(), &listing).await
}

async fn list(app: &App, user: UserId, listing: &Listing) -> Result<Json<Value>, ApiError> {
    let mut connection = app.pool.acquire().await?;
    let launchable = listing.flags("hasLaunchURL");
    let page = consents::list_of_user(&mut connection, user, &launchable, &listing.paging).await?;
    Ok(Json(envelope(page, |row| authorized_json(&row))))
}

/// Pocket ID packs the list of scopes into a text.
fn authorized_json(row: &AuthorizedClient) -> Value {
    json!({
        "scope": json!(row.scopes).to_string(), "client": meta_json(&row.client),
        "lastUsedAt": rfc3339(row.last_used_at)
    })
}

async fn withdraw_own(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(client): Path<String>,
) -> Result<StatusCode, ApiError> {
    let caller = principal.caller(&app, &circumstances);
    withdraw(&app, &caller, principal.user.id(), client_id(&client)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends what the app was given for this person, too.
///
/// # Errors
/// `not_found` where there is no consent.
pub async fn withdraw(app: &App, caller: &Caller, user_id: UserId, client_id: ClientId) -> Result<(), ApiError> {
    let stream = stream(user_id, &client_id);
    let withdraw = ConsentCommand::Withdraw { user_id, client_id };
    let context = caller.may_about(user_id, &withdraw)?;
    match app.store.execute::<Consent>(stream, withdraw, context).await {
        Ok(_) => Ok(()),
        Err(ExecuteError::Refused(_)) => Err(ApiError::not_found()),
        Err(ExecuteError::Store(error)) => Err(error.into()),
    }
}

async fn usable(State(app): State<App>, principal: Principal, listing: Listing) -> Result<Json<Value>, ApiError> {
    let mut connection = app.pool.acquire().await?;
    let launchable = listing.flags("hasLaunchURL");
    let page = clients::list_usable_by(&mut connection, principal.user.id(), &launchable, &listing.paging).await?;
    Ok(Json(envelope(page, |row| {
        let mut json = meta_json(&row.client);
        json["lastUsedAt"] = json!(row.last_used_at.map(rfc3339));
        json
    })))
}
