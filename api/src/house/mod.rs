//! The house's pages: a person's own account, and administration. Plain forms; what cannot be undone is asked again.

mod account;
mod api_keys;
mod apps;
mod attempts;
mod client;
mod client_form;
mod client_secrets;
mod clients;
mod diagnostics;
mod filters;
mod frame;
mod groups;
mod history;
mod mail;
mod overview;
mod passkeys;
mod people;
mod person;
mod person_passkeys;
mod pictures;
mod places;
mod roll;

use axum::Router;
use axum::routing::{get, post};

pub use pictures::routes as picture_routes;

use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new().merge(account_routes()).merge(people_routes()).merge(group_routes()).merge(app_routes())
}

fn account_routes() -> Router<App> {
    Router::new()
        .route("/account", get(account::show).post(account::change))
        .route("/account/verify-email", post(account::ask_verification))
        .route("/account/passkeys", get(passkeys::show))
        .route("/account/passkeys/{id}/rename", post(passkeys::rename))
        .route("/account/passkeys/{id}/remove", get(passkeys::ask_remove).post(passkeys::remove))
        .route("/account/sessions", get(account::sessions))
        .route("/account/sessions/{id}/end", post(account::end_session))
        .route("/account/sessions/end-others", post(account::end_other_sessions))
        .route("/account/sessions/end-all", post(account::end_all_sessions))
        .route("/account/activity", get(history::activity))
        .route("/admin", get(overview::overview))
        .route("/admin/diagnostics", get(diagnostics::show))
        .route("/admin/history", get(history::history))
        .route("/admin/history/{position}", get(history::raw))
        .route("/account/apps", get(apps::show))
        .route("/account/apps/{id}/withdraw", get(apps::ask_withdraw).post(apps::withdraw))
}

fn people_routes() -> Router<App> {
    Router::new()
        .route("/admin/people", get(people::list))
        .route("/admin/people/new", get(people::new).post(people::create))
        .route("/admin/people/{id}", get(person::show).post(person::change))
        .route("/admin/people/{id}/{act}", get(person::ask).post(person::act))
        .route("/admin/people/{id}/delete", get(person::ask_delete).post(person::delete))
        .route("/admin/people/{id}/sessions/end-all", post(person_passkeys::end_all_sessions))
        .route("/admin/people/{id}/sessions/{session}/end", post(person_passkeys::end_session))
        .route(
            "/admin/people/{id}/passkeys/{passkey}/restore",
            get(person_passkeys::ask_restore_passkey).post(person_passkeys::restore_passkey),
        )
        .route(
            "/admin/people/{id}/passkeys/{passkey}/remove",
            get(person_passkeys::ask_remove_passkey).post(person_passkeys::remove_passkey),
        )
}

fn group_routes() -> Router<App> {
    Router::new()
        .route("/admin/groups", get(groups::list))
        .route("/admin/groups/new", get(groups::new).post(groups::create))
        .route("/admin/groups/{id}", get(groups::show).post(groups::change))
        .route("/admin/groups/{id}/members", post(groups::add_member))
        .route("/admin/groups/{id}/members/{user}/remove", post(groups::remove_member))
        .route("/admin/groups/{id}/claims", post(groups::set_claims))
        .route("/admin/groups/{id}/delete", get(groups::ask_delete).post(groups::delete))
}

fn app_routes() -> Router<App> {
    Router::new()
        .route("/admin/apps", get(clients::list))
        .route("/admin/apps/new", get(clients::new).post(clients::create))
        .route("/admin/apps/{id}", get(client::show).post(client::change))
        .route("/admin/apps/{id}/secrets", post(client_secrets::add_secret))
        .route(
            "/admin/apps/{id}/secrets/{secret}/remove",
            get(client_secrets::ask_remove_secret).post(client_secrets::remove_secret),
        )
        .route("/admin/apps/{id}/delete", get(client::ask_delete).post(client::delete))
        .route("/admin/mail", get(mail::show))
        .route("/admin/mail/test", post(mail::test))
        .route("/admin/api-keys", get(api_keys::show).post(api_keys::create))
        .route("/admin/api-keys/{id}/revoke", get(api_keys::ask_revoke).post(api_keys::revoke))
}
