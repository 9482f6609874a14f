//! The house's pages: a person's own account, and administration. Plain forms; what cannot be undone is asked again.

mod account;
mod frame;
mod history;
mod passkeys;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/account", get(account::show).post(account::change))
        .route("/account/passkeys", get(passkeys::show))
        .route("/account/passkeys/{id}/rename", post(passkeys::rename))
        .route("/account/passkeys/{id}/remove", get(passkeys::ask_remove).post(passkeys::remove))
        .route("/account/sessions", get(account::sessions))
        .route("/account/sessions/{id}/end", post(account::end_session))
        .route("/account/sessions/end-others", post(account::end_other_sessions))
        .route("/account/sessions/end-all", post(account::end_all_sessions))
        .route("/account/activity", get(history::activity))
        .route("/admin", get(history::overview))
        .route("/admin/history", get(history::history))
        .route("/admin/history/{position}", get(history::raw))
        .route("/account/apps", get(account::apps))
        .route("/account/apps/{id}/withdraw", get(account::ask_withdraw).post(account::withdraw))
}
