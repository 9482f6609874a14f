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
pub mod mail;
pub mod pictures;
pub mod sessions;
pub mod setup;
pub mod static_api_key;
pub mod users;
pub mod version;

use axum::Router;
use serde_json::Value;
use time::Duration;

use crate::app::App;
use crate::http::error::ApiError;

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

/// How long a link lives: seconds, or Go's duration text (`15m`, `1h30m`); a day where nothing is said.
///
/// # Errors
/// `validation_failed` for anything else.
pub fn ttl(value: Option<&Value>) -> Result<Duration, ApiError> {
    let seconds = match value {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => go_duration(text),
        Some(_) => None,
    };
    match seconds {
        Some(0) => Ok(Duration::DAY),
        Some(seconds) if seconds > 1 => Ok(Duration::seconds(seconds)),
        _ => Err(ApiError::validation(&[("ttl".into(), "ttl".into(), "is no duration".into())])),
    }
}

fn go_duration(text: &str) -> Option<i64> {
    let mut total = 0_i64;
    let mut number = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    number.is_empty().then_some(total)
}
