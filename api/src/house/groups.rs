//! `/admin/groups`: groups and who is in them.

use std::collections::HashSet;

use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::group::{Group, GroupCommand, GroupNames};
use chancery_domain::ids::{GroupId, UserId};
use chancery_domain::oauth::params::Params;
use chancery_domain::user::UserCommand;
use chancery_projections::page::Paging;
use chancery_projections::users::{self, UserFilter};
use chancery_projections::{clients, groups};
use serde_json::{Value, json};

use super::account::{field_errors, form};
use super::frame::{
    Page, Steward, count, frame, outrun, portrait, require_step_up, require_step_up_from, saved, saved_at, shown,
};
use super::people::{asked, claims_form, claims_of, pages};
use crate::accounts;
use crate::admin::groups::{change_group, create_group, existing, group_id};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::precondition::{Held, Seen, entity_tag, is_outrun};
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::SignedIn;
use crate::pages::house::{Choice, Confirm, Field, GroupPage, GroupRow, Groups, Member, NewGroup, Notice, Room};
use crate::pages::render::page;

const PATH: &str = "/admin/groups";
/// Members on one page.
const MEMBERS: i64 = 50;

pub async fn list(State(app): State<App>, Steward(signed_in): Steward, OriginalUri(uri): OriginalUri) -> Response {
    let shown_page = async {
        let (paging, search) = asked(uri.query());
        let mut connection = app.pool.acquire().await?;
        let text = Some(search.as_str()).filter(|text| !text.is_empty());
        let rows = groups::list(&mut connection, text, &paging).await?;
        let pages = pages(&rows, PATH, &search, "group", "groups");
        let groups = rows.rows.into_iter().map(|row| GroupRow {
            id: row.group_id.to_string(),
            friendly_name: row.friendly_name,
            name: row.name,
            members: count(row.user_count, "person", "people"),
        });
        Ok(page(&Groups { frame: frame(&app, &signed_in, Room::Groups), search, groups: groups.collect(), pages }))
    };
    shown(&app, shown_page.await)
}

pub async fn new(State(app): State<App>, Steward(signed_in): Steward) -> Response {
    let (friendly_name, name) = (Field::default(), Field::default());
    page(&NewGroup { frame: frame(&app, &signed_in, Room::Groups), friendly_name, name })
}

fn names(params: &Params) -> GroupNames {
    let text = |name| params.value(name).unwrap_or_default().to_owned();
    GroupNames { name: text("name"), friendly_name: text("friendly_name") }
}

/// The two fields with what was entered and what is wrong.
fn fields(names: &GroupNames, error: &ApiError) -> (Field, Field) {
    let errors = field_errors(error);
    let field = |name: &str, value: &str| Field {
        value: value.to_owned(),
        wrong: errors.iter().find(|(field, _)| field == name).map(|(_, wrong)| accounts::sentence(wrong)),
    };
    (field("friendlyName", &names.friendly_name), field("name", &names.name))
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
        let names = names(&form(&headers, &body)?);
        let id = GroupId(app.entropy.uuid_v4());
        let caller = signed_in.caller(&app, &circumstances);
        match create_group(&app, &caller, id, names.clone()).await {
            Ok(_) => Ok(see_other(&format!("{PATH}/{id}"))),
            Err(error) if error.status.is_server_error() => Err(error.into()),
            Err(error) => {
                let (friendly_name, name) = fields(&names, &error);
                Ok(page(&NewGroup { frame: frame(&app, &signed_in, Room::Groups), friendly_name, name }))
            }
        }
    };
    shown(&app, shown_page.await)
}

#[derive(Default)]
struct Extra {
    notice: Option<Notice>,
    names: Option<(Field, Field)>,
    new_member: Field,
    claims: Option<(Vec<CustomClaim>, Option<ApiError>)>,
    /// Which of its members.
    paging: Paging,
}

pub async fn show(
    State(app): State<App>,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let (paging, _) = asked(uri.query());
    let extra = Extra { notice: saved(&uri), paging, ..Extra::default() };
    let shown_page = async { group(&app, &signed_in, group_id(&id)?, extra).await };
    shown(&app, shown_page.await)
}

/// What the forms of a group's page change: its names and claims.
fn own_json(row: &groups::GroupRow) -> Value {
    json!({ "names": [row.name, row.friendly_name], "claims": row.claims.0 })
}

/// The group as whoever filled in a form saw it.
async fn held(app: App, id: GroupId, seen: Seen) -> Result<Held<Group>, ApiError> {
    let present = async { Ok(own_json(&existing(&app, id).await?)) };
    seen.held(&app, id, present).await
}

async fn group(app: &App, signed_in: &SignedIn, id: GroupId, extra: Extra) -> Page {
    let row = existing(app, id).await?;
    let mut connection = app.pool.acquire().await?;
    let inside = UserFilter { group: Some(id), ..UserFilter::default() };
    let paging = Paging { limit: MEMBERS, ..extra.paging };
    let members = users::list(&mut connection, &inside, &paging).await?;
    // To choose from; of others the username is typed.
    let suggested = Paging { limit: 100, ..Paging::default() };
    let everybody = UserFilter { people_only: true, ..UserFilter::default() };
    let everybody = users::list(&mut connection, &everybody, &suggested).await?.rows;
    let inside: HashSet<UserId> = groups::members(&mut *connection, id).await?.into_iter().collect();
    let outside = everybody.iter().filter(|user| !inside.contains(&user.id()));
    let apps = clients::of_group(&mut *connection, id).await?;
    drop(connection);
    let pages = pages(&members, &format!("{PATH}/{id}"), "", "member", "members");
    let (claims, wrong) = match &extra.claims {
        Some((claims, wrong)) => (claims.as_slice(), wrong.as_ref()),
        None => (row.claims.as_slice(), None),
    };
    let (friendly_name, name) =
        extra.names.unwrap_or_else(|| (Field::new(row.friendly_name.clone()), Field::new(row.name.clone())));
    let seen = entity_tag(&own_json(&row));
    let mut frame = frame(app, signed_in, Room::Groups);
    frame.notice = extra.notice;
    Ok(page(&GroupPage {
        frame,
        id: id.to_string(),
        title: row.friendly_name.clone(),
        known_as: row.name.clone(),
        seen: seen.clone(),
        friendly_name,
        name,
        candidates: outside.map(|user| Choice::new(user.username.clone(), user.display_name.clone(), false)).collect(),
        pages,
        members: members
            .rows
            .into_iter()
            .map(|user| Member {
                id: user.user_id.to_string(),
                portrait: portrait(&user),
                name: user.display_name,
                username: user.username,
            })
            .collect(),
        new_member: extra.new_member,
        apps: apps.into_iter().map(|app| (app.settings.0.name, app.client_id)).collect(),
        claims: claims_form(app, format!("{PATH}/{id}/claims"), seen, claims, wrong).await?,
    }))
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
        let id = group_id(&id)?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let params = form(&headers, &body)?;
        let names = names(&params);
        let caller = signed_in.caller(&app, &circumstances);
        let change = GroupCommand::Change { names: names.clone() };
        let held = held(app.clone(), id, Seen::in_form(&params));
        match change_group(&app, &caller, id, change, held).await {
            Ok(_) => {
                let notice = Some(Notice::good("Saved."));
                group(&app, &signed_in, id, Extra { notice, ..Extra::default() }).await
            }
            Err(error) if error.status.is_server_error() => Err(error.into()),
            Err(error) => {
                let notice = is_outrun(&error).then(outrun);
                let names = Some(fields(&names, &error));
                group(&app, &signed_in, id, Extra { notice, names, ..Extra::default() }).await
            }
        }
    };
    shown(&app, shown_page.await)
}

pub async fn add_member(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown_page = async {
        let id = group_id(&id)?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        existing(&app, id).await?;
        let username = form(&headers, &body)?.value("username").unwrap_or_default().to_owned();
        let Some(user) = users::find_by_name(&app.pool, &username).await? else {
            let new_member = Field::refused(username, "There is nobody called so.");
            return group(&app, &signed_in, id, Extra { new_member, ..Extra::default() }).await;
        };
        let caller = signed_in.caller(&app, &circumstances);
        accounts::execute(&app, &caller, user.id(), UserCommand::JoinGroup { group_id: id }).await?;
        Ok(see_other(&format!("{PATH}/{id}")))
    };
    shown(&app, shown_page.await)
}

pub async fn remove_member(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path((id, user)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let id = group_id(&id)?;
        let user: UserId = crate::admin::users::user_id(&user)?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let caller = signed_in.caller(&app, &circumstances);
        accounts::execute(&app, &caller, user, UserCommand::LeaveGroup { group_id: id }).await?;
        Ok(see_other(&format!("{PATH}/{id}")))
    };
    shown(&app, shown_page.await)
}

pub async fn set_claims(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown_page = async {
        let id = group_id(&id)?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let params = form(&headers, &body)?;
        let caller = signed_in.caller(&app, &circumstances);
        let set = GroupCommand::SetClaims { claims: claims_of(&body) };
        let held = held(app.clone(), id, Seen::in_form(&params));
        match change_group(&app, &caller, id, set, held).await {
            Ok(_) => Ok(saved_at(&format!("{PATH}/{id}"))),
            Err(error) if error.status.is_server_error() => Err(error.into()),
            Err(error) => {
                let is_late = is_outrun(&error);
                let claims = Some((claims_of(&body), Some(error).filter(|_| !is_late)));
                group(&app, &signed_in, id, Extra { notice: is_late.then(outrun), claims, ..Extra::default() }).await
            }
        }
    };
    shown(&app, shown_page.await)
}

pub async fn ask_delete(State(app): State<App>, Steward(signed_in): Steward, Path(id): Path<String>) -> Response {
    let shown_page = async {
        let row = existing(&app, group_id(&id)?).await?;
        require_step_up_from(&app, &signed_in, &format!("{PATH}/{id}"), &format!("{PATH}/{id}/delete"))?;
        let consequences = vec![
            format!("{} lose what the group gave them.", count(row.user_count, "person", "people")),
            "Apps that only this group may use are open to nobody then.".to_owned(),
        ];
        let frame = frame(&app, &signed_in, Room::Groups);
        Ok(page(&Confirm::deletion(frame, &row.friendly_name, &format!("{PATH}/{id}"), consequences)))
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
        require_step_up_from(&app, &signed_in, &format!("{PATH}/{id}"), &format!("{PATH}/{id}/delete"))?;
        let caller = signed_in.caller(&app, &circumstances);
        let unseen = std::future::ready(Ok(None));
        change_group(&app, &caller, group_id(&id)?, GroupCommand::Delete, unseen).await?;
        Ok(see_other(PATH))
    };
    shown(&app, shown_page.await)
}
