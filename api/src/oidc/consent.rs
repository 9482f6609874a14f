//! What a person decides about an app: consent (OpenID Connect Core §3.1.2.4), and with which account to go on.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::consent::{Consent, ConsentCommand, stream};
use chancery_domain::oauth::error::{ErrorCode, OAuthError};
use chancery_domain::session::SessionEnd;

use super::authorization_response::respond_to_form;
use super::interaction::{look_answerable, take, update};
use super::lead_on::{RETURNING, lead_on};
use crate::app::App;
use crate::http::cookie;
use crate::http::error::ApiError;
use crate::http::form::body_params;
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::{MaybeSignedIn, SignedIn};
use crate::pages::render::api_error_page;
use crate::webauthn::end_session;

/// `POST /consent`: allow, or cancel, which the app is told.
pub async fn decide(
    State(app): State<App>,
    circumstances: Circumstances,
    MaybeSignedIn(present): MaybeSignedIn,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    decided(&app, &circumstances, present, &headers, &body).await.unwrap_or_else(|error| api_error_page(&app, &error))
}

async fn decided(
    app: &App,
    circumstances: &Circumstances,
    present: Option<SignedIn>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, ApiError> {
    let params = body_params(headers, body).map_err(|_| ApiError::invalid_body())?;
    let id = params.value("interaction").unwrap_or_default();
    let mut interaction = match look_answerable(app, headers, id).await? {
        Ok((interaction, _)) => interaction,
        Err(page) => return Ok(page),
    };
    let request = &interaction.request;
    if params.value("answer") != Some("allow") {
        take(app, headers, id).await?;
        let error = OAuthError::new(ErrorCode::AccessDenied, "the person did not allow it");
        return Ok(respond_to_form(app, request.address.clone().error(error, &app.issuer)));
    }
    let Some(signed_in) = present else { return Ok(sign_in_first(id)) };
    let (user_id, client_id) = (signed_in.user.id(), request.client_id.clone());
    let give = ConsentCommand::Give { user_id, client_id, scopes: request.consent_scopes() };
    let context = circumstances.context(app, signed_in.actor());
    let stream = stream(user_id, &request.client_id);
    app.store.execute::<Consent>(stream, give, &context).await.map_err(|_| ApiError::unavailable())?;
    interaction.consented = true;
    update(app, headers, id, &interaction).await?;
    Ok(go_on(app, id))
}

/// `POST /select-account`: continue as who is signed in, or sign out here and let somebody else sign in.
pub async fn select_account(
    State(app): State<App>,
    circumstances: Circumstances,
    MaybeSignedIn(present): MaybeSignedIn,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    selected(&app, &circumstances, present, &headers, &body).await.unwrap_or_else(|error| api_error_page(&app, &error))
}

async fn selected(
    app: &App,
    circumstances: &Circumstances,
    present: Option<SignedIn>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, ApiError> {
    let params = body_params(headers, body).map_err(|_| ApiError::invalid_body())?;
    let id = params.value("interaction").unwrap_or_default();
    let mut interaction = match look_answerable(app, headers, id).await? {
        Ok((interaction, _)) => interaction,
        Err(page) => return Ok(page),
    };
    let Some(signed_in) = present else { return Ok(sign_in_first(id)) };
    interaction.account_selected = true;
    update(app, headers, id, &interaction).await?;
    if params.value("answer") == Some("continue") {
        return Ok(go_on(app, id));
    }
    end_session(app, circumstances, &signed_in, SessionEnd::Replaced).await?;
    let mut response = see_other(&format!("/authorize?interaction={id}"));
    cookie::clear(response.headers_mut(), cookie::SESSION);
    Ok(response)
}

/// Their session ended while they looked at the sheet. The app's request goes on after the sign-in.
fn sign_in_first(interaction: &str) -> Response {
    see_other(&format!("/authorize?interaction={interaction}"))
}

/// Takes the app's request up again.
fn go_on(app: &App, id: &str) -> Response {
    lead_on(app, RETURNING, &format!("/authorize?interaction={id}"))
}
