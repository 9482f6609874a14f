//! `/api/audit-logs`: the history, as Pocket ID's tools read it; and `/api/events`, the log itself by position.

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use chancery_domain::policy::admin::AdminAction;
use chancery_projections::audit::{AuditFilter, query};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::audit_entries::entries;
use super::event_names::own_names;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::listing::{Listing, envelope};
use crate::http::principal::Principal;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/audit-logs", get(own))
        .route("/api/audit-logs/all", get(all))
        .route("/api/audit-logs/filters/client-names", get(client_names))
        .route("/api/audit-logs/filters/users", get(people))
        .route("/api/events", get(events))
}

/// RFC 3339, as all times of the API.
pub fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

/// Several values of a filter are alternatives; one that means nothing is among nobody's entries.
async fn filter(app: &App, listing: &Listing) -> Result<AuditFilter, ApiError> {
    let clients = match asked(listing, "clientName") {
        Some(names) => Some(query::clients_called(&app.pool, &names).await?),
        None => None,
    };
    let location = |text: &String| match text.as_str() {
        "internal" => Some(true),
        "external" => Some(false),
        _ => None,
    };
    Ok(AuditFilter {
        names: asked(listing, "event").map(|names| names.iter().flat_map(|name| own_names(name)).collect()),
        about: asked(listing, "userID").map(|ids| ids.iter().filter_map(|id| id.parse().ok()).collect()),
        clients,
        internal: asked(listing, "location").map(|places| places.iter().filter_map(location).collect()),
        text: listing.search.clone(),
        ..AuditFilter::default()
    })
}

fn asked(listing: &Listing, field: &str) -> Option<Vec<String>> {
    Some(listing.filter(field)).filter(|values| !values.is_empty())
}

async fn own(State(app): State<App>, principal: Principal, listing: Listing) -> Result<Json<Value>, ApiError> {
    let filter = AuditFilter { own: Some(principal.user.id()), ..filter(&app, &listing).await? };
    list(&app, &filter, &listing, false).await
}

async fn all(State(app): State<App>, principal: Principal, listing: Listing) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadHistory)?;
    let filter = filter(&app, &listing).await?;
    list(&app, &filter, &listing, true).await
}

async fn list(
    app: &App,
    filter: &AuditFilter,
    listing: &Listing,
    with_usernames: bool,
) -> Result<Json<Value>, ApiError> {
    app.history_reached(app.store.head()).await;
    let mut connection = app.pool.acquire().await?;
    let page = query::list(&mut connection, filter, &listing.paging).await?;
    let mut entries = entries(&mut connection, &page.rows, with_usernames).await?.into_iter();
    Ok(Json(envelope(page, |_| entries.next().unwrap_or_default())))
}

async fn client_names(State(app): State<App>, principal: Principal) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadHistory)?;
    app.history_reached(app.store.head()).await;
    Ok(Json(json!(query::client_names(&app.pool).await?)))
}

async fn people(State(app): State<App>, principal: Principal) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadHistory)?;
    app.history_reached(app.store.head()).await;
    let people = query::users(&app.pool).await?;
    Ok(Json(people.into_iter().map(|(id, name)| (id.to_string(), json!(name))).collect::<Map<_, _>>().into()))
}

#[derive(Deserialize)]
struct Window {
    #[serde(default)]
    after: i64,
    #[serde(default)]
    limit: Option<i64>,
}

/// `GET /api/events?after=N&limit=M`: the log in order, personal values opened, for whoever may read the history.
async fn events(
    State(app): State<App>,
    principal: Principal,
    Query(window): Query<Window>,
) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadHistory)?;
    let limit = window.limit.unwrap_or(100).clamp(1, 1_000);
    let read = app.store.feed().read_json(window.after.max(0), limit).await.map_err(|error| {
        tracing::error!(%error, "the log cannot be read");
        ApiError::unavailable()
    })?;
    let events: Vec<_> = read.into_iter().map(|row| stored_json(&row)).collect();
    Ok(Json(json!({ "events": events, "head": app.store.feed().head().await.unwrap_or(0) })))
}

/// An event as it is stored, opened.
pub fn stored_json(row: &chancery_adapters::event_store::StoredRow) -> Value {
    json!({
        "position": row.position, "eventId": row.event_id, "recordedAt": rfc3339(row.recorded_at),
        "stream": format!("{}/{}", row.aggregate_type, row.aggregate_id), "sequence": row.sequence,
        "type": row.event_type, "version": row.event_version, "payload": row.payload, "metadata": row.metadata
    })
}
