//! The secrets of an app: shown once when they are made, removed after a question.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::client::ClientCommand;
use chancery_domain::ids::ClientSecretId;
use chancery_projections::clients;
use time::Date;
use time::macros::format_description;

use super::account::{field_errors, form};
use super::client::{Extra, client};
use super::clients::PATH;
use super::frame::{Steward, frame, require_step_up, require_step_up_from, shown};
use crate::accounts;
use crate::admin::client_secrets::issue_secret;
use crate::admin::clients::{client_id, execute_all, existing};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::pages::house::{Confirm, Field, Revealed, Room};
use crate::pages::render::page;

pub async fn add_secret(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown_page = async {
        let id = client_id(&id)?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let params = form(&headers, &body)?;
        let day = params.value("expires_at");
        let parsed = day.map(|text| Date::parse(text, format_description!("[year]-[month]-[day]")));
        let expires_at = match parsed {
            None => None,
            Some(Ok(day)) => Some(day.midnight().assume_utc()),
            Some(Err(_)) => {
                let expires_at = Field::refused(day.unwrap_or_default(), "This is no day.");
                return client(&app, &signed_in, &id, Extra { expires_at, ..Extra::default() }).await;
            }
        };
        let caller = signed_in.caller(&app, &circumstances);
        let extra = match issue_secret(&app, &caller, &id, None, expires_at).await {
            Ok(made) => {
                let says = "Copy it into the app now; it is not shown again.".to_owned();
                let secret = Revealed { label: "Client secret".to_owned(), value: made.secret, says };
                Extra { secret: Some(secret), ..Extra::default() }
            }
            Err(error) if error.status.is_server_error() || error.code == "not_found" => return Err(error.into()),
            Err(error) => {
                let wrong = field_errors(&error).into_iter().next().map(|(_, wrong)| wrong).unwrap_or_default();
                Extra {
                    expires_at: Field::refused(day.unwrap_or_default(), accounts::sentence(&wrong)),
                    ..Extra::default()
                }
            }
        };
        client(&app, &signed_in, &id, extra).await
    };
    shown(&app, shown_page.await)
}

pub async fn ask_remove_secret(
    State(app): State<App>,
    Steward(signed_in): Steward,
    Path((id, secret)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let client_id = client_id(&id)?;
        let row = existing(&app, &client_id).await?;
        let path = format!("{PATH}/{id}/secrets/{secret}/remove");
        require_step_up_from(&app, &signed_in, &format!("{PATH}/{id}"), &path)?;
        let secrets = clients::secrets(&app.pool, &client_id).await?;
        let found = secrets.iter().find(|row| row.secret_id.to_string() == secret).ok_or_else(ApiError::not_found)?;
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::Clients),
            asks: format!("Remove the secret {}…?", found.prefix),
            says: format!("{} can no longer use it from that moment on.", row.settings.name),
            consequences: match secrets.len() {
                1 => vec!["It is the only one: nobody can sign in to the app until it has another.".to_owned()],
                _ => Vec::new(),
            },
            action: path,
            button: "Remove".to_owned(),
            back: format!("{PATH}/{id}"),
        }))
    };
    shown(&app, shown_page.await)
}

pub async fn remove_secret(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path((id, secret)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let id = client_id(&id)?;
        let secret_id = secret.parse::<ClientSecretId>().map_err(|_| ApiError::not_found())?;
        let path = format!("{PATH}/{id}/secrets/{secret_id}/remove");
        require_step_up_from(&app, &signed_in, &format!("{PATH}/{id}"), &path)?;
        let caller = signed_in.caller(&app, &circumstances);
        let remove = ClientCommand::RemoveSecret { secret_id };
        execute_all(&app, &caller, &id, vec![remove], &None).await?;
        Ok(see_other(&format!("{PATH}/{id}")))
    };
    shown(&app, shown_page.await)
}
