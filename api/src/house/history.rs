//! The history as people read it: their own, and for administrators everybody's, with the raw event behind each row.

use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use chancery_domain::country;
use chancery_domain::ids::UserId;
use chancery_domain::oauth::params::Params;
use chancery_projections::audit::sentence::Thing;
use chancery_projections::audit::told::{Told, resolve};
use chancery_projections::audit::{AuditFilter, AuditRow, Kind, query};
use chancery_projections::clients::{self, ClientFilter};
use chancery_projections::page::Paging;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::frame::{Page, Resident, Steward, date, frame, iso, place, shown};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::form::query_params;
use crate::http::session::SignedIn;
use crate::pages::house::{
    Activity, Change, Choice, Day, Detail, Entry, Fact, Figure, Filters, History, Map, Notice, Pages, Point, RawEvent,
    Roll, Room, Word,
};
use crate::pages::render::page;
use crate::user_agent::UserAgent;

/// Entries on a page.
const LIMIT: i64 = 50;

/// `/account/activity`.
pub async fn activity(
    State(app): State<App>,
    Resident(signed_in): Resident,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let shown_page = async {
        let params = query_params(uri.query());
        let filter = AuditFilter { own: Some(signed_in.user.id()), ..AuditFilter::default() };
        app.history_reached(app.store.head()).await;
        let roll = roll(&app, &filter, &params, "/account/activity", false).await?;
        let points = points(&app, &filter).await?;
        let map = (!points.is_empty()).then(|| Map::draw("Your sign-ins of the last 30 days by place", &points));
        Ok(page(&Activity { frame: frame(&app, &signed_in, Room::Activity), map, roll }))
    };
    shown(&app, shown_page.await)
}

/// `/admin/history`.
pub async fn history(State(app): State<App>, Steward(signed_in): Steward, OriginalUri(uri): OriginalUri) -> Response {
    let shown_page = async {
        let params = query_params(uri.query());
        let in_time = app.history_reached(app.store.head()).await;
        let filter = filter(&params);
        let counted = query::figures(&app.pool, app.now()).await?;
        let figure = |label: &str, value: i64| Figure { label: label.to_owned(), value: value.to_string(), href: None };
        let first: Option<OffsetDateTime> =
            sqlx::query_scalar("SELECT recorded_at FROM events WHERE position = 1").fetch_optional(&app.pool).await?;
        let filters = filters(&app, &params).await?;
        let mut roll = roll(&app, &filter, &params, "/admin/history", true).await?;
        if filters.any {
            "Nothing matches. Clear the filters to see everything.".clone_into(&mut roll.empty);
        }
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

const KINDS: [(&str, &str, Kind); 5] = [
    ("sign_ins", "Sign-ins", Kind::SignIns),
    ("refusals", "Refusals", Kind::Refusals),
    ("admin_changes", "Changes by admins", Kind::AdminChanges),
    ("passkeys", "Passkeys", Kind::Passkeys),
    ("apps", "Apps and tokens", Kind::AppsAndTokens),
];

fn filter(params: &Params) -> AuditFilter {
    let kind = params.value("kind").and_then(|kind| KINDS.iter().find(|(name, ..)| *name == kind));
    let day =
        |name| params.value(name).and_then(|text| Date::parse(text, format_description!("[year]-[month]-[day]")).ok());
    let text = |name| params.value(name).map(|text: &str| text.replace('\0', "")).filter(|text| !text.is_empty());
    AuditFilter {
        people: params.value("person").and_then(|id| id.parse().ok()),
        clients: params.value("app").and_then(|id| id.parse().ok()).map(|id| vec![id]),
        kind: kind.map(|(_, _, kind)| *kind),
        place: text("place"),
        from: day("from").map(|day| day.midnight().assume_utc()),
        // The last day is included.
        to: day("to").and_then(Date::next_day).map(|day| day.midnight().assume_utc()),
        text: text("text"),
        ..AuditFilter::default()
    }
}

async fn filters(app: &App, params: &Params) -> Result<Filters, ApiError> {
    let chosen = |name| params.value(name).unwrap_or_default().to_owned();
    let (person, client, kind, place) = (chosen("person"), chosen("app"), chosen("kind"), chosen("place"));
    let people = query::users(&app.pool).await?;
    let people = people.into_iter().map(|(id, name)| (id.to_string(), name));
    let mut connection = app.pool.acquire().await?;
    let paging = Paging { limit: 100, ..Paging::default() };
    let apps = clients::list(&mut connection, &ClientFilter::default(), &paging).await?.rows;
    let apps = apps.into_iter().map(|row| (row.client_id, row.settings.0.name));
    let label = |name: &String| country::english_name(name).map_or_else(|| name.clone(), str::to_owned);
    let places = query::places(&mut *connection).await?.into_iter().map(|name| (name.clone(), label(&name)));
    let kinds = KINDS.iter().map(|(name, label, _)| ((*name).to_owned(), (*label).to_owned()));
    let any = ["text", "person", "app", "kind", "place", "from", "to"].iter().any(|name| params.value(name).is_some());
    Ok(Filters {
        text: chosen("text"),
        people: choices("Everyone", people, &person),
        apps: choices("Every app", apps, &client),
        kinds: choices("Everything", kinds, &kind),
        places: choices("Everywhere", places, &place),
        from: chosen("from"),
        to: chosen("to"),
        any,
    })
}

/// What a filter offers, after the choice of not filtering.
fn choices(all: &str, some: impl Iterator<Item = (String, String)>, chosen: &str) -> Vec<Choice> {
    let all = std::iter::once((String::new(), all.to_owned()));
    let choice = |(value, label): (String, String)| {
        let is_chosen = value == chosen;
        Choice::new(value, label, is_chosen)
    };
    all.chain(some).map(choice).collect()
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

/// A page of the roll, with the ways to newer and older ones.
pub async fn roll(
    app: &App,
    filter: &AuditFilter,
    params: &Params,
    path: &str,
    for_admin: bool,
) -> Result<Roll, ApiError> {
    let position = |name| params.value(name).and_then(|text| text.parse::<i64>().ok());
    let (before, after) = (position("before"), position("after"));
    let mut connection = app.pool.acquire().await?;
    let rows = query::page(&mut *connection, filter, before, after, LIMIT).await?;
    let told = resolve(&mut connection, &rows).await?;
    let link = |name: &str, position: i64| {
        let kept = ["text", "person", "app", "kind", "place", "from", "to"];
        let kept = kept.iter().filter_map(|name| params.value(name).map(|value| (*name, value.to_owned())));
        let pairs = kept.chain([(name, position.to_string())]);
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("{path}?{query}")
    };
    let full = rows.len() as i64 == LIMIT;
    let newer = rows.first().filter(|_| before.is_some() || (after.is_some() && full));
    let older = rows.last().filter(|_| full || after.is_some());
    let pages =
        Pages::by_time(newer.map(|row| link("after", row.position)), older.map(|row| link("before", row.position)));
    let empty = "Nothing here yet. Every act is written down as it happens.".to_owned();
    Ok(Roll { days: days(app, &told, for_admin), pages, empty })
}

fn days(app: &App, told: &[Told], for_admin: bool) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    let today = app.now().date();
    for told in told {
        let on = told.row.recorded_at.date();
        let label = if on == today {
            "Today".to_owned()
        } else if Some(on) == today.previous_day() {
            "Yesterday".to_owned()
        } else {
            date(told.row.recorded_at)
        };
        let entry = entry(told, for_admin);
        match days.last_mut().filter(|day| day.label == label) {
            Some(day) => day.entries.push(entry),
            None => days.push(Day { label, entries: vec![entry] }),
        }
    }
    days
}

fn entry(told: &Told, for_admin: bool) -> Entry {
    let row = &told.row;
    let words = told.parts.iter().map(|part| {
        let name = part.text.clone();
        match part.thing.as_ref().filter(|_| for_admin).and_then(href) {
            Some(href) => Word::Link { name, href },
            None if part.strong => Word::Name(name),
            None => Word::Plain(name),
        }
    });
    let changes = told.changes.iter().map(|change| Change {
        what: change.what.clone(),
        before: change.before.clone(),
        after: change.after.clone(),
    });
    Entry {
        position: row.position.to_string(),
        says: words.collect(),
        refused: row.refused,
        time: row.recorded_at.format(format_description!("[hour]:[minute]:[second]")).unwrap_or_default(),
        iso: iso(row.recorded_at),
        from: whence(row),
        changes: changes.collect(),
        raw: for_admin.then(|| format!("/admin/history/{}", row.position)),
    }
}

/// Where the page of a thing is.
fn href(thing: &Thing) -> Option<String> {
    match thing {
        Thing::Person(id) => Some(format!("/admin/people/{id}")),
        Thing::App(id) => Some(format!("/admin/apps/{id}")),
        Thing::Group(id) => Some(format!("/admin/groups/{id}")),
        Thing::Passkey(_) | Thing::ApiKey(_) => None,
    }
}

fn whence(row: &AuditRow) -> Vec<Detail> {
    let mut from = Vec::new();
    let place = place(row.city.as_deref(), row.country.as_deref());
    if !place.is_empty() {
        from.push(Detail::Plain(place));
    }
    from.extend(row.address.clone().map(Detail::Mono));
    from.extend(row.user_agent.as_deref().map(|text| Detail::Plain(UserAgent::read(text).to_string())));
    from
}

/// `/admin/history/{position}`.
pub async fn raw(State(app): State<App>, Steward(signed_in): Steward, Path(position): Path<String>) -> Response {
    shown(&app, raw_event(&app, &signed_in, &position).await)
}

async fn raw_event(app: &App, signed_in: &SignedIn, position: &str) -> Page {
    let position: i64 = position.parse().map_err(|_| ApiError::not_found())?;
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

/// As many entries of these days, the newest ones.
pub fn newest(days: Vec<Day>, mut entries: usize) -> Vec<Day> {
    let mut kept = Vec::new();
    for mut day in days {
        day.entries.truncate(entries);
        entries -= day.entries.len();
        if !day.entries.is_empty() {
            kept.push(day);
        }
    }
    kept
}

/// The latest entries about a person or an app, for their own page.
pub async fn latest_about(app: &App, filter: &AuditFilter) -> Result<Roll, ApiError> {
    let roll = roll(app, filter, &Params::default(), "/admin/history", true).await?;
    Ok(Roll { days: newest(roll.days, 8), pages: Pages::default(), empty: roll.empty })
}

/// A filter for one person.
pub fn about(user: UserId) -> AuditFilter {
    AuditFilter { people: Some(user), ..AuditFilter::default() }
}
