//! A template on its way to a browser.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::assets;
use super::desk::{Action, Frame, Message};
use crate::app::App;
use crate::http::error::{ApiError, request_id};

/// What surrounds a sheet of the desk.
pub fn desk_frame(app: &App) -> Frame {
    Frame {
        instance_name: app.config.app_name.clone(),
        issuer: app.issuer.clone(),
        host: app.config.app_url.host_str().unwrap_or_default().to_owned(),
        mark: assets::path("mark.svg"),
        chancery_css: assets::path("chancery.css"),
        ceremony_js: assets::path("ceremony.js"),
        form_post_js: assets::path("form_post.js"),
    }
}

/// A page, never stored by anybody.
pub fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be drawn");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An error as a person reads it: what happened, what to do, and the id under which the log has it.
pub fn error_page(app: &App, status: StatusCode, heading: &str, says: &[&str], action: Option<Action>) -> Response {
    let message = Message {
        frame: desk_frame(app),
        id: "error",
        heading: heading.to_owned(),
        says: says.iter().map(|line| (*line).to_owned()).collect(),
        request_id: Some(request_id()),
        action,
    };
    let mut response = page(&message);
    *response.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// The way on where there is no other.
pub fn home() -> Action {
    Action { label: "Go to your account".into(), href: "/account".into(), posts: false, members: Vec::new() }
}

/// An API error where a person looks.
pub fn api_error_page(app: &App, error: &ApiError) -> Response {
    let heading = match error.status {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::FORBIDDEN => "You may not do this",
        StatusCode::SERVICE_UNAVAILABLE => "We will be right back",
        StatusCode::CONFLICT => "That did not work",
        StatusCode::TOO_MANY_REQUESTS => "Please wait a moment",
        _ if error.status.is_server_error() => "Something went wrong on our side",
        _ => "That did not work",
    };
    let mut response = error_page(app, error.status, heading, &[&error.message], Some(home()));
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
