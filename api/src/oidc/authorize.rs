//! `GET|POST /authorize` (RFC 6749 §3.1, OpenID Connect Core §3.1.2).
//!
//! A request that cannot be answered at once is kept, bound to the browser that brought it, and the person is sent to
//! what is missing; `/authorize?interaction=…` takes it up again.

use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use chancery_adapters::event_store::ExecuteError;
use chancery_domain::authorization::interaction::{Done, Present, Situation, Step, next_step};
use chancery_domain::authorization::request::{self, AuthorizationRequest, BadAddress};
use chancery_domain::client::ClientSettings;
use chancery_domain::digest::Digest;
use chancery_domain::grant::{Authorization, Grant, GrantCommand};
use chancery_domain::ids::{ClientId, GrantId, UserId};
use chancery_domain::oauth::authorization_response::AuthorizationResponse;
use chancery_domain::oauth::error::OAuthError;
use chancery_domain::oauth::params::Params;
use chancery_domain::oauth::token_value::code;
use chancery_domain::policy::access::{AccessFacts, ConsentFacts};
use chancery_projections::access::{self, Asked};
use chancery_projections::clients::ClientRow;
use time::{Duration, OffsetDateTime};

use super::authorization_response::{bad_address, bad_request, gone, respond};
use super::error::{store_error, unavailable};
use super::interaction::{self, Interaction};
use super::without_cookies::without_cookies;
use crate::app::App;
use crate::http::cookie;
use crate::http::form::{body_params, query_params};
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::{SignedIn, signed_in, touch};
use crate::pages::render::error_page;

/// What a handler here ends in: an answer for the app, or a page for the person.
pub enum Outcome {
    Answer(AuthorizationResponse),
    Page(Response),
}

pub async fn authorize(
    State(app): State<App>,
    circumstances: Circumstances,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match method {
        Method::POST => match body_params(&headers, &body) {
            Ok(params) => match without_cookies(&headers, uri.path(), &params) {
                Some(again) => return again,
                None => params,
            },
            Err(error) => {
                tracing::info!(reason = error.description, "an authorization request was refused");
                return bad_request(&app, "The app's request is not a form.");
            }
        },
        _ => query_params(uri.query()),
    };
    let outcome = match params.value("interaction") {
        Some(id) if method == Method::GET => resume(&app, &circumstances, &headers, id).await,
        _ => begin(&app, &circumstances, &headers, &params).await,
    };
    match outcome {
        Ok(Outcome::Answer(answer)) => respond(&app, answer),
        Ok(Outcome::Page(page)) => page,
        Err(error) => {
            tracing::error!(%error, "the database failed");
            error_page(&app, StatusCode::SERVICE_UNAVAILABLE, "We will be right back", &[TRY_AGAIN], None)
        }
    }
}

const TRY_AGAIN: &str = "The service is briefly unavailable. Wait a moment and try again.";

async fn begin(
    app: &App,
    circumstances: &Circumstances,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Outcome, sqlx::Error> {
    // Who asks, and where the answer goes: until both are known, nobody is redirected anywhere (RFC 6749 §4.1.2.1).
    let client_id = match request::client_id(params) {
        Ok(id) => id,
        Err(error) => return Ok(Outcome::Page(bad_address(app, error))),
    };
    let addressed = |row: &ClientRow| request::return_address(params, &row.settings).is_ok();
    let Some(row) = enabled_client(app, &client_id, addressed).await? else {
        return Ok(Outcome::Page(bad_address(app, BadAddress::UnknownClient)));
    };
    let address = match request::return_address(params, &row.settings) {
        Ok(address) => address,
        Err(error) => return Ok(Outcome::Page(bad_address(app, error))),
    };
    let request = match request::parse(params, client_id, address.clone(), &row.settings) {
        Ok(request) => request,
        Err(error) => return Ok(Outcome::Answer(address.error(error, &app.issuer))),
    };
    let interaction = Interaction { request, asked_at: app.now(), account_selected: false, consented: false };
    proceed(app, circumstances, headers, interaction, &row.settings, None).await
}

/// Takes up a kept request in the browser that brought it.
async fn resume(
    app: &App,
    circumstances: &Circumstances,
    headers: &HeaderMap,
    id: &str,
) -> Result<Outcome, sqlx::Error> {
    match interaction::look_answerable(app, headers, id).await? {
        Ok((interaction, row)) => proceed(app, circumstances, headers, interaction, &row.settings, Some(id)).await,
        Err(page) => Ok(Outcome::Page(page)),
    }
}

/// The app, unless there is none or it is disabled. One that memory knows otherwise than it `suits` is read again.
pub async fn enabled_client(
    app: &App,
    id: &ClientId,
    suits: impl Fn(&ClientRow) -> bool,
) -> Result<Option<ClientRow>, sqlx::Error> {
    let mut client = app.memory.known_client(id).await?;
    if !client.as_ref().is_some_and(|client| !client.row.disabled && suits(&client.row)) {
        app.memory.forget_client(id);
        client = app.memory.client(id).await?;
    }
    Ok(client.map(|client| client.row.clone()).filter(|row| !row.disabled))
}

async fn proceed(
    app: &App,
    circumstances: &Circumstances,
    headers: &HeaderMap,
    interaction: Interaction,
    settings: &ClientSettings,
    kept_as: Option<&str>,
) -> Result<Outcome, sqlx::Error> {
    let request = &interaction.request;
    let present = signed_in(app, headers).await?;
    let now = app.now();
    let known = match &present {
        Some(present) => {
            let person = Some((present.user.id(), present.session.id()));
            let asked = Asked { client: &request.client_id, person, grant: None };
            // With what the person is asked for, so that nobody is asked again for what memory does not know yet.
            access::decide(&app.memory, asked, &request.consent_scopes(), now).await?
        }
        None => None,
    };
    let facts = known.as_ref().map(|known| &known.facts);
    let step = next_step(request, &situation(app, &interaction, settings, present.as_ref(), facts, now));
    let answer = |error: OAuthError| Ok(Outcome::Answer(request.address.clone().error(error, &app.issuer)));
    match (step, present, known) {
        // It was deleted just now.
        (_, Some(_), None) => Ok(Outcome::Page(bad_address(app, BadAddress::UnknownClient))),
        (Err(error), ..) => answer(error),
        (Ok(Step::Nothing), Some(present), Some(known)) => {
            let causes = match known.decision {
                Ok(causes) => causes,
                Err(denied) => return answer(denied.at_authorization_endpoint()),
            };
            // Single use: of two tabs, or two presses, one gets the code.
            if let Some(id) = kept_as
                && interaction::take(app, headers, id).await?.is_none()
            {
                return Ok(Outcome::Page(gone(app)));
            }
            touch(app, &present, circumstances).await;
            issue_code(app, circumstances, &present, request, settings, causes).await
        }
        (Ok(step), ..) => Ok(Outcome::Page(ask(app, headers, &interaction, step, kept_as).await?)),
    }
}

fn situation<'a>(
    app: &App,
    interaction: &Interaction,
    settings: &ClientSettings,
    present: Option<&SignedIn>,
    facts: Option<&'a AccessFacts>,
    now: OffsetDateTime,
) -> Situation<'a> {
    let person = facts.and_then(|facts| facts.person.as_ref());
    let consented = person.and_then(|person| match &person.consent {
        ConsentFacts::Given(scopes) => Some(scopes),
        ConsentFacts::Skipped | ConsentFacts::Absent => None,
    });
    Situation {
        session: present.map(|present| Present {
            user: present.user.id(),
            authenticated_at: present.session.authenticated_at,
            consented,
            in_allowed_group: person.is_some_and(|person| !person.client_is_restricted || person.in_allowed_group),
        }),
        hinted: interaction.request.id_token_hint.as_deref().and_then(|hint| hinted(app, hint)),
        asked_at: interaction.asked_at,
        now,
        requires_reauthentication: settings.requires_reauthentication,
        skip_consent: settings.skip_consent,
        done: Done { account_selected: interaction.account_selected, consented: interaction.consented },
    }
}

/// The subject of an ID token of ours, however old; anything else hints at nobody (AZ-17).
fn hinted(app: &App, hint: &str) -> Option<UserId> {
    super::end_session::verified_hint(app, hint).map(|hint| hint.user)
}

/// The code is recorded before it leaves.
async fn issue_code(
    app: &App,
    circumstances: &Circumstances,
    present: &SignedIn,
    request: &AuthorizationRequest,
    settings: &ClientSettings,
    causes: chancery_domain::policy::access::Causes,
) -> Result<Outcome, sqlx::Error> {
    let now = app.now();
    let grant_id = GrantId(app.entropy.uuid_v7(now));
    let mut secret = [0; 32];
    app.entropy.fill(&mut secret);
    let value = code(grant_id, &secret);
    let authorization = Authorization {
        user_id: present.user.id(),
        client_id: request.client_id.clone(),
        session_id: present.session.id(),
        code: Digest::of(&value),
        redirect_uri: request.address.redirect_uri.clone(),
        scopes: request.scopes.clone(),
        nonce: request.nonce.clone(),
        code_challenge: request.code_challenge.clone(),
        authenticated_at: present.session.authenticated_at,
        acr: present.session.acr.clone(),
        amr: present.session.amr.clone(),
        claims: request.claims.names.clone(),
        code_expires_at: now + Duration::seconds(app.config.code_seconds),
        ends_at: now + Duration::seconds(settings.refresh_token_seconds.max(settings.access_token_seconds)),
        causes,
    };
    let context = circumstances.context(app, present.actor());
    let authorize = GrantCommand::Authorize(Box::new(authorization));
    let address = request.address.clone();
    let answer = match app.store.create::<Grant>(grant_id, authorize, &context).await {
        Ok(_) => address.code(value, &app.issuer),
        Err(ExecuteError::Store(error)) => address.error(store_error(error), &app.issuer),
        Err(ExecuteError::Refused(_)) => address.error(unavailable(), &app.issuer),
    };
    Ok(Outcome::Answer(answer))
}

/// Keeps the request and shows what is missing.
async fn ask(
    app: &App,
    headers: &HeaderMap,
    interaction: &Interaction,
    step: Step,
    kept_as: Option<&str>,
) -> Result<Response, sqlx::Error> {
    let browser = cookie::read(headers, cookie::BROWSER).map(str::to_owned);
    let new_browser = browser.is_none();
    let browser = browser.unwrap_or_else(|| app.entropy.token().expose().clone());
    let id = match kept_as {
        Some(id) => id.to_owned(),
        None => interaction::keep(app, &browser, interaction).await?,
    };
    let path = match step {
        Step::Authenticate => "/login",
        Step::SelectAccount => "/select-account",
        Step::Reauthenticate => "/reauthenticate",
        Step::Consent | Step::Nothing => "/consent",
    };
    let mut response = see_other(&format!("{path}?interaction={id}"));
    if new_browser {
        cookie::set(response.headers_mut(), cookie::BROWSER, &browser, None);
    }
    Ok(response)
}
