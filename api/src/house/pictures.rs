//! Profile pictures on the pages: a person's own, and those that administrators set for others.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;

use super::account;
use super::frame::{Resident, Steward, require_step_up, shown};
use super::person;
use crate::admin::users::{existing, user_id};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::pictures::{self, Upload};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/account/picture", post(set_own))
        .route("/account/picture/remove", post(remove_own))
        .route("/admin/people/{id}/picture", post(set))
        .route("/admin/people/{id}/picture/remove", post(remove))
}

async fn set_own(
    State(app): State<App>,
    circumstances: Circumstances,
    Upload { by: Resident(signed_in), file }: Upload<Resident>,
) -> Response {
    let page = async {
        let caller = signed_in.caller(&app, &circumstances);
        let set = async { pictures::set(&app, &caller, &signed_in.user, file?).await };
        match set.await.map_err(wrong) {
            Ok(()) => Ok(see_other("/account")),
            Err(Ok(wrong)) => account::refused_picture(&app, &signed_in, wrong).await,
            Err(Err(error)) => Err(error.into()),
        }
    };
    shown(&app, page.await)
}

/// What is wrong with the file, if that is it.
fn wrong(error: ApiError) -> Result<String, ApiError> {
    match error.code {
        "invalid_image" | "file_too_large" => Ok(format!("{}.", error.message)),
        "validation_failed" => Ok("Choose a picture first.".to_owned()),
        _ => Err(error),
    }
}

async fn remove_own(State(app): State<App>, circumstances: Circumstances, Resident(signed_in): Resident) -> Response {
    let page = async {
        let caller = signed_in.caller(&app, &circumstances);
        pictures::remove(&app, &caller, &signed_in.user).await?;
        Ok(see_other("/account"))
    };
    shown(&app, page.await)
}

async fn set(
    State(app): State<App>,
    circumstances: Circumstances,
    Path(id): Path<String>,
    Upload { by: Steward(signed_in), file }: Upload<Steward>,
) -> Response {
    let page = async {
        let id = user_id(&id)?;
        let path = format!("/admin/people/{id}");
        require_step_up(&app, &signed_in, &path)?;
        let user = existing(&app, id).await?;
        let caller = signed_in.caller(&app, &circumstances);
        let set = async { pictures::set(&app, &caller, &user, file?).await };
        match set.await.map_err(wrong) {
            Ok(()) => Ok(see_other(&path)),
            Err(Ok(wrong)) => person::refused_picture(&app, &signed_in, id, wrong).await,
            Err(Err(error)) => Err(error.into()),
        }
    };
    shown(&app, page.await)
}

async fn remove(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
) -> Response {
    let page = async {
        let id = user_id(&id)?;
        let path = format!("/admin/people/{id}");
        require_step_up(&app, &signed_in, &path)?;
        let user = existing(&app, id).await?;
        let caller = signed_in.caller(&app, &circumstances);
        pictures::remove(&app, &caller, &user).await?;
        Ok(see_other(&path))
    };
    shown(&app, page.await)
}
