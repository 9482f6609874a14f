//! `/verify-email`: a person confirms that an e-mail address is theirs.
//!
//! Looking uses nothing up, since mail scanners look too. It counts for whoever is signed in: a link that somebody else
//! caused must not make their account yours, nor yours theirs.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

use super::desk::{Action, Member, Message};
use super::render::{api_error_page, desk_frame, home, page};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::form::{body_params, query_params};
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::MaybeSignedIn;
use crate::mail::requests;

pub fn routes() -> Router<App> {
    Router::new().route("/verify-email", get(ask).post(confirm))
}

async fn ask(State(app): State<App>, MaybeSignedIn(present): MaybeSignedIn, OriginalUri(uri): OriginalUri) -> Response {
    let token = query_params(uri.query()).value("token").unwrap_or_default().to_owned();
    let Some(present) = present else { return sign_in_first(&token) };
    match (&present.user.email, present.user.email_verified) {
        (Some(email), false) => page(&Message {
            frame: desk_frame(&app),
            id: "verify-email",
            heading: "Is this your address?".to_owned(),
            says: vec![format!("{email} will be confirmed for {}.", present.user.display_name)],
            request_id: None,
            action: Some(Action {
                label: "Confirm this address".to_owned(),
                href: "/verify-email".to_owned(),
                posts: true,
                members: vec![Member { name: "token".to_owned(), value: token }],
            }),
        }),
        _ => nothing_to_do(&app),
    }
}

fn sign_in_first(token: &str) -> Response {
    let back = format!("/verify-email?token={token}");
    let next = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &back).finish();
    see_other(&format!("/login?{next}"))
}

async fn confirm(
    State(app): State<App>,
    circumstances: Circumstances,
    MaybeSignedIn(present): MaybeSignedIn,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let confirmed = async {
        let params = body_params(&headers, &body).map_err(|_| ApiError::invalid_body())?;
        let token = params.value("token").unwrap_or_default();
        let Some(signed_in) = present else { return Ok(sign_in_first(token)) };
        let caller = signed_in.caller(&app, &circumstances);
        requests::verify_email(&app, &caller, signed_in.user.id(), token).await?;
        Ok(nothing_to_do(&app))
    };
    confirmed.await.unwrap_or_else(|error: ApiError| api_error_page(&app, &error))
}

fn nothing_to_do(app: &App) -> Response {
    page(&Message {
        frame: desk_frame(app),
        id: "email-verified",
        heading: "Your address is confirmed".to_owned(),
        says: vec!["There is nothing more to do.".to_owned()],
        request_id: None,
        action: Some(home()),
    })
}
