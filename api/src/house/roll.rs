//! The roll: what happened, newest first, day by day.

use chancery_domain::ids::UserId;
use chancery_domain::oauth::params::Params;
use chancery_projections::audit::sentence::Thing;
use chancery_projections::audit::told::{Told, resolve};
use chancery_projections::audit::{AuditFilter, AuditRow, query};
use time::macros::format_description;

use super::frame::{date, iso, place};
use crate::app::App;
use crate::http::error::ApiError;
use crate::pages::house::{Change, Day, Detail, Entry, Pages, Roll, Word};
use crate::user_agent::UserAgent;

/// Entries on a page.
const LIMIT: i64 = 50;
/// The parameters that choose entries; the ways to newer and older ones keep them.
pub const FILTERS: [&str; 7] = ["text", "person", "app", "kind", "place", "from", "to"];

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
    // Coming from older entries, the page ends where those begin; else it begins where newer ones end.
    let backwards = after.is_some() && before.is_none();
    let mut rows = query::page(&mut *connection, filter, before, after, LIMIT + 1).await?;
    let more = rows.len() as i64 > LIMIT;
    if more {
        rows.remove(if backwards { 0 } else { rows.len() - 1 });
    }
    let told = resolve(&mut connection, &rows).await?;
    let link = |name: &str, position: i64| {
        let kept = FILTERS.iter().filter_map(|name| params.value(name).map(|value| (*name, value.to_owned())));
        let pairs = kept.chain([(name, position.to_string())]);
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("{path}?{query}")
    };
    let newer = rows.first().filter(|_| if backwards { more } else { before.is_some() });
    let older = rows.last().filter(|_| backwards || more);
    let pages =
        Pages::by_time(newer.map(|row| link("after", row.position)), older.map(|row| link("before", row.position)));
    let empty = "Nothing here yet. Every act is written down as it happens.".to_owned();
    Ok(Roll { days: days(app, &told, for_admin), pages, empty })
}

pub fn days(app: &App, told: &[Told], for_admin: bool) -> Vec<Day> {
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
