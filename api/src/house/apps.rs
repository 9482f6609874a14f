//! `/account/apps`: the apps that a person lets know who they are, and how that ends.

use axum::extract::{Path, State};
use axum::response::Response;
use chancery_projections::{clients, consents};

use super::frame::{Resident, frame, letter, shown, when};
use crate::admin::authorized_clients;
use crate::admin::clients::{client_id, existing};
use crate::app::App;
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::pages::house::{App as AppCard, Apps, Confirm, Room};
use crate::pages::render::page;

pub async fn show(State(app): State<App>, Resident(signed_in): Resident) -> Response {
    let page = async {
        let rows = consents::of_user(&app.pool, signed_in.user.id()).await?;
        let usable = clients::usable_by(&app.pool, signed_in.user.id()).await?;
        let cards = rows.into_iter().map(|row| AppCard {
            launch_url: usable
                .iter()
                .find(|client| client.client_id == row.client_id)
                .and_then(|client| client.settings.launch_url.clone()),
            letter: letter(&row.name),
            receives: row.scopes.iter().filter_map(|scope| receives(scope)).map(str::to_owned).collect(),
            since: when(&app, row.given_at),
            last_used: Some(when(&app, row.last_used_at)),
            client_id: row.client_id,
            name: row.name,
        });
        Ok(page(&Apps { frame: frame(&app, &signed_in, Room::Apps), apps: cards.collect() }))
    };
    shown(&app, page.await)
}

/// A scope as people say it, in the middle of a sentence.
fn receives(scope: &str) -> Option<&'static str> {
    match scope {
        "profile" => Some("name"),
        "email" => Some("e-mail"),
        "groups" => Some("groups"),
        "offline_access" => Some("access while you are away"),
        _ => None,
    }
}

pub async fn ask_withdraw(State(app): State<App>, Resident(signed_in): Resident, Path(id): Path<String>) -> Response {
    let page = async {
        let client = existing(&app, &client_id(&id)?).await?;
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::Apps),
            asks: format!("Stop letting {} know who you are?", client.settings.name),
            says: "It learns nothing more about you, and what it was given ends at once.".to_owned(),
            consequences: vec!["It may keep what it has learned until now.".to_owned()],
            action: format!("/account/apps/{id}/withdraw"),
            button: "Withdraw".to_owned(),
            back: "/account/apps".to_owned(),
        }))
    };
    shown(&app, page.await)
}

pub async fn withdraw(
    State(app): State<App>,
    circumstances: Circumstances,
    Resident(signed_in): Resident,
    Path(id): Path<String>,
) -> Response {
    let page = async {
        let caller = signed_in.caller(&app, &circumstances);
        authorized_clients::withdraw(&app, &caller, signed_in.user.id(), client_id(&id)?).await?;
        Ok(see_other("/account/apps"))
    };
    shown(&app, page.await)
}
