//! The history as people read it: their own, and for administrators everybody's, with the raw event behind each row.

use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use chancery_projections::audit::told::resolve;
use chancery_projections::audit::{AuditFilter, AuditRow, query};
use time::OffsetDateTime;

use super::filters::{filter, filters};
use super::frame::{Page, Resident, Steward, date, frame, iso, place, shown};
use super::roll::{days, roll};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::form::query_params;
use crate::http::session::SignedIn;
use crate::pages::house::{Activity, Fact, Figure, Filters, History, Map, Notice, Point, RawEvent, Roll, Room};
use crate::pages::render::page;

const OWN: &str = "/account/activity";
const ALL: &str = "/admin/history";

/// `/account/activity`.
pub async fn activity(
    State(app): State<App>,
    Resident(signed_in): Resident,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let shown_page = async {
        let params = query_params(uri.query());
        let visible = AuditFilter { own: Some(signed_in.user.id()), ..AuditFilter::default() };
        app.history_reached(app.store.head()).await;
        let filter = filter(&params, &visible);
        let filters = filters(&app, &params, OWN, &visible).await?;
        let roll = searched(roll(&app, &filter, &params, OWN, false).await?, &filters);
        let points = points(&app, &filter).await?;
        let map = (!points.is_empty()).then(|| Map::draw("Your sign-ins of the last 30 days by place", &points));
        Ok(page(&Activity { frame: frame(&app, &signed_in, Room::Activity), map, filters, roll }))
    };
    shown(&app, shown_page.await)
}

/// `/admin/history`.
pub async fn history(State(app): State<App>, Steward(signed_in): Steward, OriginalUri(uri): OriginalUri) -> Response {
    let shown_page = async {
        let params = query_params(uri.query());
        let in_time = app.history_reached(app.store.head()).await;
        let visible = AuditFilter::default();
        let filter = filter(&params, &visible);
        let counted = query::figures(&app.pool, app.now()).await?;
        let figure = |label: &str, value: i64| Figure { label: label.to_owned(), value: value.to_string(), href: None };
        let first: Option<OffsetDateTime> =
            sqlx::query_scalar("SELECT recorded_at FROM events WHERE position = 1").fetch_optional(&app.pool).await?;
        let filters = filters(&app, &params, ALL, &visible).await?;
        let roll = searched(roll(&app, &filter, &params, ALL, true).await?, &filters);
        Ok(page(&History {
            frame: frame(&app, &signed_in, Room::History),
            since: first.map(date).unwrap_or_default(),
            proven: None,
            map: Map::draw("Sign-ins of the last 30 days by place", &points(&app, &filter).await?),
            figures: vec![
                figure("Sign-ins, 30 days", counted.sign_ins),
                figure("Refused", counted.refused),
                figure("Changes by admins", counted.admin_changes),
            ],
            lag: (!in_time).then(|| Notice::mind("The newest entries may be missing here for a moment.")),
            filters,
            roll,
        }))
    };
    shown(&app, shown_page.await)
}

/// Where nothing is found, that it was looked for something.
fn searched(roll: Roll, filters: &Filters) -> Roll {
    match filters.any {
        true => Roll { empty: "Nothing matches. Clear the filters to see everything.".to_owned(), ..roll },
        false => roll,
    }
}

async fn points(app: &App, filter: &AuditFilter) -> Result<Vec<Point>, ApiError> {
    let mut points = Vec::new();
    for row in query::points(&app.pool, filter, app.now()).await? {
        let place = place(row.city.as_deref(), row.country.as_deref());
        for (number, refused) in [(row.sign_ins, false), (row.refused, true)] {
            let Ok(number) = u64::try_from(number) else { continue };
            if number > 0 {
                let (latitude, longitude) = (row.latitude, row.longitude);
                points.push(Point { latitude, longitude, count: number, refused, place: place.clone() });
            }
        }
    }
    Ok(points)
}

/// `/admin/history/{position}`.
pub async fn raw(State(app): State<App>, Steward(signed_in): Steward, Path(position): Path<String>) -> Response {
    shown(&app, raw_event(&app, &signed_in, &position).await)
}

async fn raw_event(app: &App, signed_in: &SignedIn, position: &str) -> Page {
    let position = position.parse().ok().filter(|position: &i64| *position > 0).ok_or_else(ApiError::not_found)?;
    app.history_reached(position.min(app.store.head())).await;
    let mut connection = app.pool.acquire().await?;
    let rows: Vec<AuditRow> = query::at(&mut *connection, position).await?.into_iter().collect();
    let told = resolve(&mut connection, &rows).await?;
    let stored = app.store.feed().read_json(position - 1, 1).await.map_err(|error| {
        tracing::error!(%error, "the log cannot be read");
        ApiError::unavailable()
    })?;
    let event = stored.into_iter().next().ok_or_else(ApiError::not_found)?;
    let head = app.store.feed().head().await.unwrap_or(position);
    let link = |to: i64| format!("/admin/history/{to}");
    let fact = |label: &str, value: String| Fact { label: label.to_owned(), value, href: None };
    let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    Ok(page(&RawEvent {
        frame: frame(app, signed_in, Room::History),
        position: position.to_string(),
        name: event.event_type.clone(),
        sentence: Roll { days: days(app, &told, true), ..Roll::default() },
        facts: vec![
            fact("Recorded", iso(event.recorded_at)),
            fact("Stream", format!("{}/{}", event.aggregate_type, event.aggregate_id)),
            fact("Sequence", event.sequence.to_string()),
            fact("Version", event.event_version.clone()),
            fact("Id", event.event_id.to_string()),
        ],
        payload: pretty(&event.payload),
        metadata: pretty(&event.metadata),
        previous: (position > 1).then(|| link(position - 1)),
        next: (position < head).then(|| link(position + 1)),
    }))
}
