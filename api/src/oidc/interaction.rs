//! Authorization requests that wait for their person, each bound to the browser that brought it.

use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::authorization::request::{AuthorizationRequest, BadAddress};
use chancery_domain::oauth::redirect_uri;
use chancery_projections::clients::ClientRow;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::authorization_response::{bad_address, gone};
use super::authorize::enabled_client;
use crate::app::App;
use crate::http::cookie;

const KIND: &str = "interaction";
const LIFETIME: Duration = Duration::hours(1);

/// A request that waits for its person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interaction {
    pub request: AuthorizationRequest,
    #[serde(with = "time::serde::rfc3339")]
    pub asked_at: OffsetDateTime,
    pub account_selected: bool,
    pub consented: bool,
}

/// Keeps a new request for a browser, and answers with its id.
///
/// # Errors
/// Those of the database, here and below.
pub async fn keep(app: &App, browser: &str, interaction: &Interaction) -> Result<String, sqlx::Error> {
    let id = app.entropy.token().expose().clone();
    app.short_lived.put(KIND, &format!("{browser}.{id}"), interaction, LIFETIME, app.now()).await?;
    Ok(id)
}

/// The request that this browser brought under this id (attacks, CVE-2022-39222: never that of another).
pub async fn look(app: &App, headers: &HeaderMap, id: &str) -> Result<Option<Interaction>, sqlx::Error> {
    let Some(browser) = cookie::read(headers, cookie::BROWSER) else { return Ok(None) };
    app.short_lived.look(KIND, &format!("{browser}.{id}"), app.now()).await
}

/// The same with its app, if the app may still have an answer; or else the page for the person. An app that was disabled
/// or deleted meanwhile gets nothing, nor does an address that was unregistered (attacks RU-08, AZ-02).
pub async fn look_answerable(
    app: &App,
    headers: &HeaderMap,
    id: &str,
) -> Result<Result<(Interaction, ClientRow), Response>, sqlx::Error> {
    let Some(interaction) = look(app, headers, id).await? else { return Ok(Err(gone(app))) };
    let request = &interaction.request;
    let registered =
        |row: &ClientRow| redirect_uri::find(&row.settings.redirect_uris, &request.address.redirect_uri).is_some();
    Ok(match enabled_client(app, &request.client_id, registered).await? {
        None => Err(bad_address(app, BadAddress::UnknownClient)),
        Some(row) if !registered(&row) => Err(bad_address(app, BadAddress::UnregisteredRedirectUri)),
        Some(row) => Ok((interaction, row)),
    })
}

/// The request, used up.
pub async fn take(app: &App, headers: &HeaderMap, id: &str) -> Result<Option<Interaction>, sqlx::Error> {
    let Some(browser) = cookie::read(headers, cookie::BROWSER) else { return Ok(None) };
    app.short_lived.take(KIND, &format!("{browser}.{id}"), app.now()).await
}

/// Notes with a request what its person did for it. One that was used up meanwhile is not revived.
pub async fn update(app: &App, headers: &HeaderMap, id: &str, interaction: &Interaction) -> Result<(), sqlx::Error> {
    let Some(browser) = cookie::read(headers, cookie::BROWSER) else { return Ok(()) };
    app.short_lived.change(KIND, &format!("{browser}.{id}"), interaction).await
}
