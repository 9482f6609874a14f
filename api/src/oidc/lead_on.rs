//! How a form of ours is answered where the way leads to an app: by a page that goes there, not by a redirect.
//!
//! Browsers hold `form-action` of the page with the form against every redirect that follows its post (Content Security
//! Policy Level 3 §6.4.1), those of the app too; and an app may lead on to anywhere.

use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::app::App;
use crate::pages::desk::{Action, Message};
use crate::pages::render::{desk_frame, page};

/// A page that says what was done, and goes on to `next`.
pub fn lead_on(app: &App, heading: &str, next: &str) -> Response {
    let refresh = HeaderValue::from_str(&format!("0; url={next}"));
    let mut response = page(&Message {
        frame: desk_frame(app),
        id: "going-on",
        heading: heading.to_owned(),
        says: vec!["If nothing happens, choose Continue.".to_owned()],
        request_id: None,
        action: Some(Action { label: "Continue".into(), href: next.to_owned(), posts: false, members: Vec::new() }),
    });
    response.headers_mut().extend(refresh.map(|value| (header::REFRESH, value)));
    response
}

/// What it says where nothing else was done.
pub const RETURNING: &str = "Returning to the app";
