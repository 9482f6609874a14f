//! `/account/passkeys`: the ways into one's account.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_adapters::passkeys::provider;
use chancery_domain::user::{RemovedBy, UserCommand};
use chancery_projections::passkeys::{self, PasskeyRow};

use super::account::form;
use super::frame::{Page, Resident, frame, place, require_step_up_from, shown, when};
use crate::accounts;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::SignedIn;
use crate::pages::assets::provider_icon;
use crate::pages::house::{Confirm, LastUse, Notice, Passkey, PasskeyIcon, PasskeyPlace, PasskeyState, Passkeys, Room};
use crate::pages::render::page;
use crate::user_agent::UserAgent;

const PATH: &str = "/account/passkeys";

/// A passkey as a card; `rows` are all of the person's.
pub fn card(app: &App, row: &PasskeyRow, rows: &[PasskeyRow], signed_in_with: bool) -> Passkey {
    let external = |transport: &String| matches!(transport.as_str(), "usb" | "nfc" | "ble" | "smart-card");
    let on_key = !row.transports.is_empty() && row.transports.iter().all(external);
    let others_work = rows.iter().any(|other| other.id() != row.id() && !other.suspended);
    Passkey {
        id: row.passkey_id.to_string(),
        name: row.name.clone(),
        icon: passkey_icon(row),
        created: when(app, row.enrolled_at),
        last_used: row.last_used_at.map(|at| LastUse {
            when: when(app, at),
            place: place(row.last_used_city.as_deref(), row.last_used_country.as_deref()),
            device: row.last_used_agent.as_deref().map(|text| UserAgent::read(text).to_string()).unwrap_or_default(),
        }),
        place: match (row.backup_eligible, on_key) {
            (true, _) => PasskeyPlace::Synced,
            (false, true) => PasskeyPlace::ThisKeyOnly,
            (false, false) => PasskeyPlace::ThisDeviceOnly,
        },
        signed_you_in: signed_in_with,
        state: match (row.suspended, others_work) {
            (true, _) => PasskeyState::Suspended,
            (false, true) => PasskeyState::Usable,
            (false, false) => PasskeyState::LastUsable,
        },
    }
}

/// Of the provider's icons, those this server has.
fn passkey_icon(row: &PasskeyRow) -> Option<PasskeyIcon> {
    let (light, dark) = provider(row.aaguid, &row.transports)?.icon.and_then(provider_icon)?;
    Some(PasskeyIcon { light, dark })
}

pub async fn show(State(app): State<App>, Resident(signed_in): Resident) -> Response {
    shown(&app, list(&app, &signed_in, None).await)
}

async fn list(app: &App, signed_in: &SignedIn, notice: Option<Notice>) -> Page {
    let rows = passkeys::of_user(&app.pool, signed_in.user.id()).await?;
    let used = signed_in.session.passkey();
    let cards: Vec<_> = rows.iter().map(|row| card(app, row, &rows, row.id() == used)).collect();
    let usable: Vec<_> = rows.iter().filter(|row| !row.suspended).collect();
    let makers = usable.iter().map(|row| row.aaguid).collect::<std::collections::BTreeSet<_>>().len();
    let advice = match (usable.as_slice(), makers) {
        ([], _) => None,
        ([only], _) if only.backup_eligible => Some(Notice::mind(
            "You have one passkey. If you lose access to its provider, only an administrator can help.",
        )),
        ([_], _) => Some(Notice::mind("You have one passkey, on one device. If you lose it, you are locked out.")),
        (_, 1) => Some(Notice::mind("Your passkeys all come from one maker. One from another is the safer second.")),
        _ => Some(Notice::good("Passkeys from different makers: losing one won’t lock you out.")),
    };
    let mut frame = frame(app, signed_in, Room::Passkeys);
    frame.notice = notice;
    Ok(page(&Passkeys { frame, advice, passkeys: cards, next: PATH.to_owned() }))
}

pub async fn rename(
    State(app): State<App>,
    circumstances: Circumstances,
    Resident(signed_in): Resident,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let page = async {
        let name = form(&headers, &body)?.value("name").unwrap_or_default().to_owned();
        let passkey_id = id.parse().map_err(|_| ApiError::not_found())?;
        let caller = signed_in.caller(&app, &circumstances);
        let rename = UserCommand::RenamePasskey { passkey_id, name };
        match accounts::execute(&app, &caller, signed_in.user.id(), rename).await {
            Ok(_) => Ok(see_other(PATH)),
            Err(error) if error.code == "validation_failed" => {
                list(&app, &signed_in, Some(Notice::stop("A name has 1 to 50 characters."))).await
            }
            Err(error) => Err(error.into()),
        }
    };
    shown(&app, page.await)
}

pub async fn ask_remove(State(app): State<App>, Resident(signed_in): Resident, Path(id): Path<String>) -> Response {
    let page = async {
        let path = format!("{PATH}/{id}/remove");
        require_step_up_from(&app, &signed_in, PATH, &path)?;
        let rows = passkeys::of_user(&app.pool, signed_in.user.id()).await?;
        let row = rows.iter().find(|row| row.passkey_id.to_string() == id).ok_or_else(ApiError::not_found)?;
        let mut consequences = vec!["It no longer signs you in anywhere.".to_owned()];
        if row.id() == signed_in.session.passkey() {
            consequences.push("You are signed out here, since this passkey signed you in.".to_owned());
        }
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::Passkeys),
            asks: format!("Remove {}?", row.name),
            says: "Where the provider supports it, its own copy is hidden, too.".to_owned(),
            consequences,
            action: path,
            button: "Remove".to_owned(),
            back: PATH.to_owned(),
        }))
    };
    shown(&app, page.await)
}

pub async fn remove(
    State(app): State<App>,
    circumstances: Circumstances,
    Resident(signed_in): Resident,
    Path(id): Path<String>,
) -> Response {
    let page = async {
        require_step_up_from(&app, &signed_in, PATH, &format!("{PATH}/{id}/remove"))?;
        let passkey_id = id.parse().map_err(|_| ApiError::not_found())?;
        let caller = signed_in.caller(&app, &circumstances);
        let remove = UserCommand::RemovePasskey { passkey_id, by: RemovedBy::Owner };
        match accounts::execute(&app, &caller, signed_in.user.id(), remove).await {
            Ok(_) => Ok(see_other(PATH)),
            Err(error) if error.code == "last_passkey" => {
                list(&app, &signed_in, Some(Notice::stop(format!("{}.", error.message)))).await
            }
            Err(error) => Err(error.into()),
        }
    };
    shown(&app, page.await)
}
