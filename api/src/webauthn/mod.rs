//! WebAuthn ceremonies over JSON, on Pocket ID's paths (WebAuthn Level 3 §7).
//!
//! A ceremony is kept on the server under the browser's cookie and its challenge, is used once, and expires. Several
//! tabs can each have one.

mod ceremony;
mod credentials;
pub mod enrollment;
mod login;
mod reauthenticate;
mod register;

use axum::Router;
use axum::routing::{get, patch, post};

pub use credentials::credentials_json;
pub use login::{end_session, session_error};

use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/webauthn/login/start", get(login::start))
        .route("/api/webauthn/login/finish", post(login::finish))
        .route("/api/webauthn/logout", post(login::logout))
        .route("/api/webauthn/register/start", get(register::start))
        .route("/api/webauthn/register/finish", post(register::finish))
        .route("/api/webauthn/reauthenticate/start", get(reauthenticate::start))
        .route("/api/webauthn/reauthenticate", post(reauthenticate::finish))
        .route("/api/webauthn/credentials", get(credentials::list))
        .route("/api/webauthn/credentials/{id}", patch(credentials::rename).delete(credentials::remove))
        .route("/api/webauthn/signals", get(credentials::signals))
        .route("/api/enrollment/start", post(enrollment::start))
        .route("/api/enrollment/finish", post(enrollment::finish))
}
