//! `/api/audit-logs`: the history, as Pocket ID's tools read it; and `/api/events`, the log itself by position.

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use chancery_domain::ids::UserId;
use chancery_domain::policy::admin::AdminAction;
use chancery_projections::audit::{AuditFilter, AuditRow, query, told};
use chancery_projections::page::Page;
use chancery_projections::users;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::listing::{Listing, envelope};
use crate::http::principal::Principal;
use crate::user_agent::UserAgent;

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

/// Our event names and those that Pocket ID has for the same thing; all others are ours in its way of writing.
const SHARED_NAMES: &[(&str, &str)] = &[
    ("session.started", "SIGN_IN"),
    ("user.registered", "ACCOUNT_CREATED"),
    ("grant.authorized", "CLIENT_AUTHORIZATION"),
    ("consent.given", "NEW_CLIENT_AUTHORIZATION"),
    ("user.passkey_enrolled", "PASSKEY_ADDED"),
    ("user.passkey_removed", "PASSKEY_REMOVED"),
];

fn api_name(name: &str) -> String {
    match SHARED_NAMES.iter().find(|(own, _)| *own == name) {
        Some((_, shared)) => (*shared).to_owned(),
        None => name.replace('.', "_").to_uppercase(),
    }
}

/// The event that an API name means; ours are found by the way they are written.
fn own_name(name: &str) -> String {
    match SHARED_NAMES.iter().find(|(_, shared)| *shared == name) {
        Some((own, _)) => (*own).to_owned(),
        None => name.to_lowercase(),
    }
}

async fn filter(app: &App, listing: &Listing) -> Result<AuditFilter, ApiError> {
    let mut clients = Vec::new();
    for name in listing.filter("clientName") {
        clients.extend(query::clients_called(&app.pool, &name).await?);
    }
    Ok(AuditFilter {
        names: listing.filter("event").iter().map(|name| own_name(name)).collect(),
        people: listing.filter("userID").first().and_then(|id| id.parse().ok()),
        client: clients.into_iter().next(),
        internal: listing.filter("location").iter().any(|location| location == "internal"),
        text: listing.search.clone(),
        ..AuditFilter::default()
    })
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

async fn list(app: &App, filter: &AuditFilter, listing: &Listing, named: bool) -> Result<Json<Value>, ApiError> {
    app.history_reached(app.store.head()).await;
    let mut connection = app.pool.acquire().await?;
    let page: Page<AuditRow> = query::list(&mut connection, filter, &listing.paging).await?;
    let told = told::resolve(&mut connection, &page.rows).await?;
    let mut rows = Vec::with_capacity(told.len());
    for told in &told {
        let row = &told.row;
        let mut data = Map::from_iter([("description".to_owned(), json!(told.text()))]);
        if let Some(client) = row.client_id.as_ref().and_then(|id| id.parse().ok()) {
            let name = chancery_projections::clients::find(&mut *connection, &client).await?;
            let name = name.map_or_else(|| client.to_string(), |row| row.settings.0.name);
            data.insert("clientName".to_owned(), json!(name));
        }
        let name = async |connection: &mut sqlx::PgConnection, id: Option<uuid::Uuid>| match id {
            None => Ok(String::new()),
            Some(id) => {
                let user = users::find(connection, UserId(id)).await?;
                Ok::<_, sqlx::Error>(user.map(|user| user.username).unwrap_or_default())
            }
        };
        let username = if named { name(&mut connection, row.user_id).await? } else { String::new() };
        let actor = if row.actor_id == row.user_id { None } else { row.actor_id };
        let actor = name(&mut connection, actor).await?;
        rows.push(json!({
            "id": row.event_id, "createdAt": rfc3339(row.recorded_at), "event": api_name(&row.event_name),
            "ipAddress": row.address.clone().unwrap_or_default(), "country": country(row),
            "city": row.city.clone().unwrap_or_default(), "device": device(row),
            "userID": row.user_id.map(|id| id.to_string()).unwrap_or_default(), "username": username,
            "actorUsername": actor, "data": data, "position": row.position
        }));
    }
    let mut rows = rows.into_iter();
    Ok(Json(envelope(page, |_| rows.next().unwrap_or_default())))
}

fn device(row: &AuditRow) -> String {
    row.user_agent.as_deref().map(|text| UserAgent::read(text).to_string()).unwrap_or_default()
}

/// A place that is on no map is an internal network, or unknown.
fn country(row: &AuditRow) -> String {
    match (&row.country, &row.city) {
        (Some(country), _) => country.clone(),
        (None, Some(_)) => "Internal Network".to_owned(),
        (None, None) => String::new(),
    }
}

async fn client_names(State(app): State<App>, principal: Principal) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadHistory)?;
    Ok(Json(json!(query::client_names(&app.pool).await?)))
}

async fn people(State(app): State<App>, principal: Principal) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadHistory)?;
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
