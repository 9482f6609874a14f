//! `/api/signup/setup`: whether the first administrator is still to come. They come through the set-up link.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use chancery_projections::users;

use crate::app::App;
use crate::http::error::ApiError;

pub fn routes() -> Router<App> {
    Router::new().route("/api/signup/setup", get(is_open))
}

async fn is_open(State(app): State<App>) -> Result<StatusCode, ApiError> {
    if users::any(&app.pool).await? {
        let says = "Everything is set up already";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "setup_not_available", says));
    }
    Ok(StatusCode::NO_CONTENT)
}
