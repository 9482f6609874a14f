//! `/api/sessions` and `/api/users/{id}/sessions`: where people are signed in. Pocket ID has no such list.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use chancery_domain::ids::{SessionId, UserId};
use chancery_domain::policy::admin::AdminAction;
use chancery_domain::session::{Session, SessionCommand, SessionEnd};
use chancery_domain::user::UserCommand;
use chancery_projections::sessions::{self, SessionRow};
use serde_json::{Value, json};

use super::audit_logs::rfc3339;
use crate::accounts;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::principal::Principal;
use crate::http::request::Circumstances;
use crate::user_agent::UserAgent;
use crate::webauthn::session_error;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/sessions", get(own))
        .route("/api/sessions/{id}", delete(end_own))
        .route("/api/sessions/end-all", post(end_all_own))
        .route("/api/users/{id}/sessions", get(of_user).delete(end_all_of_user))
        .route("/api/users/{id}/sessions/{session}", delete(end_of_user))
}

fn session_json(row: &SessionRow, current: Option<SessionId>) -> Value {
    json!({
        "id": row.session_id, "startedAt": rfc3339(row.started_at), "lastUsedAt": rfc3339(row.used_at),
        "expiresAt": rfc3339(row.expires_at), "authenticatedAt": rfc3339(row.authenticated_at),
        "device": row.user_agent.as_deref().map(|text| UserAgent::read(text).to_string()),
        "ipAddress": row.address, "country": row.country, "city": row.city, "passkeyId": row.passkey_id,
        "current": current == Some(row.id())
    })
}

async fn list(app: &App, user: UserId, current: Option<SessionId>) -> Result<Json<Value>, ApiError> {
    let rows = sessions::live_of(&app.pool, user, app.now()).await?;
    Ok(Json(rows.iter().map(|row| session_json(row, current)).collect()))
}

async fn own(State(app): State<App>, principal: Principal) -> Result<Json<Value>, ApiError> {
    list(&app, principal.user.id(), principal.session.as_ref().map(|session| session.session.id())).await
}

async fn of_user(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadUsers)?;
    let user = super::users::existing(&app, super::users::user_id(&id)?).await?;
    list(&app, user.id(), None).await
}

/// Ends a session of this person; anybody else's is not found.
pub async fn end(app: &App, caller: &Caller, user: UserId, id: &str, why: SessionEnd) -> Result<(), ApiError> {
    let id: SessionId = id.parse().map_err(|_| ApiError::not_found())?;
    let row = sessions::find(&app.pool, id).await?.filter(|row| row.user() == user);
    row.ok_or_else(ApiError::not_found)?;
    let end = SessionCommand::End { why };
    let context = caller.may_about(user, &end)?;
    app.store.execute::<Session>(id, end, context).await.map_err(session_error)?;
    Ok(())
}

/// Ends a session of whoever asks, `here` or elsewhere.
pub async fn end_ones_own(
    app: &App,
    caller: &Caller,
    user: UserId,
    here: Option<SessionId>,
    id: &str,
) -> Result<(), ApiError> {
    let is_here = here.is_some() && id.parse().ok() == here;
    let why = if is_here { SessionEnd::SignedOut } else { SessionEnd::EndedByOwner };
    end(app, caller, user, id, why).await
}

async fn end_own(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let caller = principal.caller(&app, &circumstances);
    let here = principal.session.as_ref().map(|signed_in| signed_in.session.id());
    end_ones_own(&app, &caller, principal.user.id(), here, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end_all_own(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
) -> Result<StatusCode, ApiError> {
    let caller = principal.caller(&app, &circumstances);
    let command = UserCommand::SignOutEverywhere { except: None };
    accounts::execute(&app, &caller, principal.user.id(), command).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end_of_user(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path((id, session)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::EndSessions)?;
    let caller = principal.caller(&app, &circumstances);
    end(&app, &caller, super::users::user_id(&id)?, &session, SessionEnd::EndedByAdmin).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end_all_of_user(
    State(app): State<App>,
    circumstances: Circumstances,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::EndSessions)?;
    let caller = principal.caller(&app, &circumstances);
    let command = UserCommand::SignOutEverywhere { except: None };
    accounts::execute(&app, &caller, super::users::user_id(&id)?, command).await?;
    Ok(StatusCode::NO_CONTENT)
}
