//! The administration and account API, on Pocket ID's paths with its members, codes and envelope; what is ours is beside it.

pub mod api_keys;
pub mod application_configuration;
pub mod audit_entries;
pub mod audit_logs;
pub mod authorized_clients;
pub mod client_input;
pub mod client_secrets;
pub mod clients;
pub mod custom_claims;
pub mod event_names;
pub mod groups;
mod lifetime;
pub mod mail;
pub mod pictures;
pub mod sessions;
pub mod setup;
pub mod static_api_key;
pub mod user_input;
pub mod users;
pub mod version;

use axum::Router;
pub use lifetime::ttl;

use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new()
        .merge(api_keys::routes())
        .merge(application_configuration::routes())
        .merge(audit_logs::routes())
        .merge(authorized_clients::routes())
        .merge(clients::routes())
        .merge(client_secrets::routes())
        .merge(custom_claims::routes())
        .merge(groups::routes())
        .merge(mail::routes())
        .merge(sessions::routes())
        .merge(setup::routes())
        .merge(users::routes())
        .merge(version::routes())
}

/// The routes whose bodies list ids, of which there may be many.
pub fn lists() -> Router<App> {
    Router::new().merge(clients::lists()).merge(groups::lists()).merge(users::lists())
}
