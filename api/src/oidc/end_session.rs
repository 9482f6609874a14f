//! `GET|POST /api/oidc/end-session` (OpenID Connect RP-Initiated Logout 1.0) and the person's own sign-out.

use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use chancery_adapters::signing::Expected;
use chancery_domain::ids::ClientId;
use chancery_domain::oauth::params::Params;
use chancery_domain::oidc::logout::{Hint, post_logout_redirect, refused_redirect};
use chancery_domain::session::{Session, SessionCommand, SessionEnd};
use chancery_projections::clients;

use super::lead_on::lead_on;
use super::without_cookies::without_cookies;
use crate::app::App;
use crate::http::cookie;
use crate::http::error::ApiError;
use crate::http::form::{body_params, query_params};
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::{MaybeSignedIn, SignedIn};
use crate::pages::desk::{Action, Member, Message};
use crate::pages::render::{api_error_page, desk_frame, error_page, page};

pub async fn end_session(
    State(app): State<App>,
    circumstances: Circumstances,
    MaybeSignedIn(present): MaybeSignedIn,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match method {
        Method::POST => {
            let params = body_params(&headers, &body).unwrap_or_default();
            // §2 lets the person be asked where no hint says who signs out: better than to call that done which is not.
            let shorter = || without_cookies(&headers, uri.path(), &params.without("id_token_hint"));
            if let Some(again) = without_cookies(&headers, uri.path(), &params).or_else(shorter) {
                return again;
            }
            params
        }
        _ => query_params(uri.query()),
    };
    ended(&app, &circumstances, present, &params).await.unwrap_or_else(|error| api_error_page(&app, &error))
}

async fn ended(
    app: &App,
    circumstances: &Circumstances,
    present: Option<SignedIn>,
    params: &Params,
) -> Result<Response, ApiError> {
    let named = params.value("client_id");
    let verified = params.value("id_token_hint").and_then(|text| verified_hint(app, text));
    // §2: a client_id beside the hint must be the one the hint was issued to. Which of them to believe is not for us to
    // choose: then there is neither.
    let contradicts = verified.as_ref().is_some_and(|hint| named.is_some_and(|id| id != hint.client.as_str()));
    let hint = verified.filter(|_| !contradicts);
    let named = named.filter(|_| !contradicts).and_then(|id| id.parse().ok());
    let client = hint.as_ref().map(|hint| hint.client.clone()).or(named);
    let redirect = registered_redirect(app, params, client.as_ref()).await?;
    if refused_redirect(params, redirect.as_deref()) {
        tracing::info!(reason = "the address is not registered for it", "a sign-out was refused");
        let says = "The app asked to return to an address that is not registered for signing out.";
        let action = present.as_ref().map(|_| sign_out_action());
        return Ok(error_page(app, StatusCode::BAD_REQUEST, "This sign-out can’t go on", &[says], action));
    }
    let is_hinted = hint.is_some();
    let Some(present) = present else { return Ok(finished(app, redirect.as_deref().filter(|_| is_hinted))) };
    // §2 and attacks ES-01: without a hint for the session in this browser, the person is asked. A hint that was issued in
    // another one may be of another device, or stolen: "the OP SHOULD treat the logout request as suspect".
    if !hint.as_ref().is_some_and(|hint| hint.names(present.user.id(), present.session.id())) {
        let is_theirs = hint.is_none_or(|hint| hint.user == present.user.id());
        return Ok(match client.filter(|_| is_theirs && redirect.is_some()) {
            Some(client) => returning_confirmation(app, &present, &client, params),
            None => confirmation(app, &present, Vec::new()),
        });
    }
    end(app, circumstances, &present, SessionEnd::LogoutRequested).await?;
    let mut response = finished(app, redirect.as_deref());
    cookie::clear(response.headers_mut(), cookie::SESSION);
    Ok(response)
}

/// `GET /sign-out`.
pub async fn ask(State(app): State<App>, MaybeSignedIn(present): MaybeSignedIn) -> Response {
    match present {
        Some(present) => confirmation(&app, &present, Vec::new()),
        None => finished(&app, None),
    }
}

/// `POST /sign-out`, from our own pages only; back to the app, if it asked for that.
pub async fn confirm(
    State(app): State<App>,
    circumstances: Circumstances,
    MaybeSignedIn(present): MaybeSignedIn,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = body_params(&headers, &body).unwrap_or_default();
    let client = params.value("client_id").and_then(|id| id.parse().ok());
    let redirect = match registered_redirect(&app, &params, client.as_ref()).await {
        Ok(redirect) => redirect,
        Err(error) => return api_error_page(&app, &error.into()),
    };
    if let Some(present) = present
        && let Err(error) = end(&app, &circumstances, &present, SessionEnd::SignedOut).await
    {
        return api_error_page(&app, &error);
    }
    let mut response = match redirect {
        Some(location) => lead_on(&app, SIGNED_OUT, &location),
        None => finished(&app, None),
    };
    cookie::clear(response.headers_mut(), cookie::SESSION);
    response
}

async fn registered_redirect(
    app: &App,
    params: &Params,
    client: Option<&ClientId>,
) -> Result<Option<String>, sqlx::Error> {
    let Some(client) = client else { return Ok(None) };
    let row = clients::find(&app.pool, client).await?;
    Ok(post_logout_redirect(params, row.as_ref().map(|row| &row.settings.0)))
}

async fn end(app: &App, circumstances: &Circumstances, present: &SignedIn, why: SessionEnd) -> Result<(), ApiError> {
    let context = circumstances.context(app, present.actor());
    let end = SessionCommand::End { why };
    let ended = app.store.execute::<Session>(present.session.id(), end, &context).await;
    ended.map(|_| ()).map_err(crate::webauthn::session_error)
}

/// An ID token that we signed, however old (§2: "the OP SHOULD accept ID Tokens … even if exp has passed").
pub fn verified_hint(app: &App, text: &str) -> Option<Hint> {
    let expected = Expected { typ: "JWT", issuer: &app.issuer, now: app.now().unix_timestamp(), allow_expired: true };
    let claims = app.keyring.verify(text, expected).ok()?;
    let member = |name: &str| claims.get(name).and_then(serde_json::Value::as_str);
    Some(Hint {
        user: member("sub")?.parse().ok()?,
        client: member("aud")?.parse().ok()?,
        session: member("sid").and_then(|sid| sid.parse().ok()),
    })
}

const SIGNED_OUT: &str = "You are signed out";

fn finished(app: &App, redirect: Option<&str>) -> Response {
    if let Some(location) = redirect {
        return see_other(location);
    }
    let says = vec!["You can close this page.".to_owned(), "Apps may keep you signed in on their own.".to_owned()];
    page(&Message {
        frame: desk_frame(app),
        id: "signed-out",
        heading: SIGNED_OUT.to_owned(),
        says,
        request_id: None,
        action: Some(Action {
            label: "Sign in again".into(),
            href: "/login".into(),
            posts: false,
            members: Vec::new(),
        }),
    })
}

/// The question with what leads back to the app; the answer checks it again.
fn returning_confirmation(app: &App, present: &SignedIn, client: &ClientId, params: &Params) -> Response {
    let member = |name: &str, value: &str| Member { name: name.to_owned(), value: value.to_owned() };
    let named = ["post_logout_redirect_uri", "state"].into_iter();
    let named = named.filter_map(|name| Some(member(name, params.value(name)?)));
    let members = std::iter::once(member("client_id", client.as_str())).chain(named);
    confirmation(app, present, members.collect())
}

fn confirmation(app: &App, present: &SignedIn, members: Vec<Member>) -> Response {
    page(&Message {
        frame: desk_frame(app),
        id: "sign-out",
        heading: "Sign out?".to_owned(),
        says: vec![format!("You are signed in as {}.", present.user.display_name)],
        request_id: None,
        action: Some(Action { members, ..sign_out_action() }),
    })
}

fn sign_out_action() -> Action {
    Action { label: "Sign out".into(), href: "/sign-out".into(), posts: true, members: Vec::new() }
}
