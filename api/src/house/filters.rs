//! What a history is searched for, in the query of its page, and what there is to choose from.

use chancery_domain::country;
use chancery_domain::oauth::params::Params;
use chancery_projections::audit::{AuditFilter, Kind, PlaceFilter, query};
use time::Date;
use time::macros::format_description;

use super::frame::place;
use super::roll::FILTERS;
use crate::app::App;
use crate::http::error::ApiError;
use crate::pages::house::{Choice, Filters};

const KINDS: [(&str, &str, Kind); 5] = [
    ("sign_ins", "Sign-ins", Kind::SignIns),
    ("refusals", "Refusals", Kind::Refusals),
    ("admin_changes", "Changes by admins", Kind::AdminChanges),
    ("passkeys", "Passkeys", Kind::Passkeys),
    ("apps", "Apps and tokens", Kind::AppsAndTokens),
];

/// What is asked for, of all that somebody may see.
pub fn filter(params: &Params, visible: &AuditFilter) -> AuditFilter {
    let kind = params.value("kind").and_then(|kind| KINDS.iter().find(|(name, ..)| *name == kind));
    // No event is of a year before this, and the database knows none of the earliest.
    let day = |name| {
        let day = Date::parse(params.value(name)?, format_description!("[year]-[month]-[day]")).ok();
        day.filter(|day| day.year() > 0)
    };
    let text = |name| params.value(name).map(|text: &str| text.replace('\0', "")).filter(|text| !text.is_empty());
    AuditFilter {
        people: params.value("person").filter(|_| visible.own.is_none()).and_then(|id| id.parse().ok()),
        clients: params.value("app").and_then(|id| id.parse().ok()).map(|id| vec![id]),
        kind: kind.map(|(_, _, kind)| *kind),
        place: text("place").map(|place| PlaceFilter::parse(&place)),
        from: day("from").map(|day| day.midnight().assume_utc()),
        // The last day is included.
        to: day("to").and_then(Date::next_day).map(|day| day.midnight().assume_utc()),
        text: text("text"),
        ..visible.clone()
    }
}

/// The form, with what there is in the history of `path`; of one's own nobody else is offered.
pub async fn filters(app: &App, params: &Params, path: &str, visible: &AuditFilter) -> Result<Filters, ApiError> {
    let chosen = |name| params.value(name).unwrap_or_default().to_owned();
    let is_own = visible.own.is_some();
    let mut connection = app.pool.acquire().await?;
    let people = if is_own { Vec::new() } else { query::users(&mut *connection).await? };
    let people = people.into_iter().map(|(id, name)| (id.to_string(), name));
    // Every app was registered once, which is found sooner than all that was ever done with it.
    let registered = Some(vec!["client.registered".to_owned()]).filter(|_| !is_own);
    let of_apps = AuditFilter { names: registered, ..visible.clone() };
    let apps = query::apps(&mut connection, &of_apps).await?;
    let apps = apps.into_iter().map(|app| (app.client_id.clone(), called(app)));
    let kinds = KINDS.iter().filter(|(_, _, kind)| !(is_own && *kind == Kind::AdminChanges));
    let kinds = kinds.map(|(name, label, _)| ((*name).to_owned(), (*label).to_owned()));
    let places = query::places(&mut *connection, visible).await?;
    let places = places.into_iter().map(|place| (label(&place), place.to_string()));
    let mut places: Vec<_> = places.collect();
    places.sort_unstable();
    Ok(Filters {
        path: path.to_owned(),
        text: chosen("text"),
        people: if is_own { Vec::new() } else { choices("Everyone", people, &chosen("person")) },
        apps: choices("Every app", apps, &chosen("app")),
        kinds: choices("Everything", kinds, &chosen("kind")),
        places: choices("Everywhere", places.into_iter().map(|(label, value)| (value, label)), &chosen("place")),
        from: chosen("from"),
        to: chosen("to"),
        any: FILTERS.iter().any(|name| params.value(name).is_some()),
    })
}

fn called(app: query::App) -> String {
    let name = app.name.unwrap_or(app.client_id);
    if app.gone { format!("{name} (deleted)") } else { name }
}

fn label(filter: &PlaceFilter) -> String {
    let country = filter.country.as_deref().map(|code| country::english_name(code).unwrap_or(code));
    place(filter.city.as_deref(), country)
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
