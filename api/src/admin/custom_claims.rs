//! `/api/custom-claims`: claims of an administrator's choice, on people and groups.

use axum::extract::{Path, State};
use axum::routing::{get, put};
use axum::{Json, Router};
use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::group::GroupCommand;
use chancery_domain::policy::admin::AdminAction;
use chancery_domain::user::UserCommand;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::json::{JsonBody, or_default};
use crate::http::precondition::Seen;
use crate::http::principal::Principal;
use crate::http::request::Circumstances;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/custom-claims/suggestions", get(suggestions))
        .route("/api/custom-claims/user/{id}", put(set_for_user))
        .route("/api/custom-claims/user-group/{id}", put(set_for_group))
}

/// The keys in use, the most used first.
async fn suggestions(State(app): State<App>, principal: Principal) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadUsers)?;
    Ok(Json(json!(chancery_projections::users::claim_keys(&app.pool).await?)))
}

/// A claim as it was sent; the rule about claims says what must be there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ClaimInput {
    #[serde(deserialize_with = "or_default")]
    key: String,
    #[serde(deserialize_with = "or_default")]
    value: String,
}

fn claims_of(input: Vec<ClaimInput>) -> Vec<CustomClaim> {
    input.into_iter().map(|ClaimInput { key, value }| CustomClaim { key, value }).collect()
}

async fn set_for_user(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
    JsonBody(input): JsonBody<Vec<ClaimInput>>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ManageUsers)?;
    let id = super::users::user_id(&id)?;
    let claims = claims_of(input);
    let caller = principal.caller(&app, &circumstances);
    let held = super::users::held(&app, id, &seen).await?;
    let set = UserCommand::SetClaims { claims: claims.clone() };
    accounts::execute_all(&app, &caller, id, vec![set], &held).await?;
    Ok(Json(json!(claims)))
}

async fn set_for_group(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
    seen: Seen,
    JsonBody(input): JsonBody<Vec<ClaimInput>>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ManageGroups)?;
    let id = super::groups::group_id(&id)?;
    let claims = claims_of(input);
    let caller = principal.caller(&app, &circumstances);
    let set = GroupCommand::SetClaims { claims: claims.clone() };
    super::groups::change_group(&app, &caller, id, set, super::groups::held(app.clone(), id, seen)).await?;
    Ok(Json(json!(claims)))
}
