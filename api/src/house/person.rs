//! `/admin/people/{id}`: one person, as an administrator sees and changes them.

use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::ids::{GroupId, UserId};
use chancery_domain::user::{Profile, ProfileInput, UserCommand};
use chancery_projections::{enrollments, groups, passkeys, sessions};
use time::Duration;

use super::account::{field_errors, form, input_of, profile_form, profile_input, session_card};
use super::frame::{
    Page, PageError, Steward, date, frame, outrun, portrait, require_step_up, require_step_up_from, saved, saved_at,
    shown,
};
use super::passkeys::card;
use super::people::{PATH, chosen_groups, claims_form, claims_of, group_choices};
use super::roll::{about, latest_about};
use crate::accounts;
use crate::admin::users::{existing, full_json, held, user_id};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::precondition::{Seen, entity_tag, is_outrun};
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::SignedIn;
use crate::pages::house::{Confirm, Notice, PersonPage, PictureForm, ProfileRights, Revealed, Room};
use crate::pages::render::page;

/// What differs from the plain page of a person.
#[derive(Default)]
struct Extra {
    notice: Option<Notice>,
    link: Option<Revealed>,
    profile: Option<(ProfileInput, Vec<(String, String)>)>,
    claims: Option<(Vec<CustomClaim>, Option<ApiError>)>,
    groups: Option<Vec<GroupId>>,
    /// What is wrong with the file that was chosen.
    picture: Option<String>,
}

pub async fn show(
    State(app): State<App>,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let extra = Extra { notice: saved(&uri), ..Extra::default() };
    let shown_page = async { person(&app, &signed_in, user_id(&id)?, extra).await };
    shown(&app, shown_page.await)
}

/// The page again, which says what is wrong with the file that was chosen.
pub async fn refused_picture(app: &App, signed_in: &SignedIn, id: UserId, wrong: String) -> Page {
    person(app, signed_in, id, Extra { picture: Some(wrong), ..Extra::default() }).await
}

async fn person(app: &App, signed_in: &SignedIn, id: UserId, extra: Extra) -> Page {
    let user = existing(app, id).await?;
    let own_groups = match extra.groups {
        Some(chosen) => chosen,
        None => groups::of_user(&app.pool, id).await?.iter().map(groups::GroupRow::id).collect(),
    };
    let held = passkeys::of_user(&app.pool, id).await?;
    let live = sessions::live_of(&app.pool, id, app.now()).await?;
    let open = enrollments::open_of(&app.pool, id, app.now()).await?;
    app.history_reached(app.store.head()).await;
    let path = format!("{PATH}/{id}");
    let seen = entity_tag(&full_json(app, &user).await?);
    let (input, errors) = extra.profile.unwrap_or_else(|| (input_of(&user), Vec::new()));
    let errors: Vec<_> = errors.iter().map(|(field, wrong)| (field.as_str(), wrong.clone())).collect();
    let rights = ProfileRights::Admin { email_verified: user.email_verified };
    let (claims, wrong) = match &extra.claims {
        Some((claims, wrong)) => (claims.as_slice(), wrong.as_ref()),
        None => (user.claims.as_slice(), None),
    };
    let mut frame = frame(app, signed_in, Room::People);
    frame.notice = extra.notice;
    Ok(page(&PersonPage {
        frame,
        id: id.to_string(),
        seen: seen.clone(),
        portrait: portrait(&user),
        name: user.display_name.clone(),
        registered: date(user.registered_at),
        is_admin: user.is_admin,
        is_disabled: user.disabled,
        is_you: id == signed_in.user.id(),
        is_static: user.is_static,
        profile: profile_form(&path, &input, &errors, rights, seen.clone()),
        picture: PictureForm { page: path.clone(), portrait: portrait(&user), wrong: extra.picture },
        groups: group_choices(app, &own_groups).await?,
        passkeys: held.iter().map(|row| card(app, row, &held, false)).collect(),
        sessions: live.iter().map(|row| session_card(app, row, row.id() == signed_in.session.id(), &held)).collect(),
        link: extra.link,
        open_link: open.first().map(|link| format!("A link is open until {}.", date(link.expires_at))),
        claims: claims_form(app, format!("{path}/claims"), seen, claims, wrong).await?,
        latest: latest_about(app, &about(id)).await?,
    }))
}

/// The page with a link that was just made for them.
pub async fn with_link(app: &App, circumstances: &Circumstances, signed_in: &SignedIn, id: UserId) -> Page {
    let user = existing(app, id).await?;
    let caller = signed_in.caller(app, circumstances);
    let link = accounts::issue_link(app, &caller, &user, Duration::DAY, false).await?;
    let says = match user.email.filter(|_| link.is_mailed && app.config.smtp.is_some()) {
        Some(email) => format!("It is on its way to {email}. It works once, for 24 hours, and is not shown again."),
        None => "Send it to them by a way you trust. It works once, for 24 hours, and is not shown again.".to_owned(),
    };
    let link = Revealed { label: "Enrollment link".to_owned(), value: link.url, says };
    person(app, signed_in, id, Extra { link: Some(link), ..Extra::default() }).await
}

pub async fn change(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown_page = async {
        let id = user_id(&id)?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let params = form(&headers, &body)?;
        let user = existing(&app, id).await?;
        let input = ProfileInput { locale: user.locale.clone(), ..profile_input(&params) };
        let refused = |errors| Extra { profile: Some((input.clone(), errors)), ..Extra::default() };
        let profile = match Profile::parse(input.clone()) {
            Ok(profile) => profile,
            Err(errors) => {
                let errors = errors.iter().map(|error| (error.field.to_owned(), error.message.to_owned())).collect();
                return person(&app, &signed_in, id, refused(errors)).await;
            }
        };
        let caller = signed_in.caller(&app, &circumstances);
        let email_verified = params.value("email_verified").is_some();
        let command = UserCommand::ChangeProfile { profile, email_verified };
        let changed = async {
            let held = held(&app, id, &Seen::in_form(&params)).await?;
            accounts::execute_all(&app, &caller, id, vec![command], &held).await
        };
        match changed.await {
            Ok(_) => {
                let notice = Some(Notice::good("Saved."));
                person(&app, &signed_in, id, Extra { notice, ..Extra::default() }).await
            }
            Err(error) if error.status.is_server_error() => Err(error.into()),
            Err(error) if is_outrun(&error) => {
                person(&app, &signed_in, id, Extra { notice: Some(outrun()), ..refused(Vec::new()) }).await
            }
            Err(error) => person(&app, &signed_in, id, refused(field_errors(&error))).await,
        }
    };
    shown(&app, shown_page.await)
}

/// What a press of one button does.
enum Act {
    Plain(Box<UserCommand>),
    /// It may take an administrator away, and depends on whether there is another.
    KeepingAnAdmin(fn(bool) -> UserCommand),
}

/// After the ceremony, what is asked about is asked.
fn require_step_up_to(app: &App, signed_in: &SignedIn, id: UserId, act: &str) -> Result<(), PageError> {
    let back = format!("{PATH}/{id}");
    match act {
        "grant-admin" | "revoke-admin" | "disable" | "delete" => {
            require_step_up_from(app, signed_in, &back, &format!("{back}/{act}"))
        }
        _ => require_step_up(app, signed_in, &back),
    }
}

/// Asks again before rights are given or taken.
pub async fn ask(
    State(app): State<App>,
    Steward(signed_in): Steward,
    Path((id, act)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let id = user_id(&id)?;
        let user = existing(&app, id).await?;
        let name = &user.display_name;
        let (asks, says, button, consequences): (_, _, _, &[&str]) = match act.as_str() {
            "grant-admin" => (
                format!("Make {name} an administrator?"),
                "They may change everything here from that moment on, as you may.",
                "Make an administrator",
                &[
                    "They see all people, apps and the whole history, and change them, other administrators included.",
                    "Where they are signed in, and what their apps may do, stays as it is.",
                ],
            ),
            "revoke-admin" => (
                format!("Take administration away from {name}?"),
                "It can be given again.",
                "Take administration away",
                &[
                    "They may not administer any more from that moment on, and neither may their API keys.",
                    "Where they are signed in, and what their apps may do, stays as it is.",
                ],
            ),
            "disable" if user.is_static => (
                format!("Disable {name}?"),
                "It can be undone, and the next start with the STATIC_API_KEY undoes it.",
                "Disable",
                &["Programs that use the key are refused until then."],
            ),
            "disable" => (
                format!("Disable {name}?"),
                "It can be undone: they may sign in again once they are enabled.",
                "Disable",
                &[
                    "They are signed out everywhere, and cannot sign in.",
                    "Their apps lose access at once, and must be signed in to again afterwards.",
                    "Their API keys are refused until they are enabled.",
                ],
            ),
            _ => return Err(ApiError::not_found().into()),
        };
        require_step_up_to(&app, &signed_in, id, &act)?;
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::People),
            asks,
            says: says.to_owned(),
            consequences: consequences.iter().map(|line| (*line).to_owned()).collect(),
            action: format!("{PATH}/{id}/{act}"),
            button: button.to_owned(),
            back: format!("{PATH}/{id}"),
        }))
    };
    shown(&app, shown_page.await)
}

/// What a press of one button does to a person.
pub async fn act(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path((id, act)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown_page = async {
        let id = user_id(&id)?;
        require_step_up_to(&app, &signed_in, id, &act)?;
        let params = form(&headers, &body)?;
        let plain = |command| Act::Plain(Box::new(command));
        let command = match act.as_str() {
            "groups" => plain(UserCommand::SetGroups { groups: chosen_groups(&app, &body).await? }),
            "claims" => plain(UserCommand::SetClaims { claims: claims_of(&body) }),
            "grant-admin" => plain(UserCommand::GrantAdmin),
            "revoke-admin" => Act::KeepingAnAdmin(|other_admins| UserCommand::RevokeAdmin { other_admins }),
            "disable" => Act::KeepingAnAdmin(|other_admins| UserCommand::Disable { other_admins }),
            "enable" => plain(UserCommand::Enable),
            "enrollment-link" => return with_link(&app, &circumstances, &signed_in, id).await,
            "revoke-link" => {
                let caller = signed_in.caller(&app, &circumstances);
                accounts::revoke_links(&app, &caller, existing(&app, id).await?.id()).await?;
                return Ok(see_other(&format!("{PATH}/{id}")));
            }
            _ => return Err(ApiError::not_found().into()),
        };
        let caller = signed_in.caller(&app, &circumstances);
        let changed = async {
            let held = held(&app, id, &Seen::in_form(&params)).await?;
            match command {
                Act::Plain(command) => accounts::execute_all(&app, &caller, id, vec![*command], &held).await,
                Act::KeepingAnAdmin(command) => {
                    let commands = move |other_admins| vec![command(other_admins)];
                    accounts::execute_keeping_an_admin(&app, &caller, id, &held, commands).await
                }
            }
        };
        match changed.await {
            // What the others do shows at the top of the page.
            Ok(_) if matches!(act.as_str(), "groups" | "claims") => Ok(saved_at(&format!("{PATH}/{id}"))),
            Ok(_) => Ok(see_other(&format!("{PATH}/{id}"))),
            Err(error) if is_outrun(&error) => {
                let notice = Some(outrun());
                let claims = (act == "claims").then(|| (claims_of(&body), None));
                let groups = if act == "groups" { Some(chosen_groups(&app, &body).await?) } else { None };
                person(&app, &signed_in, id, Extra { notice, claims, groups, ..Extra::default() }).await
            }
            Err(error) if act == "claims" && error.status.is_client_error() => {
                let claims = Some((claims_of(&body), Some(error)));
                person(&app, &signed_in, id, Extra { claims, ..Extra::default() }).await
            }
            Err(error) => refused(&app, &signed_in, id, error).await,
        }
    };
    shown(&app, shown_page.await)
}

/// The page again, with what the domain said.
async fn refused(app: &App, signed_in: &SignedIn, id: UserId, error: ApiError) -> Page {
    if error.status.is_server_error() || error.code == "user_not_found" {
        return Err(PageError::from(error));
    }
    let notice = Some(Notice::stop(format!("{}.", error.message)));
    person(app, signed_in, id, Extra { notice, ..Extra::default() }).await
}

pub async fn ask_delete(State(app): State<App>, Steward(signed_in): Steward, Path(id): Path<String>) -> Response {
    let shown_page = async {
        let id = user_id(&id)?;
        let user = existing(&app, id).await?;
        require_step_up_to(&app, &signed_in, id, "delete")?;
        let consequences = vec![
            "They are signed out everywhere, and their apps lose access.".to_owned(),
            "Their name, address and places become unreadable in the whole history.".to_owned(),
            "That they were here, and what was done, stays on the record.".to_owned(),
        ];
        let frame = frame(&app, &signed_in, Room::People);
        Ok(page(&Confirm::deletion(frame, &user.display_name, &format!("{PATH}/{id}"), consequences)))
    };
    shown(&app, shown_page.await)
}

pub async fn delete(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
) -> Response {
    let shown_page = async {
        let id = user_id(&id)?;
        require_step_up_to(&app, &signed_in, id, "delete")?;
        let caller = signed_in.caller(&app, &circumstances);
        match accounts::erase(&app, &caller, id, &None).await {
            Ok(_) => Ok(see_other(PATH)),
            Err(error) => refused(&app, &signed_in, id, error).await,
        }
    };
    shown(&app, shown_page.await)
}
