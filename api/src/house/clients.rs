//! `/admin/apps`: the apps that may ask who someone is, and how one is added.

use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::client::ClientCommand;
use chancery_domain::ids::{ClientId, GroupId};
use chancery_projections::clients::{self, ClientFilter};
use chancery_projections::groups;

use super::account::{field_errors, form};
use super::client::warnings;
use super::client_form::{Entered, client_form, entered};
use super::frame::{Page, Steward, frame, letter, require_step_up, shown, when};
use super::people::{asked, chosen_groups, pages};
use crate::admin::client_input::ClientInput;
use crate::admin::clients::execute_all;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::SignedIn;
use crate::pages::house::{ClientRow, Clients, NewClient, Room};
use crate::pages::render::page;

pub const PATH: &str = "/admin/apps";

pub async fn list(State(app): State<App>, Steward(signed_in): Steward, OriginalUri(uri): OriginalUri) -> Response {
    let shown_page = async {
        let (paging, search) = asked(uri.query());
        let mut connection = app.pool.acquire().await?;
        let text = Some(search.clone()).filter(|text| !text.is_empty());
        let filter = ClientFilter { search: text, ..ClientFilter::default() };
        let rows = clients::list(&mut connection, &filter, &paging).await?;
        let pages = pages(&rows, PATH, &search, "app", "apps");
        let mut cards = Vec::with_capacity(rows.rows.len());
        for row in rows.rows {
            let settings = row.settings.0;
            let id: ClientId = row.client_id.parse().map_err(|_| ApiError::internal())?;
            let audience = match settings.is_group_restricted {
                false => "Everyone".to_owned(),
                true => audience(&app, &id).await?,
            };
            let last: Option<time::OffsetDateTime> =
                sqlx::query_scalar("SELECT max(last_used_at) FROM consents WHERE client_id = $1")
                    .bind(&row.client_id)
                    .fetch_one(&mut *connection)
                    .await?;
            cards.push(ClientRow {
                id: row.client_id,
                letter: letter(&settings.name),
                warnings: warnings(&settings).len(),
                name: settings.name,
                audience,
                is_disabled: row.disabled,
                last_used: last.map(|at| when(&app, at)),
            });
        }
        Ok(page(&Clients { frame: frame(&app, &signed_in, Room::Clients), search, clients: cards, pages }))
    };
    shown(&app, shown_page.await)
}

async fn audience(app: &App, id: &ClientId) -> Result<String, ApiError> {
    let allowed = clients::allowed_groups(&app.pool, id).await?;
    let names: Vec<_> =
        groups::all(&app.pool).await?.into_iter().filter(|group| allowed.contains(&group.id())).collect();
    if names.is_empty() {
        return Ok("Nobody yet".to_owned());
    }
    Ok(names.into_iter().map(|group| group.friendly_name).collect::<Vec<_>>().join(", "))
}

pub async fn new(State(app): State<App>, Steward(signed_in): Steward) -> Response {
    let entered = Entered { input: ClientInput::default(), groups: Vec::new(), errors: Vec::new() };
    shown(&app, new_client(&app, &signed_in, &entered).await)
}

async fn new_client(app: &App, signed_in: &SignedIn, entered: &Entered) -> Page {
    let form = client_form(app, format!("{PATH}/new"), String::new(), entered, true).await?;
    Ok(page(&NewClient { frame: frame(app, signed_in, Room::Clients), form }))
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
        let input = entered(&form(&headers, &body)?);
        let groups = chosen_groups(&app, &body).await?;
        match register(&app, &circumstances, &signed_in, &input, &groups).await {
            Ok(id) => Ok(see_other(&format!("{PATH}/{id}"))),
            Err(error) if error.status.is_server_error() => Err(error.into()),
            Err(error) => {
                let errors = match error.code {
                    "client_id_already_exists" => vec![("id".to_owned(), error.message.clone())],
                    _ => field_errors(&error),
                };
                new_client(&app, &signed_in, &Entered { input, groups, errors }).await
            }
        }
    };
    shown(&app, shown_page.await)
}

async fn register(
    app: &App,
    circumstances: &Circumstances,
    signed_in: &SignedIn,
    input: &ClientInput,
    groups: &[GroupId],
) -> Result<ClientId, ApiError> {
    let settings = input.settings(app, None)?;
    let restricted = settings.is_group_restricted;
    let id = input.id.clone().unwrap_or_else(|| app.entropy.uuid_v4().to_string());
    let bad = || ApiError::field("id", "client_id", "has 2 to 128 of a-z A-Z 0-9 . _ -");
    let id: ClientId = id.parse().map_err(|_| bad())?;
    let restrict = restricted.then(|| ClientCommand::RestrictAccess { groups: groups.to_vec() });
    let commands = std::iter::once(ClientCommand::Register { settings }).chain(restrict).collect();
    let caller = signed_in.caller(app, circumstances);
    execute_all(app, &caller, &id, commands, &None).await?;
    Ok(id)
}
