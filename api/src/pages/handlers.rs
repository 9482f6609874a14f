//! The sheets that people are sent to: sign-in, step-up, consent, enrollment, help.

use axum::Router;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use chancery_domain::enrollment::{Enrollment, EnrollmentCommand, Purpose};
use chancery_domain::user::UserCommand;
use chancery_projections::{clients, passkeys};
use time::macros::format_description;

use super::desk::{Action, Cancel, Consent, Enroll, EnrollSecond, Message, Reauthenticate, SelectAccount, SignIn};
use super::released::released;
use super::render::{api_error_page, desk_frame, page};
use crate::accounts;
use crate::admin::users::existing;
use crate::app::App;
use crate::http::cookie;
use crate::http::error::ApiError;
use crate::http::form::query_params;
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::MaybeSignedIn;
use crate::oidc::interaction::{self, Interaction, look_answerable};
use crate::webauthn::enrollment;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| async { see_other("/account") }))
        .route("/login", get(sign_in))
        .route("/reauthenticate", get(reauthenticate))
        .route("/select-account", get(select_account))
        .route("/consent", get(consent))
        .route("/help", get(help))
        .route("/enroll/{code}", get(open_enrollment))
        .route("/lc/{code}", get(open_enrollment)) // tools of Pocket ID write it so
        .route("/enroll", get(enroll))
        .route("/enroll/second", get(enroll_second).post(skip_second))
}

type Page = Result<Response, ApiError>;

fn shown(app: &App, page: Page) -> Response {
    page.unwrap_or_else(|error| api_error_page(app, &error))
}

/// A path of our own to go to next; anything else leads home (attacks OR-01).
pub fn local_path(text: &str) -> &str {
    let plain = |c: char| c.is_ascii_graphic() && c != '\\';
    let local = text.starts_with('/') && !text.starts_with("//") && text.chars().all(plain);
    if local { text } else { "/account" }
}

/// Where a ceremony leads: back to the app's request, or to a page of ours.
fn next_of(params: &chancery_domain::oauth::params::Params) -> String {
    match params.value("interaction") {
        Some(id) => format!("/authorize?interaction={id}"),
        None => local_path(params.value("next").unwrap_or("/account")).to_owned(),
    }
}

async fn app_of(app: &App, interaction: Option<&Interaction>) -> Result<Option<String>, ApiError> {
    let Some(interaction) = interaction else { return Ok(None) };
    let row = clients::find(&app.pool, &interaction.request.client_id).await?;
    Ok(row.map(|row| row.settings.0.name))
}

async fn sign_in(State(app): State<App>, OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    let sheet = async {
        let params = query_params(uri.query());
        let interaction = match params.value("interaction") {
            Some(id) => interaction::look(&app, &headers, id).await?,
            None => None,
        };
        let name = app_of(&app, interaction.as_ref()).await?;
        let next = next_of(&params);
        let way_back = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &next).finish();
        let help = format!("/help?{way_back}");
        Ok(page(&SignIn { frame: desk_frame(&app), app: name, next, help }))
    };
    shown(&app, sheet.await)
}

async fn reauthenticate(
    State(app): State<App>,
    MaybeSignedIn(present): MaybeSignedIn,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let sheet = async {
        let params = query_params(uri.query());
        let next = next_of(&params);
        let Some(present) = present else {
            let next = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &next).finish();
            return Ok(see_other(&format!("/login?{next}")));
        };
        let sheet = |cancel| Reauthenticate {
            frame: desk_frame(&app),
            person: present.user.display_name.clone(),
            why: "This needs a fresh look at one of your passkeys.".to_owned(),
            cancel,
            next: next.clone(),
        };
        let Some(id) = params.value("interaction") else {
            let back = local_path(params.value("back").unwrap_or(&next)).to_owned();
            return Ok(page(&sheet(Cancel::Leads(back))));
        };
        if let Err(page) = look_answerable(&app, &headers, id).await? {
            return Ok(page);
        }
        Ok(page(&sheet(Cancel::Answers { interaction: id.to_owned() })))
    };
    shown(&app, sheet.await)
}

async fn select_account(
    State(app): State<App>,
    MaybeSignedIn(present): MaybeSignedIn,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let sheet = async {
        let params = query_params(uri.query());
        let id = params.value("interaction").unwrap_or_default();
        let (_, row) = match look_answerable(&app, &headers, id).await? {
            Ok(answerable) => answerable,
            Err(page) => return Ok(page),
        };
        let Some(present) = present else { return Ok(see_other(&format!("/authorize?interaction={id}"))) };
        Ok(page(&SelectAccount {
            frame: desk_frame(&app),
            person: present.user.display_name,
            app: Some(row.settings.0.name),
            interaction: id.to_owned(),
        }))
    };
    shown(&app, sheet.await)
}

async fn consent(
    State(app): State<App>,
    MaybeSignedIn(present): MaybeSignedIn,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let sheet = async {
        let params = query_params(uri.query());
        let id = params.value("interaction").unwrap_or_default();
        let (interaction, row) = match look_answerable(&app, &headers, id).await? {
            Ok(answerable) => answerable,
            Err(page) => return Ok(page),
        };
        let Some(present) = present else { return Ok(see_other(&format!("/authorize?interaction={id}"))) };
        let name = row.settings.0.name;
        Ok(page(&Consent {
            frame: desk_frame(&app),
            letter: name.chars().next().map(|c| c.to_uppercase().to_string()).unwrap_or_default(),
            app: name,
            destination: destination(&interaction),
            claims: released(&app, &present, &interaction).await?,
            person: present.user.display_name.clone(),
            not_you: format!("/select-account?interaction={id}"),
            interaction: id.to_owned(),
        }))
    };
    shown(&app, sheet.await)
}

fn destination(interaction: &Interaction) -> String {
    let uri = &interaction.request.address.redirect_uri;
    let url = url::Url::parse(uri).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).filter(|host| !host.is_empty()).map(str::to_owned);
    host.or_else(|| url.map(|url| url.scheme().to_owned())).unwrap_or_default()
}

/// Whoever came here from an app's request goes on with it.
async fn help(State(app): State<App>, OriginalUri(uri): OriginalUri) -> Response {
    page(&Message {
        frame: desk_frame(&app),
        id: "help",
        heading: "Can’t sign in?".to_owned(),
        says: vec![
            "Your passkeys are the only way in. Try the device or security key where you made one, or the phone that keeps it."
                .to_owned(),
            format!(
                "If none is left, ask whoever runs {} for an enrollment link. They will want to be sure that it is you.",
                app.config.app_name
            ),
        ],
        request_id: None,
        action: Some(Action {
            label: "Back to sign-in".to_owned(),
            href: next_of(&query_params(uri.query())),
            posts: false,
            members: Vec::new(),
        }),
    })
}

/// Opening a link uses nothing up: the code goes into a cookie, out of the address bar, and the page follows.
async fn open_enrollment(State(app): State<App>, circumstances: Circumstances, Path(code): Path<String>) -> Response {
    let opened = async {
        let link = enrollment::by_code(&app, &circumstances, &code).await?;
        let context = circumstances.context(&app, chancery_domain::actor::Actor::Visitor);
        let open = EnrollmentCommand::Open { secret: link.secret, now: app.now() };
        app.store.execute::<Enrollment>(link.id, open, &context).await.map_err(accounts::enrollment_error)?;
        let mut response = see_other("/enroll");
        cookie::set(response.headers_mut(), cookie::ENROLLMENT, &code, Some(3_600));
        Ok(response)
    };
    opened.await.unwrap_or_else(|error: ApiError| closed(&app, &error))
}

fn closed(app: &App, error: &ApiError) -> Response {
    if error.retry_after.is_some() {
        return api_error_page(app, error);
    }
    let mut response = page(&Message {
        frame: desk_frame(app),
        id: "error",
        heading: "This link can’t be used".to_owned(),
        // A reason that says what to do is said without it: the next line does.
        says: vec![
            format!("{}.", error.message.split(';').next().unwrap_or_default().trim_end_matches('.')),
            "If you have made a passkey, it signs you in. If not, ask whoever sent the link for a new one.".to_owned(),
        ],
        request_id: Some(crate::http::error::request_id()),
        action: Some(Action {
            label: "Sign in".to_owned(),
            href: "/login".to_owned(),
            posts: false,
            members: Vec::new(),
        }),
    });
    *response.status_mut() = StatusCode::GONE;
    response
}

async fn enroll(State(app): State<App>, circumstances: Circumstances, headers: HeaderMap) -> Response {
    let sheet = async {
        let link = enrollment::open_link(&app, &circumstances, &headers).await?;
        let date = format_description!("[day padding:none] [month repr:long], [hour]:[minute] UTC");
        let expires = link.expires_at.format(&date).unwrap_or_default();
        let (heading, says) = match link.purpose {
            Purpose::Setup => (
                format!("Set up {}", app.config.app_name),
                "You will be the first administrator. Who are you?".to_owned(),
            ),
            Purpose::Invitation { user_id } => {
                let user = existing(&app, user_id).await?;
                (format!("Welcome, {}", user.display_name), "Create the passkey that will sign you in.".to_owned())
            }
            Purpose::Recovery { user_id, replace } => {
                let user = existing(&app, user_id).await?;
                let says = match replace {
                    true => "Create a new passkey. All your other passkeys, sessions and API keys end with it.",
                    false => "Create a new passkey beside the ones you have.",
                };
                (format!("Welcome back, {}", user.display_name), says.to_owned())
            }
        };
        let asks_profile = link.purpose == Purpose::Setup;
        let link = link.id.to_string();
        Ok(page(&Enroll { frame: desk_frame(&app), heading, says, asks_profile, link, expires }))
    };
    sheet.await.unwrap_or_else(|error: ApiError| closed(&app, &error))
}

async fn enroll_second(State(app): State<App>, MaybeSignedIn(present): MaybeSignedIn) -> Response {
    let sheet = async {
        let Some(present) = present else { return Ok(see_other("/login")) };
        let held = passkeys::of_user(&app.pool, present.user.id()).await?;
        if held.len() > 1 {
            return Ok(see_other("/account"));
        }
        let synced = held.iter().any(|row| row.backup_eligible);
        let says = match synced {
            true => {
                "Your passkey is kept by its provider. If you ever lose access to that, only an administrator can let you in."
            }
            false => {
                "Your passkey is on this device or key only. If you lose it, you are locked out, and only an administrator can help."
            }
        };
        Ok(page(&EnrollSecond { frame: desk_frame(&app), says: says.to_owned() }))
    };
    shown(&app, sheet.await)
}

async fn skip_second(
    State(app): State<App>,
    circumstances: Circumstances,
    MaybeSignedIn(present): MaybeSignedIn,
) -> Response {
    let Some(signed_in) = present else { return see_other("/login") };
    let caller = signed_in.caller(&app, &circumstances);
    let decline = UserCommand::DeclineSecondPasskey { now: app.now() };
    let declined = accounts::execute(&app, &caller, signed_in.user.id(), decline).await;
    shown(&app, declined.map(|_| see_other("/account")))
}
