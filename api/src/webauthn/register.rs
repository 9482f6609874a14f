//! A person who is signed in enrolls another passkey.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chancery_domain::ids::PasskeyId;
use chancery_domain::ports::passkeys::{NewPasskey, RegistrationUser};
use chancery_domain::user::{EnrolledVia, Passkey, UserCommand};
use chancery_projections::passkeys;
use serde_json::Value;

use super::ceremony::{self, REGISTRATION, Registration};
use super::credentials::passkey_json;
use crate::accounts;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::json::JsonBody;
use crate::http::principal::BrowserOnly;
use crate::http::request::Circumstances;

/// `GET /api/webauthn/register/start`: creation options. Adding a way in needs a recent ceremony (attacks WR-09).
pub async fn start(
    State(app): State<App>,
    BrowserOnly(signed_in): BrowserOnly,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !signed_in.stepped_up(&app) {
        return Err(ApiError::reauthentication_required());
    }
    let user = &signed_in.user;
    let held = passkeys::of_user(&app.pool, user.id()).await?;
    let exclude: Vec<_> = held.iter().map(ceremony::stored).collect();
    let about = RegistrationUser { id: user.id(), name: &user.username, display_name: &user.display_name };
    let started = app.passkeys.start_registration(&about, &exclude).map_err(|_| ApiError::internal())?;
    let mut response = Json(&started.options).into_response();
    let kept = Registration { state: started.state, user_id: user.id() };
    ceremony::keep(&app, REGISTRATION, &headers, response.headers_mut(), &started.options, &kept).await?;
    Ok(response)
}

/// `POST /api/webauthn/register/finish`: the enrolled passkey.
pub async fn finish(
    State(app): State<App>,
    circumstances: Circumstances,
    BrowserOnly(signed_in): BrowserOnly,
    headers: HeaderMap,
    JsonBody(response): JsonBody<Value>,
) -> Result<Json<Value>, ApiError> {
    let kept: Registration = ceremony::take(&app, REGISTRATION, &headers, &response).await?;
    // The ceremony was begun by whoever is signed in now, with a step-up that still counts.
    if kept.user_id != signed_in.user.id() {
        return Err(ceremony::not_under_way());
    }
    if !signed_in.stepped_up(&app) {
        return Err(ApiError::reauthentication_required());
    }
    let made = app.passkeys.finish_registration(&kept.state, &response);
    let made = made.map_err(|failure| ceremony::registration_error(&failure))?;
    let passkey = passkey_of(&app, &signed_in.user.user_id, made);
    let (id, name) = (passkey.passkey_id, default_name(&passkey, circumstances.user_agent.as_deref()));
    let caller = signed_in.caller(&app, &circumstances);
    let command = UserCommand::EnrollPasskey { passkey, name, via: EnrolledVia::SelfService };
    accounts::execute(&app, &caller, signed_in.user.id(), command).await?;
    let rows = passkeys::of_user(&app.pool, signed_in.user.id()).await?;
    let row = rows.iter().find(|row| row.id() == id).ok_or_else(ApiError::internal)?;
    Ok(Json(passkey_json(row)))
}

/// What is recorded of a verified new passkey.
pub fn passkey_of(app: &App, handle: &uuid::Uuid, made: NewPasskey) -> Passkey {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    Passkey {
        passkey_id: PasskeyId(app.entropy.uuid_v4()),
        credential_id: made.credential_id,
        user_handle: URL_SAFE_NO_PAD.encode(handle.as_bytes()),
        authenticator_data: made.authenticator_data,
        attestation_format: made.attestation_format,
        transports: made.transports,
        attachment: made.attachment,
        discoverable: made.discoverable,
        aaguid: made.aaguid,
        counter: made.counter,
        backup_eligible: made.backup_eligible,
        backed_up: made.backed_up,
        enrolled_at: app.now(),
    }
}

/// The provider's name, or the kind of key, or the device.
pub fn default_name(passkey: &Passkey, user_agent: Option<&str>) -> String {
    let provider = chancery_adapters::passkeys::provider(passkey.aaguid, &passkey.transports);
    let device = || user_agent.map(|text| crate::user_agent::UserAgent::read(text).to_string());
    let name = provider.map(|provider| provider.name.to_owned()).or_else(device);
    name.unwrap_or_else(|| "Passkey".to_owned()).chars().take(50).collect()
}
