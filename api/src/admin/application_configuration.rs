//! `/api/application-configuration`: Pocket ID's settings that mean something here, as they are now. They are read only:
//! what can be set is set in the environment ([`crate::config`]), as with Pocket ID's `UI_CONFIG_DISABLED`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use chancery_adapters::mailer::Security;
use chancery_domain::policy::admin::AdminAction;
use serde_json::{Value, json};

use crate::app::App;
use crate::config::Config;
use crate::http::error::ApiError;
use crate::http::principal::Principal;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/application-configuration", get(public).put(refuse))
        .route("/api/application-configuration/all", get(all))
}

/// In place of a secret that is set.
const MASK: &str = "XXXXXXXXXX";

struct Setting {
    key: &'static str,
    value: String,
    is_public: bool,
}

/// In Pocket ID's order, all values as texts. What cannot be changed here has the value that describes what happens.
fn settings(config: &Config) -> Vec<Setting> {
    let public = |key, value: &str| Setting { key, value: value.to_owned(), is_public: true };
    let inner = |key, value: &str| Setting { key, value: value.to_owned(), is_public: false };
    let flag = |value: bool| if value { "true" } else { "false" };
    let smtp = config.smtp.as_ref();
    let credentials = smtp.and_then(|smtp| smtp.credentials.as_ref());
    let mailed = flag(smtp.is_some());
    vec![
        public("appName", &config.app_name),
        inner("sessionDuration", &(config.session_idle_seconds / 60).to_string()),
        public("homePageUrl", "/account"),
        inner("emailsVerified", "false"),
        public("allowOwnAccountEdit", "true"),
        public("allowUserSignups", "disabled"),
        public("requireUserEmail", "false"),
        inner("smtpHost", smtp.map_or("", |smtp| &smtp.host)),
        inner("smtpPort", &smtp.map(|smtp| smtp.port.to_string()).unwrap_or_default()),
        inner("smtpFrom", smtp.map_or("", |smtp| &smtp.from)),
        inner("smtpUser", credentials.map_or("", |(user, _)| user)),
        inner("smtpPassword", credentials.map_or("", |_| MASK)),
        inner("smtpTls", smtp.map_or("none", |smtp| tls(smtp.security))),
        inner("smtpSkipCertVerify", "false"),
        inner("emailLoginNotificationEnabled", flag(smtp.is_some_and(|smtp| smtp.tell_new_sign_ins))),
        public("emailOneTimeAccessAsUnauthenticatedEnabled", "false"),
        public("emailOneTimeAccessAsAdminEnabled", mailed),
        inner("emailApiKeyExpirationEnabled", "false"),
        public("emailVerificationEnabled", mailed),
        public("ldapEnabled", "false"),
        inner("webauthnUserVerification", "required"),
        inner("webauthnAllowSyncedPasskeys", "true"),
        inner("webauthnAuthenticatorAttachment", "any"),
    ]
}

fn tls(security: Security) -> &'static str {
    match security {
        Security::None => "none",
        Security::StartTls => "starttls",
        Security::Tls => "tls",
    }
}

/// For everybody. Browsers send no traces here, whatever the server does.
async fn public(State(app): State<App>) -> Json<Value> {
    let shown = settings(&app.config).into_iter().filter(|setting| setting.is_public);
    let shown = shown.map(|setting| json!({ "key": setting.key, "type": "", "value": setting.value }));
    let more = [("uiConfigDisabled", "true"), ("tracingEnabled", "false")];
    let more = more.map(|(key, value)| json!({ "key": key, "type": "boolean", "value": value }));
    Json(shown.chain(more).collect())
}

async fn all(State(app): State<App>, principal: Principal) -> Result<Json<Value>, ApiError> {
    principal.may(&app, AdminAction::ReadSettings)?;
    let shown = settings(&app.config).into_iter().map(
        |Setting { key, value, is_public }| json!({ "key": key, "type": "", "value": value, "isPublic": is_public }),
    );
    Ok(Json(shown.collect()))
}

async fn refuse(State(app): State<App>, principal: Principal) -> Result<StatusCode, ApiError> {
    principal.may(&app, AdminAction::ReadSettings)?;
    let says = "The settings are in the environment of the server; change them there and start it anew";
    Err(ApiError::new(StatusCode::FORBIDDEN, "ui_config_disabled", says))
}
