//! What an administrator does to a person's sessions and passkeys: end, restore, remove.

use axum::extract::{Path, State};
use axum::response::Response;
use chancery_domain::ids::PasskeyId;
use chancery_domain::session::SessionEnd;
use chancery_domain::user::{RemovedBy, UserCommand};
use chancery_projections::passkeys;

use super::frame::{Steward, frame, require_step_up, require_step_up_from, shown};
use super::people::PATH;
use crate::accounts;
use crate::admin::users::{existing, user_id};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::pages::house::{Confirm, Room};
use crate::pages::render::page;

pub async fn end_session(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path((id, session)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let id = user_id(&id)?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let caller = signed_in.caller(&app, &circumstances);
        if session == "all" {
            let command = UserCommand::SignOutEverywhere { except: None };
            accounts::execute(&app, &caller, id, command).await?;
        } else {
            crate::admin::sessions::end(&app, &caller, id, &session, SessionEnd::EndedByAdmin).await?;
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

pub async fn ask_restore_passkey(
    State(app): State<App>,
    Steward(signed_in): Steward,
    Path((id, passkey)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let id = user_id(&id)?;
        let user = existing(&app, id).await?;
        let held = passkeys::of_user(&app.pool, id).await?;
        let row = held.iter().find(|row| row.suspended && row.passkey_id.to_string() == passkey);
        let row = row.ok_or_else(ApiError::not_found)?;
        let path = format!("{PATH}/{id}/passkeys/{passkey}/restore");
        require_step_up_from(&app, &signed_in, &format!("{PATH}/{id}"), &path)?;
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::People),
            asks: format!("Restore {}?", row.name),
            says: format!("It signs {} in again.", user.display_name),
            consequences: vec![
                "If it was copied, whoever has the copy can sign in, too.".to_owned(),
                "If you are not sure, remove it, and make them a passkey link.".to_owned(),
            ],
            action: path,
            button: "Restore".to_owned(),
            back: format!("{PATH}/{id}"),
        }))
    };
    shown(&app, shown_page.await)
}

pub async fn restore_passkey(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path((id, passkey)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let (id, passkey_id) = (user_id(&id)?, passkey.parse::<PasskeyId>().map_err(|_| ApiError::not_found())?);
        let path = format!("{PATH}/{id}/passkeys/{passkey_id}/restore");
        require_step_up_from(&app, &signed_in, &format!("{PATH}/{id}"), &path)?;
        let held = passkeys::of_user(&app.pool, id).await?;
        let row = held.iter().find(|row| row.id() == passkey_id).ok_or_else(ApiError::not_found)?;
        let counter = u32::try_from(row.counter).unwrap_or(0);
        let caller = signed_in.caller(&app, &circumstances);
        accounts::execute(&app, &caller, id, UserCommand::RestorePasskey { passkey_id, counter }).await?;
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
        require_step_up_from(&app, &signed_in, &format!("{PATH}/{id}"), &path)?;
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::People),
            asks: format!("Remove {}?", row.name),
            says: format!("It no longer signs {} in, and the sessions it opened end.", user.display_name),
            consequences: match held.len() {
                1 => vec!["It is their only passkey: they will need an enrollment link from you.".to_owned()],
                _ => Vec::new(),
            },
            action: path,
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
        let (id, passkey_id) = (user_id(&id)?, passkey.parse::<PasskeyId>().map_err(|_| ApiError::not_found())?);
        let path = format!("{PATH}/{id}/passkeys/{passkey_id}/remove");
        require_step_up_from(&app, &signed_in, &format!("{PATH}/{id}"), &path)?;
        let caller = signed_in.caller(&app, &circumstances);
        let remove = UserCommand::RemovePasskey { passkey_id, by: RemovedBy::Admin };
        accounts::execute(&app, &caller, id, remove).await?;
        Ok(see_other(&format!("{PATH}/{id}")))
    };
    shown(&app, shown_page.await)
}
