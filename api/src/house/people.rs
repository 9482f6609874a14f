//! `/admin/people`: everyone who has an account.

use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::ids::{GroupId, PasskeyId, UserId};
use chancery_domain::session::SessionEnd;
use chancery_domain::user::{Profile, ProfileInput, RegisteredVia, RemovedBy, UserCommand};
use chancery_projections::page::{Page as Rows, Paging};
use chancery_projections::users::{self, UserFilter};
use chancery_projections::{enrollments, groups, passkeys, sessions};
use time::Duration;

use super::account::{field_errors, form, input_of, profile_form, profile_input, session_card};
use super::frame::{Page, PageError, Steward, count, date, frame, portrait, require_step_up, shown, when};
use super::history::{about, latest_about};
use super::passkeys::card;
use crate::accounts::{self, Wanted};
use crate::admin::users::{existing, user_id};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::form::query_params;
use crate::http::request::Circumstances;
use crate::http::session::SignedIn;
use crate::oidc::authorize::see_other;
use crate::pages::house::{
    Choice, ClaimRow, ClaimsForm, Confirm, NewPerson, Notice, Pages, People, PersonPage, PersonRow, PictureForm,
    ProfileRights, Revealed, Room,
};
use crate::pages::render::page;

const PATH: &str = "/admin/people";

/// The ways to the neighboring pages of a list.
pub fn pages<T>(rows: &Rows<T>, path: &str, search: &str, one: &str, many: &str) -> Pages {
    let link = |to: i64| {
        let pairs = [("search", search.to_owned()), ("page", to.to_string())];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("{path}?{query}")
    };
    let previous = (rows.current > 1).then(|| link(rows.current - 1));
    let next = (rows.current < rows.pages).then(|| link(rows.current + 1));
    Pages::numbered(count(rows.total, one, many), previous, next)
}

/// The page and search that a list was asked for.
pub fn asked(query: Option<&str>) -> (Paging, String) {
    let params = query_params(query);
    let page = params.value("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let search = params.value("search").unwrap_or_default().replace('\0', "");
    (Paging { page, limit: 50, ..Paging::default() }, search)
}

pub async fn list(State(app): State<App>, Steward(signed_in): Steward, OriginalUri(uri): OriginalUri) -> Response {
    let shown_page = async {
        let (paging, search) = asked(uri.query());
        let filter =
            UserFilter { search: Some(search.clone()).filter(|text| !text.is_empty()), ..UserFilter::default() };
        let mut connection = app.pool.acquire().await?;
        let rows = users::list(&mut connection, &filter, &paging).await?;
        let pages = pages(&rows, PATH, &search, "person", "people");
        let mut people = Vec::with_capacity(rows.rows.len());
        for user in rows.rows.iter().filter(|user| !user.is_static) {
            let held = passkeys::of_user(&mut *connection, user.id()).await?;
            let last = held.iter().filter_map(|row| row.last_used_at).max();
            people.push(PersonRow {
                id: user.user_id.to_string(),
                portrait: portrait(user),
                name: user.display_name.clone(),
                username: user.username.clone(),
                email: user.email.clone(),
                is_admin: user.is_admin,
                is_disabled: user.disabled,
                passkeys: match held.len() {
                    0 => "No passkey yet".to_owned(),
                    number => count(number as i64, "passkey", "passkeys"),
                },
                has_passkey: !held.is_empty(),
                last_sign_in: last.map(|at| when(&app, at)),
            });
        }
        Ok(page(&People { frame: frame(&app, &signed_in, Room::People), search, people, pages }))
    };
    shown(&app, shown_page.await)
}

pub async fn new(State(app): State<App>, Steward(signed_in): Steward) -> Response {
    let rights = (false, false, Vec::new());
    shown(&app, new_person(&app, &signed_in, &ProfileInput::default(), &[], rights).await)
}

async fn new_person(
    app: &App,
    signed_in: &SignedIn,
    input: &ProfileInput,
    errors: &[(&str, String)],
    (email_verified, is_admin, chosen): (bool, bool, Vec<GroupId>),
) -> Page {
    let groups = group_choices(app, &chosen).await?;
    let rights = ProfileRights::NewPerson { email_verified, is_admin, groups };
    let path = format!("{PATH}/new");
    let form = profile_form(&path, input, errors, rights);
    Ok(page(&NewPerson { frame: frame(app, signed_in, Room::People), form }))
}

/// All groups, those of the person chosen.
pub async fn group_choices(app: &App, chosen: &[GroupId]) -> Result<Vec<Choice>, ApiError> {
    let rows = groups::all(&app.pool).await?;
    let choice = |row: groups::GroupRow| {
        let is_chosen = chosen.contains(&row.id());
        Choice::new(row.group_id.to_string(), row.friendly_name, is_chosen)
    };
    Ok(rows.into_iter().map(choice).collect())
}

/// The values of a repeated form member.
pub fn repeated(body: &Bytes, name: &str) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(body);
    pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}

/// The groups that a form names, as far as they exist.
pub async fn chosen_groups(app: &App, body: &Bytes) -> Result<Vec<GroupId>, ApiError> {
    let ids: Vec<GroupId> = repeated(body, "group_ids").iter().filter_map(|id| id.parse().ok()).collect();
    Ok(groups::existing(&app.pool, &ids).await?)
}

/// The claims that a form holds; empty pairs are dropped.
pub fn claims_of(body: &Bytes) -> Vec<CustomClaim> {
    let pairs = repeated(body, "key").into_iter().zip(repeated(body, "value"));
    let claims = pairs.map(|(key, value)| CustomClaim { key: key.trim().to_owned(), value });
    claims.filter(|claim| !claim.key.is_empty() || !claim.value.is_empty()).collect()
}

pub async fn claims_form(
    app: &App,
    action: String,
    claims: &[CustomClaim],
    wrong: Option<&ApiError>,
) -> Result<ClaimsForm, ApiError> {
    let refused = wrong.and_then(|error| error.details.as_ref()).and_then(|details| details["key"].as_str());
    let row = |claim: &CustomClaim| ClaimRow {
        key: claim.key.clone(),
        value: claim.value.clone(),
        wrong: wrong.filter(|_| refused.is_none_or(|key| key == claim.key)).map(|error| format!("{}.", error.message)),
    };
    let suggestions = users::claim_keys(&app.pool).await?;
    Ok(ClaimsForm { action, claims: claims.iter().map(row).collect(), suggestions })
}

pub async fn create(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown_page = async {
        require_step_up(&app, &signed_in, &format!("{PATH}/new"))?;
        let params = form(&headers, &body)?;
        let input = profile_input(&params);
        let email_verified = params.value("email_verified").is_some();
        let is_admin = params.value("is_admin").is_some();
        let groups = chosen_groups(&app, &body).await?;
        let rights = (email_verified, is_admin, groups.clone());
        let profile = match Profile::parse(input.clone()) {
            Ok(profile) => profile,
            Err(errors) => {
                let errors: Vec<_> = errors.iter().map(|error| (error.field, error.message.to_owned())).collect();
                return new_person(&app, &signed_in, &input, &errors, rights).await;
            }
        };
        let id = UserId(app.entropy.uuid_v4());
        let wanted = Wanted { profile, email_verified, is_admin, disabled: false };
        let context = circumstances.context(&app, signed_in.actor());
        if let Err(error) = accounts::register(&app, &context, id, wanted, RegisteredVia::Admin, groups).await {
            if error.status.is_server_error() {
                return Err(error.into());
            }
            let errors = field_errors(&error);
            let errors: Vec<_> = errors.iter().map(|(field, wrong)| (field.as_str(), wrong.clone())).collect();
            return new_person(&app, &signed_in, &input, &errors, rights).await;
        }
        // A new person needs their link next, so it comes at once.
        with_link(&app, &circumstances, &signed_in, id).await
    };
    shown(&app, shown_page.await)
}

/// What differs from the plain page of a person.
#[derive(Default)]
struct Extra {
    notice: Option<Notice>,
    link: Option<Revealed>,
    profile: Option<(ProfileInput, Vec<(String, String)>)>,
    claims: Option<(Vec<CustomClaim>, ApiError)>,
    /// What is wrong with the file that was chosen.
    picture: Option<String>,
}

pub async fn show(State(app): State<App>, Steward(signed_in): Steward, Path(id): Path<String>) -> Response {
    let shown_page = async { person(&app, &signed_in, user_id(&id)?, Extra::default()).await };
    shown(&app, shown_page.await)
}

/// The page again, which says what is wrong with the file that was chosen.
pub async fn refused_picture(app: &App, signed_in: &SignedIn, id: UserId, wrong: String) -> Page {
    person(app, signed_in, id, Extra { picture: Some(wrong), ..Extra::default() }).await
}

async fn person(app: &App, signed_in: &SignedIn, id: UserId, extra: Extra) -> Page {
    let user = existing(app, id).await?;
    let own_groups: Vec<_> = groups::of_user(&app.pool, id).await?.iter().map(groups::GroupRow::id).collect();
    let held = passkeys::of_user(&app.pool, id).await?;
    let live = sessions::live_of(&app.pool, id, app.now()).await?;
    let open = enrollments::open_of(&app.pool, id, app.now()).await?;
    app.history_reached(app.store.head()).await;
    let path = format!("{PATH}/{id}");
    let (input, errors) = extra.profile.unwrap_or_else(|| (input_of(&user), Vec::new()));
    let errors: Vec<_> = errors.iter().map(|(field, wrong)| (field.as_str(), wrong.clone())).collect();
    let rights = ProfileRights::Admin { email_verified: user.email_verified };
    let (claims, wrong) = match &extra.claims {
        Some((claims, wrong)) => (claims.as_slice(), Some(wrong)),
        None => (user.claims.as_slice(), None),
    };
    let mut frame = frame(app, signed_in, Room::People);
    frame.notice = extra.notice;
    Ok(page(&PersonPage {
        frame,
        id: id.to_string(),
        portrait: portrait(&user),
        name: user.display_name.clone(),
        registered: date(user.registered_at),
        is_admin: user.is_admin,
        is_disabled: user.disabled,
        is_you: id == signed_in.user.id(),
        profile: profile_form(&path, &input, &errors, rights),
        picture: PictureForm { page: path.clone(), portrait: portrait(&user), wrong: extra.picture },
        groups: group_choices(app, &own_groups).await?,
        passkeys: held.iter().map(|row| card(app, row, &held, false)).collect(),
        sessions: live.iter().map(|row| session_card(app, row, row.id() == signed_in.session.id(), &held)).collect(),
        link: extra.link,
        open_link: open.first().map(|link| format!("A link is open until {}.", date(link.expires_at))),
        claims: claims_form(app, format!("{path}/claims"), claims, wrong).await?,
        latest: latest_about(app, &about(id)).await?,
    }))
}

async fn with_link(app: &App, circumstances: &Circumstances, signed_in: &SignedIn, id: UserId) -> Page {
    let user = existing(app, id).await?;
    let context = circumstances.context(app, signed_in.actor());
    let link = accounts::issue_link(app, &context, &user, Duration::DAY, false).await?;
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
        let context = circumstances.context(&app, signed_in.actor());
        let email_verified = params.value("email_verified").is_some();
        let command = UserCommand::ChangeProfile { profile, email_verified };
        match accounts::execute(&app, &context, id, command).await {
            Ok(_) => {
                let notice = Some(Notice::good("Saved."));
                person(&app, &signed_in, id, Extra { notice, ..Extra::default() }).await
            }
            Err(error) if error.status.is_server_error() => Err(error.into()),
            Err(error) => person(&app, &signed_in, id, refused(field_errors(&error))).await,
        }
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
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        form(&headers, &body)?;
        let other_admins = users::other_admins(&app.pool, id).await? > 0;
        let command = match act.as_str() {
            "groups" => UserCommand::SetGroups { groups: chosen_groups(&app, &body).await? },
            "claims" => UserCommand::SetClaims { claims: claims_of(&body) },
            "grant-admin" => UserCommand::GrantAdmin,
            "revoke-admin" => UserCommand::RevokeAdmin { other_admins },
            "disable" => UserCommand::Disable { other_admins },
            "enable" => UserCommand::Enable,
            "enrollment-link" => return with_link(&app, &circumstances, &signed_in, id).await,
            _ => return Err(ApiError::not_found().into()),
        };
        let context = circumstances.context(&app, signed_in.actor());
        match accounts::execute(&app, &context, id, command).await {
            Ok(_) => Ok(see_other(&format!("{PATH}/{id}"))),
            Err(error) if act == "claims" && error.status.is_client_error() => {
                let claims = Some((claims_of(&body), error));
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

pub async fn end_session(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path((id, session)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let id = user_id(&id)?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let context = circumstances.context(&app, signed_in.actor());
        if session == "all" {
            let command = UserCommand::SignOutEverywhere { except: None };
            accounts::execute(&app, &context, id, command).await?;
        } else {
            crate::admin::sessions::end(&app, &context, id, &session, SessionEnd::EndedByAdmin).await?;
        }
        Ok(see_other(&format!("{PATH}/{id}")))
    };
    shown(&app, shown_page.await)
}

pub async fn end_all_sessions(
    state: State<App>,
    circumstances: Circumstances,
    steward: Steward,
    Path(id): Path<String>,
) -> Response {
    end_session(state, circumstances, steward, Path((id, "all".to_owned()))).await
}

pub async fn restore_passkey(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path((id, passkey)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let (id, passkey_id) = (user_id(&id)?, passkey.parse::<PasskeyId>().map_err(|_| ApiError::not_found())?);
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let held = passkeys::of_user(&app.pool, id).await?;
        let row = held.iter().find(|row| row.id() == passkey_id).ok_or_else(ApiError::not_found)?;
        let counter = u32::try_from(row.counter).unwrap_or(0);
        let context = circumstances.context(&app, signed_in.actor());
        accounts::execute(&app, &context, id, UserCommand::RestorePasskey { passkey_id, counter }).await?;
        Ok(see_other(&format!("{PATH}/{id}")))
    };
    shown(&app, shown_page.await)
}

pub async fn ask_remove_passkey(
    State(app): State<App>,
    Steward(signed_in): Steward,
    Path((id, passkey)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let id = user_id(&id)?;
        let user = existing(&app, id).await?;
        let held = passkeys::of_user(&app.pool, id).await?;
        let row = held.iter().find(|row| row.passkey_id.to_string() == passkey).ok_or_else(ApiError::not_found)?;
        let path = format!("{PATH}/{id}/passkeys/{passkey}/remove");
        require_step_up(&app, &signed_in, &path)?;
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::People),
            asks: format!("Remove {}?", row.name),
            says: format!("It no longer signs {} in, and the sessions it opened end.", user.display_name),
            consequences: match held.len() {
                1 => vec!["It is their only passkey: they will need an enrollment link from you.".to_owned()],
                _ => Vec::new(),
            },
            action: path,
            members: Vec::new(),
            button: "Remove".to_owned(),
            back: format!("{PATH}/{id}"),
        }))
    };
    shown(&app, shown_page.await)
}

pub async fn remove_passkey(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path((id, passkey)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let (id, passkey_id) = (user_id(&id)?, passkey.parse().map_err(|_| ApiError::not_found())?);
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let context = circumstances.context(&app, signed_in.actor());
        let remove = UserCommand::RemovePasskey { passkey_id, by: RemovedBy::Admin };
        accounts::execute(&app, &context, id, remove).await?;
        Ok(see_other(&format!("{PATH}/{id}")))
    };
    shown(&app, shown_page.await)
}

pub async fn ask_delete(State(app): State<App>, Steward(signed_in): Steward, Path(id): Path<String>) -> Response {
    let shown_page = async {
        let id = user_id(&id)?;
        let user = existing(&app, id).await?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}/delete"))?;
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::People),
            asks: format!("Delete {}?", user.display_name),
            says: "This cannot be undone.".to_owned(),
            consequences: vec![
                "They are signed out everywhere, and their apps lose access.".to_owned(),
                "Their name, address and places become unreadable in the whole history.".to_owned(),
                "That they were here, and what was done, stays on the record.".to_owned(),
            ],
            action: format!("{PATH}/{id}/delete"),
            members: Vec::new(),
            button: "Delete".to_owned(),
            back: format!("{PATH}/{id}"),
        }))
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
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}/delete"))?;
        let context = circumstances.context(&app, signed_in.actor());
        match accounts::erase(&app, &context, id).await {
            Ok(_) => Ok(see_other(PATH)),
            Err(error) => refused(&app, &signed_in, id, error).await,
        }
    };
    shown(&app, shown_page.await)
}
