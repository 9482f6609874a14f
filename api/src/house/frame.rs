//! What surrounds each page of the house, who may enter it, and how moments and places are said.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use chancery_domain::country;
use chancery_projections::users::User;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};
use url::form_urlencoded::byte_serialize;

use super::places;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::form::query_params;
use crate::http::see_other::see_other;
use crate::http::session::{SignedIn, present};
use crate::pages::assets;
use crate::pages::house::{Frame, Notice, Portrait, Room, When};
use crate::pages::render::{api_error_page, error_page, home};
use crate::pictures;

/// Somebody at home: a stranger is sent to sign in first, and comes back.
pub struct Resident(pub SignedIn);

impl FromRequestParts<App> for Resident {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match present(app, parts).await {
            Ok(Some(signed_in)) => Ok(Self(signed_in)),
            Ok(None) => Err(see_other(&format!("/login?next={}", way_back(parts)))),
            Err(error) => Err(api_error_page(app, &ApiError::from(error))),
        }
    }
}

/// Where a stranger goes on after the sign-in. Where a form was sent to may be no page: then the one that has it, where the
/// browser kept what was entered (house.js).
fn way_back(parts: &Parts) -> String {
    let path = parts.uri.path();
    if parts.method != Method::GET {
        return page_of(path);
    }
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    [path, &byte_serialize(query.as_bytes()).collect::<String>()].concat()
}

/// The page with the form that is sent to this path.
fn page_of(path: &str) -> String {
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let page = match segments.as_slice() {
        ["admin", "people" | "groups" | "apps", _, ..] => &segments[..3],
        ["admin", "api-keys" | "mail", ..] | ["account", "passkeys" | "sessions" | "apps", ..] => &segments[..2],
        _ => &segments[..1],
    };
    format!("/{}", page.join("/"))
}

/// An administrator.
pub struct Steward(pub SignedIn);

impl FromRequestParts<App> for Steward {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Resident(signed_in) = Resident::from_request_parts(parts, app).await?;
        if !signed_in.user.is_admin {
            let says = "This part is for administrators.";
            return Err(error_page(app, StatusCode::FORBIDDEN, "You may not do this", &[says], Some(home())));
        }
        Ok(Self(signed_in))
    }
}

/// A page of the house, or what went wrong where a person looks.
pub type Page = Result<Response, PageError>;

/// Why there is no page.
pub enum PageError {
    Api(Box<ApiError>),
    /// Somewhere else first.
    Elsewhere(Box<Response>),
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error))
    }
}

impl From<sqlx::Error> for PageError {
    fn from(error: sqlx::Error) -> Self {
        ApiError::from(error).into()
    }
}

pub fn shown(app: &App, page: Page) -> Response {
    match page {
        Ok(response) => response,
        Err(PageError::Elsewhere(response)) => *response,
        Err(PageError::Api(error)) => api_error_page(app, &error).into_response(),
    }
}

/// What changes credentials or administers needs a recent ceremony; the person comes back to `path` after it, or if they
/// cancel it.
///
/// # Errors
/// The way to the ceremony.
pub fn require_step_up(app: &App, signed_in: &SignedIn, path: &str) -> Result<(), PageError> {
    step_up_by(app, signed_in, || format!("/reauthenticate?next={path}"))
}

/// The same where `path` itself asks for the ceremony: whoever cancels goes `back`.
///
/// # Errors
/// The way to the ceremony.
pub fn require_step_up_from(app: &App, signed_in: &SignedIn, back: &str, path: &str) -> Result<(), PageError> {
    step_up_by(app, signed_in, || format!("/reauthenticate?next={path}&back={back}"))
}

fn step_up_by(app: &App, signed_in: &SignedIn, way: impl FnOnce() -> String) -> Result<(), PageError> {
    if signed_in.stepped_up(app) {
        return Ok(());
    }
    Err(PageError::Elsewhere(Box::new(see_other(&way()))))
}

pub fn frame(app: &App, signed_in: &SignedIn, room: Room) -> Frame {
    Frame {
        instance_name: app.config.app_name.clone(),
        mark: assets::path("mark.svg"),
        chancery_css: assets::path("chancery.css"),
        house_css: assets::path("house.css"),
        house_js: assets::path("house.js"),
        ceremony_js: Some(assets::path("ceremony.js")),
        person: signed_in.user.display_name.clone(),
        person_id: signed_in.user.id().to_string(),
        portrait: portrait(&signed_in.user),
        is_admin: signed_in.user.is_admin,
        room,
        notice: None,
        attribution: places::attribution(app).filter(|_| room.shows_places()),
    }
}

/// Where a form further down a page leads: to its top, which says so.
pub fn saved_at(path: &str) -> Response {
    see_other(&format!("{path}?saved=true"))
}

/// Of a page that such a form led to.
pub fn saved(uri: &Uri) -> Option<Notice> {
    query_params(uri.query()).value("saved").map(|_| Notice::good("Saved."))
}

/// Above a form whose author was outrun by someone else.
pub fn outrun() -> Notice {
    Notice::mind(
        "Someone else changed this after you opened it, so nothing was saved. What you entered is still here: look into \
         the history for what they changed, or save again to replace it.",
    )
}

/// "just now", "4 minutes ago", "yesterday", "3 November 2026".
pub fn when(app: &App, at: OffsetDateTime) -> When {
    let ago = app.now() - at;
    let plural = |count: i64, unit: &str| format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" });
    let says = if ago < Duration::MINUTE && ago > -Duration::MINUTE {
        "just now".to_owned()
    } else if ago < Duration::ZERO || ago >= Duration::days(7) {
        date(at)
    } else if ago < Duration::HOUR {
        plural(ago.whole_minutes(), "minute")
    } else if ago < Duration::DAY {
        plural(ago.whole_hours(), "hour")
    } else {
        plural(ago.whole_days(), "day")
    };
    When::new(says, iso(at))
}

pub fn date(at: OffsetDateTime) -> String {
    at.format(format_description!("[day padding:none] [month repr:long] [year]")).unwrap_or_default()
}

pub fn iso(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

/// "Stockholm, Sweden". The country comes by its code, or as a name already.
pub fn place(city: Option<&str>, country: Option<&str>) -> String {
    let country = country.map(|country| country::english_name(country).unwrap_or(country));
    [city, country].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Somebody's picture, or their first letter.
pub fn portrait(user: &User) -> Portrait {
    Portrait { picture: pictures::path(user), letter: letter(&user.display_name) }
}

/// The first letter, as an icon.
pub fn letter(name: &str) -> String {
    name.chars().next().map(|c| c.to_uppercase().to_string()).unwrap_or_default()
}

pub fn count(number: i64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
