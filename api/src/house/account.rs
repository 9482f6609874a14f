//! `/account`: a person's own profile and sessions.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::oauth::params::Params;
use chancery_domain::user::{Profile, ProfileInput, UserCommand};
use chancery_projections::sessions::SessionRow as Session;
use chancery_projections::users::{self, User};
use chancery_projections::{groups, passkeys, sessions};

use super::frame::{Page, Resident, count, frame, outrun, place, portrait, shown, when};
use crate::accounts;
use crate::admin::users::{full_json, held};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::form::body_params;
use crate::http::precondition::{Seen, entity_tag, is_outrun};
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::SignedIn;
use crate::mail::requests;
use crate::pages::house::{
    Account, Field, Notice, PictureForm, ProfileForm, ProfileRights, Room, SessionRow, Sessions,
};
use crate::pages::render::page;
use crate::user_agent::UserAgent;

/// # Errors
/// `invalid_request_body` for anything but a form.
pub fn form(headers: &HeaderMap, body: &Bytes) -> Result<Params, ApiError> {
    body_params(headers, body).map_err(|_| ApiError::invalid_body())
}

/// The profile that a form holds, unchecked.
pub fn profile_input(params: &Params) -> ProfileInput {
    let text = |name| params.value(name).unwrap_or_default().to_owned();
    ProfileInput {
        username: text("username"),
        email: params.value("email").map(str::to_owned),
        first_name: text("first_name"),
        last_name: text("last_name"),
        display_name: text("display_name"),
        locale: None,
    }
}

/// The form with what was entered and what is wrong with it; `errors` are field (as the API names it) and sentence.
pub fn profile_form(
    action: &str,
    input: &ProfileInput,
    errors: &[(&str, String)],
    rights: ProfileRights,
    seen: String,
) -> ProfileForm {
    let field = |name: &str, value: &str| Field {
        value: value.to_owned(),
        wrong: errors.iter().find(|(field, _)| *field == name).map(|(_, wrong)| accounts::sentence(wrong)),
    };
    ProfileForm {
        action: action.to_owned(),
        username: field("username", &input.username),
        first_name: field("firstName", &input.first_name),
        last_name: field("lastName", &input.last_name),
        display_name: field("displayName", &input.display_name),
        email: field("email", input.email.as_deref().unwrap_or_default()),
        rights,
        seen,
    }
}

/// What is wrong with the fields, or with the one that somebody else has.
pub fn field_errors(error: &ApiError) -> Vec<(String, String)> {
    let details = error.details.as_ref();
    let text = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    if let Some(fields) = details.and_then(|details| details["fields"].as_array()) {
        return fields.iter().map(|field| (text(field, "field"), text(field, "message"))).collect();
    }
    let property = details.and_then(|details| details["property"].as_str()).unwrap_or_default();
    vec![(property.to_owned(), error.message.clone())]
}

pub async fn show(State(app): State<App>, Resident(signed_in): Resident) -> Response {
    shown(&app, account(&app, &signed_in, Extra::default()).await)
}

/// What differs from the plain page.
#[derive(Default)]
struct Extra {
    notice: Option<Notice>,
    /// What was entered, and what is wrong with it.
    profile: Option<(ProfileInput, Vec<(String, String)>)>,
    /// What is wrong with the file that was chosen.
    picture: Option<String>,
}

/// The page again, which says what is wrong with the file that was chosen.
pub async fn refused_picture(app: &App, signed_in: &SignedIn, wrong: String) -> Page {
    account(app, signed_in, Extra { picture: Some(wrong), ..Extra::default() }).await
}

/// A person's profile as their form starts.
pub fn input_of(user: &User) -> ProfileInput {
    ProfileInput {
        username: user.username.clone(),
        email: user.email.clone(),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        display_name: user.display_name.clone(),
        locale: user.locale.clone(),
    }
}

async fn account(app: &App, signed_in: &SignedIn, extra: Extra) -> Page {
    let user = users::find(&app.pool, signed_in.user.id()).await?.ok_or_else(ApiError::not_signed_in)?;
    let held = passkeys::of_user(&app.pool, user.id()).await?.len();
    let live = sessions::live_of(&app.pool, user.id(), app.now()).await?.len();
    let groups = groups::of_user(&app.pool, user.id()).await?;
    let (input, errors) = extra.profile.unwrap_or_else(|| (input_of(&user), Vec::new()));
    let errors: Vec<_> = errors.iter().map(|(field, wrong)| (field.as_str(), wrong.clone())).collect();
    let seen = entity_tag(&full_json(app, &user).await?);
    let mut frame = frame(app, signed_in, Room::Account);
    frame.person = user.display_name.clone();
    let picture = PictureForm { page: "/account".to_owned(), portrait: portrait(&user), wrong: extra.picture };
    frame.portrait = picture.portrait.clone();
    frame.notice = extra.notice;
    Ok(page(&Account {
        frame,
        name: user.display_name,
        username: user.username,
        can_verify: app.config.smtp.is_some() && user.email.is_some() && !user.email_verified,
        email_verified: user.email_verified,
        email: user.email,
        groups: groups.into_iter().map(|group| group.friendly_name).collect(),
        passkeys: count(held as i64, "passkey", "passkeys"),
        sessions: count(live as i64, "device", "devices"),
        picture,
        form: Some(profile_form("/account", &input, &errors, ProfileRights::Own, seen)),
    }))
}

/// Asks for a mail to prove the address.
pub async fn ask_verification(
    State(app): State<App>,
    circumstances: Circumstances,
    Resident(signed_in): Resident,
) -> Response {
    let shown_page = async {
        let caller = signed_in.caller(&app, &circumstances);
        let asked = requests::request_verification(&app, &caller, signed_in.user.id()).await;
        let notice = match asked {
            Ok(_) => Notice::good("A mail is on its way. Open it, and follow the link in this browser."),
            Err(error) if error.status.is_server_error() => return Err(error.into()),
            Err(error) => Notice::mind(format!("{}.", error.message)),
        };
        account(&app, &signed_in, Extra { notice: Some(notice), ..Extra::default() }).await
    };
    shown(&app, shown_page.await)
}

pub async fn change(
    State(app): State<App>,
    circumstances: Circumstances,
    Resident(signed_in): Resident,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let page = async {
        let params = form(&headers, &body)?;
        let input = ProfileInput { locale: signed_in.user.locale.clone(), ..profile_input(&params) };
        let refused = |errors| Extra { profile: Some((input.clone(), errors)), ..Extra::default() };
        let profile = match Profile::parse(input.clone()) {
            Ok(profile) => profile,
            Err(errors) => {
                let errors = errors.iter().map(|error| (error.field.to_owned(), error.message.to_owned())).collect();
                return account(&app, &signed_in, refused(errors)).await;
            }
        };
        let caller = signed_in.caller(&app, &circumstances);
        let changed = async {
            let held = held(&app, signed_in.user.id(), &Seen::in_form(&params)).await?;
            accounts::change_own(&app, &caller, &signed_in.user, profile, &held).await
        };
        match changed.await {
            Ok(_) => {
                let notice = Some(Notice::good("Saved."));
                account(&app, &signed_in, Extra { notice, ..Extra::default() }).await
            }
            Err(error) if error.status.is_server_error() => Err(error.into()),
            Err(error) if is_outrun(&error) => {
                account(&app, &signed_in, Extra { notice: Some(outrun()), ..refused(Vec::new()) }).await
            }
            Err(error) => account(&app, &signed_in, refused(field_errors(&error))).await,
        }
    };
    shown(&app, page.await)
}

/// A session as a card.
pub fn session_card(app: &App, row: &Session, this: bool, passkeys: &[passkeys::PasskeyRow]) -> SessionRow {
    let agent = UserAgent::read(row.user_agent.as_deref().unwrap_or_default());
    SessionRow {
        id: row.session_id.to_string(),
        device: agent.to_string(),
        shape: agent.shape,
        place: place(row.city.as_deref(), row.country.as_deref()),
        address: row.address.clone().unwrap_or_default(),
        since: when(app, row.started_at),
        active: when(app, row.used_at),
        passkey: passkeys.iter().find(|passkey| passkey.id() == row.passkey()).map(|passkey| passkey.name.clone()),
        is_this: this,
    }
}

pub async fn sessions(State(app): State<App>, Resident(signed_in): Resident) -> Response {
    let page = async {
        let rows = sessions::live_of(&app.pool, signed_in.user.id(), app.now()).await?;
        let held = passkeys::of_user(&app.pool, signed_in.user.id()).await?;
        let this = signed_in.session.id();
        let sessions = rows.iter().map(|row| session_card(&app, row, row.id() == this, &held)).collect();
        Ok(page(&Sessions { frame: frame(&app, &signed_in, Room::Sessions), sessions }))
    };
    shown(&app, page.await)
}

pub async fn end_session(
    State(app): State<App>,
    circumstances: Circumstances,
    Resident(signed_in): Resident,
    Path(id): Path<String>,
) -> Response {
    let page = async {
        let caller = signed_in.caller(&app, &circumstances);
        let (user, here) = (signed_in.user.id(), signed_in.session.id());
        crate::admin::sessions::end_ones_own(&app, &caller, user, Some(here), &id).await?;
        Ok(see_other("/account/sessions"))
    };
    shown(&app, page.await)
}

pub async fn end_other_sessions(
    State(app): State<App>,
    circumstances: Circumstances,
    Resident(signed_in): Resident,
) -> Response {
    let page = async {
        let caller = signed_in.caller(&app, &circumstances);
        accounts::sign_out_elsewhere(&app, &caller, &signed_in).await?;
        Ok(see_other("/account/sessions"))
    };
    shown(&app, page.await)
}

pub async fn end_all_sessions(
    State(app): State<App>,
    circumstances: Circumstances,
    Resident(signed_in): Resident,
) -> Response {
    let page = async {
        let caller = signed_in.caller(&app, &circumstances);
        let sign_out = UserCommand::SignOutEverywhere { except: None };
        accounts::execute(&app, &caller, signed_in.user.id(), sign_out).await?;
        Ok(see_other("/login"))
    };
    shown(&app, page.await)
}
