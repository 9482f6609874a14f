//! Reading the history: filters, pages, figures and the map.

use std::collections::BTreeSet;

use chancery_domain::ids::ClientId;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor, Postgres, QueryBuilder};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::filter::{AuditFilter, Kind, PlaceFilter};
use super::sentence::{Sentence, Thing};
use super::told::last_names;
use crate::page::{Page, Paging};

/// An event of the history, as the view has it; `told::resolve` finds the names.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct AuditRow {
    pub position: i64,
    pub event_id: Uuid,
    pub event_name: String,
    pub recorded_at: OffsetDateTime,
    pub actor: String,
    pub actor_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub client_id: Option<String>,
    pub sentence: Json<Sentence>,
    pub refused: bool,
    pub country: Option<String>,
    pub city: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

/// The columns of [`AuditRow`].
const COLUMNS: &str = "position, event_id, event_name, recorded_at, actor, actor_id, user_id, client_id, sentence,
                       refused, country, city, latitude, longitude, address, user_agent";

/// One event.
///
/// # Errors
/// Those of the database, here and below.
pub async fn at(executor: impl PgExecutor<'_>, position: i64) -> Result<Option<AuditRow>, sqlx::Error> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE position = $1");
    sqlx::query_as(&sql).bind(position).fetch_optional(executor).await
}

/// The newest first: those before a position, or the nearest ones after it.
pub async fn page(
    executor: impl PgExecutor<'_>,
    filter: &AuditFilter,
    before: Option<i64>,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<AuditRow>, sqlx::Error> {
    let mut query = select(COLUMNS, filter);
    if let Some(before) = before {
        query.push(" AND position < ").push_bind(before);
    }
    if let Some(after) = after {
        query.push(" AND position > ").push_bind(after);
    }
    // Coming from older entries, the next page ends where those begin.
    let backwards = after.is_some() && before.is_none();
    query.push(if backwards { " ORDER BY position LIMIT " } else { " ORDER BY position DESC LIMIT " });
    query.push_bind(limit);
    let mut rows: Vec<AuditRow> = query.build_query_as().fetch_all(executor).await?;
    if backwards {
        rows.reverse();
    }
    Ok(rows)
}

pub async fn count(executor: impl PgExecutor<'_>, filter: &AuditFilter) -> Result<i64, sqlx::Error> {
    select("count(*)", filter).build_query_scalar().fetch_one(executor).await
}

/// A numbered page; the newest first where no other order is asked for.
pub async fn list(
    connection: &mut PgConnection,
    filter: &AuditFilter,
    paging: &Paging,
) -> Result<Page<AuditRow>, sqlx::Error> {
    let total = count(&mut *connection, filter).await?;
    let order = paging.order(
        &[
            ("createdAt", "position"),
            ("event", "event_name"),
            ("ipAddress", "address"),
            ("country", "country"),
            ("city", "city"),
            ("userAgent", "user_agent"),
        ],
        "position DESC",
    );
    let (limit, offset) = paging.window(total);
    let mut query = select(COLUMNS, filter);
    query.push(format!(" ORDER BY {order} LIMIT ")).push_bind(limit).push(" OFFSET ").push_bind(offset);
    let rows = query.build_query_as().fetch_all(connection).await?;
    Ok(paging.page(rows, total))
}

/// What the head of the history counts, of the last 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct Figures {
    pub sign_ins: i64,
    pub refused: i64,
    pub admin_changes: i64,
}

pub async fn figures(executor: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<Figures, sqlx::Error> {
    let changes = Kind::AdminChanges.condition();
    let sql = format!(
        "SELECT count(*) FILTER (WHERE event_name = 'session.started') AS sign_ins,
                count(*) FILTER (WHERE refused) AS refused,
                count(*) FILTER (WHERE {changes}) AS admin_changes
         FROM audit WHERE recorded_at >= $1"
    );
    sqlx::query_as(&sql).bind(now - FIGURES).fetch_one(executor).await
}

/// A place on the map, to a tenth of a degree.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Point {
    pub latitude: f64,
    pub longitude: f64,
    pub country: Option<String>,
    pub city: Option<String>,
    pub sign_ins: i64,
    pub refused: i64,
}

/// Where sign-ins and refusals of the last 30 days came from, the busiest place first.
pub async fn points(
    executor: impl PgExecutor<'_>,
    filter: &AuditFilter,
    now: OffsetDateTime,
) -> Result<Vec<Point>, sqlx::Error> {
    let mut query = select(
        "round(latitude::numeric, 1)::float8 AS latitude, round(longitude::numeric, 1)::float8 AS longitude,
         mode() WITHIN GROUP (ORDER BY country) AS country, mode() WITHIN GROUP (ORDER BY city) AS city,
         count(*) FILTER (WHERE NOT refused) AS sign_ins, count(*) FILTER (WHERE refused) AS refused",
        filter,
    );
    query.push(" AND latitude IS NOT NULL AND longitude IS NOT NULL AND (event_name = 'session.started' OR refused)");
    query.push(" AND recorded_at >= ").push_bind(now - FIGURES);
    query.push(" GROUP BY 1, 2 ORDER BY count(*) DESC, 1, 2");
    query.build_query_as().fetch_all(executor).await
}

/// What the apps in the history are called now; a deleted one by its id.
pub async fn client_names(executor: impl PgExecutor<'_>) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT DISTINCT coalesce(clients.name, seen.client_id)
         FROM (SELECT DISTINCT client_id FROM audit WHERE client_id IS NOT NULL) AS seen
         LEFT JOIN clients USING (client_id)
         ORDER BY 1",
    )
    .fetch_all(executor)
    .await
}

/// The apps by the names that [`client_names`] gives them.
pub async fn clients_called(executor: impl PgExecutor<'_>, names: &[String]) -> Result<Vec<ClientId>, sqlx::Error> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT client_id FROM clients WHERE name = ANY($1)
         UNION ALL
         SELECT deleted FROM unnest($1) AS deleted WHERE NOT EXISTS (SELECT 1 FROM clients WHERE client_id = deleted)",
    )
    .bind(names)
    .fetch_all(executor)
    .await?;
    Ok(ids.into_iter().filter_map(|id| id.parse().ok()).collect())
}

/// People with entries, by id and username; the erased have no name and are left out.
pub async fn users(executor: impl PgExecutor<'_>) -> Result<Vec<(Uuid, String)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT user_id, username FROM users
         WHERE EXISTS (SELECT 1 FROM audit WHERE audit.user_id = users.user_id)
            OR EXISTS (SELECT 1 FROM audit WHERE audit.actor_id = users.user_id)
         ORDER BY username",
    )
    .fetch_all(executor)
    .await
}

/// The apps in the history that matches, by id, with their names: the last ones of those that are gone.
pub async fn apps(connection: &mut PgConnection, filter: &AuditFilter) -> Result<Vec<App>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT seen.client_id, clients.name, clients.name IS NULL AS gone FROM (SELECT DISTINCT client_id FROM audit",
    );
    filter.restrict(&mut query);
    query.push(" AND client_id IS NOT NULL) AS seen LEFT JOIN clients USING (client_id)");
    let mut apps: Vec<App> = query.build_query_as().fetch_all(&mut *connection).await?;
    let gone: Vec<String> = apps.iter().filter(|app| app.gone).map(|app| app.client_id.clone()).collect();
    if !gone.is_empty() {
        let mut names = last_names(connection, &gone).await?;
        for app in apps.iter_mut().filter(|app| app.gone) {
            app.name = app.client_id.parse().ok().and_then(|id| names.remove(&Thing::App(id)));
        }
    }
    apps.sort_by_cached_key(|app| (app.name.as_ref().map(|name| name.to_lowercase()), app.client_id.clone()));
    Ok(apps)
}

/// An app of the history.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct App {
    pub client_id: String,
    pub name: Option<String>,
    /// It was deleted.
    pub gone: bool,
}

/// Where the entries that match mostly come from: cities and networks, and the countries that these are in.
pub async fn places(executor: impl PgExecutor<'_>, filter: &AuditFilter) -> Result<BTreeSet<PlaceFilter>, sqlx::Error> {
    let mut query = select("country, city", filter);
    query.push(" AND (country IS NOT NULL OR city IS NOT NULL) GROUP BY country, city");
    query.push(" ORDER BY count(*) DESC, country, city LIMIT ").push_bind(PLACES);
    let found: Vec<PlaceFilter> = query.build_query_as().fetch_all(executor).await?;
    let countries = found.iter().filter(|place| place.country.is_some());
    let countries: Vec<_> = countries.map(|place| PlaceFilter { city: None, ..place.clone() }).collect();
    Ok(found.into_iter().chain(countries).collect())
}

fn select(columns: &str, filter: &AuditFilter) -> QueryBuilder<'static, Postgres> {
    let mut query = QueryBuilder::new(format!("SELECT {columns} FROM audit"));
    filter.restrict(&mut query);
    query
}

/// Places to choose from.
const PLACES: i64 = 500;
/// What figures and map look back on.
const FIGURES: Duration = Duration::days(30);
