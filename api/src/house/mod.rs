//! The house's pages: a person's own account, and administration.

use axum::Router;

use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new()
}
