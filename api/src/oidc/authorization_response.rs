//! How `/authorize` answers (RFC 6749 §4.1.2, OAuth 2.0 Form Post Response Mode): the app, or where nothing may be sent to
//! an app, the person.

use axum::http::StatusCode;
use axum::response::Response;
use chancery_domain::authorization::request::BadAddress;
use chancery_domain::oauth::authorization_response::{AuthorizationResponse, ResponseMode};

use super::lead_on::{RETURNING, lead_on};
use crate::app::App;
use crate::http::security_headers::{allow_form_action, form_target};
use crate::http::see_other::see_other;
use crate::pages::desk::{FormPost, Member};
use crate::pages::render::{desk_frame, error_page, page};

/// The answer, by the way the request asked for.
pub fn respond(app: &App, answer: AuthorizationResponse) -> Response {
    // RFC 9700 §4.12: 303, so that nothing posted here is posted on.
    responded(app, answer, see_other)
}

/// The same where a form of ours was pressed.
pub fn respond_to_form(app: &App, answer: AuthorizationResponse) -> Response {
    responded(app, answer, |location| lead_on(app, RETURNING, location))
}

fn responded(app: &App, answer: AuthorizationResponse, by_query: impl FnOnce(&str) -> Response) -> Response {
    if let Some((code, description)) = answer.error() {
        tracing::info!(error = code, reason = description, "an authorization request was refused");
    }
    match answer.address.mode {
        ResponseMode::Query => by_query(&answer.location()),
        ResponseMode::FormPost => {
            let members = answer.parameters.iter();
            let members = members.map(|(name, value)| Member { name: (*name).to_owned(), value: value.clone() });
            let form = FormPost {
                frame: desk_frame(app),
                action: answer.address.redirect_uri.clone(),
                members: members.collect(),
            };
            let mut response = page(&form);
            allow_form_action(response.headers_mut(), Some(&form_target(&answer.address.redirect_uri)));
            response
        }
    }
}

/// Nobody is redirected anywhere: the person is told.
pub fn bad_address(app: &App, error: BadAddress) -> Response {
    tracing::info!(reason = %error, "an authorization request was refused");
    let says = crate::accounts::sentence(&error);
    bad_request(app, &format!("{says}."))
}

/// Says to the person why the app's request cannot be followed.
pub fn bad_request(app: &App, says: &str) -> Response {
    let next = "Nothing was sent to the app. Tell whoever runs it; you can close this page.";
    error_page(app, StatusCode::BAD_REQUEST, "This sign-in can’t go on", &[says, next], None)
}

/// A request that was answered, has expired, or began in another browser.
pub fn gone(app: &App) -> Response {
    tracing::info!(reason = "it is over, or of another browser", "an authorization request was refused");
    let says = "This sign-in was finished already, took too long, or began in another browser.";
    let next = "Go back to the app and start again.";
    error_page(app, StatusCode::BAD_REQUEST, "This sign-in is over", &[says, next], None)
}
