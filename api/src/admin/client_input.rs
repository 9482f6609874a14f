//! The body that registers and changes an app, before it is checked.

use chancery_domain::client::{ACCESS_TOKEN_SECONDS, ClientSettings, REFRESH_TOKEN_SECONDS};
use chancery_domain::oauth::redirect_uri::RedirectUri;
use serde::Deserialize;

use crate::app::App;
use crate::http::error::ApiError;

/// `ClientInput` of Pocket ID, and beside it what only we have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientInput {
    pub id: Option<String>,
    pub name: String,
    pub description: String,
    #[serde(rename = "callbackURLs")]
    pub callback_urls: Vec<String>,
    #[serde(rename = "logoutCallbackURLs")]
    pub logout_callback_urls: Vec<String>,
    pub is_public: bool,
    pub pkce_enabled: bool,
    pub requires_reauthentication: bool,
    pub skip_consent: bool,
    #[serde(rename = "launchURL")]
    pub launch_url: Option<String>,
    pub is_group_restricted: bool,
    pub access_token_duration_minutes: i64,
    pub refresh_token_duration_minutes: i64,
    #[serde(rename = "idTokenSigningAlg")]
    pub id_token_signing_alg: Option<String>,
    pub minimal_id_token: bool,
}

impl ClientInput {
    /// # Errors
    /// `validation_failed`, with every redirect URI that cannot be registered.
    pub fn settings(&self, app: &App) -> Result<ClientSettings, ApiError> {
        let mut errors = Vec::new();
        let insecure = app.config.allow_insecure_callback_urls;
        let mut uris = |field: &str, list: &[String]| -> Vec<RedirectUri> {
            let parse = |(index, text): (usize, &String)| match RedirectUri::register(text, insecure) {
                Ok(uri) => Some(uri),
                Err(error) => {
                    errors.push((format!("{field}[{index}]"), "callback_url_pattern".to_owned(), error.to_string()));
                    None
                }
            };
            list.iter().enumerate().filter_map(parse).collect()
        };
        let redirect_uris = uris("callbackURLs", &self.callback_urls);
        let post_logout_redirect_uris = uris("logoutCallbackURLs", &self.logout_callback_urls);
        let algorithm = self.id_token_signing_alg.as_deref().unwrap_or("RS256").parse();
        let id_token_algorithm = algorithm.unwrap_or_else(|_| {
            errors.push(("idTokenSigningAlg".into(), "oneof".into(), "must be RS256, ES256 or EdDSA".into()));
            Default::default()
        });
        if !errors.is_empty() {
            return Err(ApiError::validation(&errors));
        }
        let minutes = |minutes: i64, default: i64| if minutes == 0 { default } else { minutes.saturating_mul(60) };
        Ok(ClientSettings {
            name: self.name.trim().to_owned(),
            description: self.description.trim().to_owned(),
            redirect_uris,
            post_logout_redirect_uris,
            is_public: self.is_public,
            pkce_required: self.pkce_enabled || self.is_public,
            requires_reauthentication: self.requires_reauthentication,
            skip_consent: self.skip_consent,
            launch_url: self.launch_url.clone().filter(|url| !url.is_empty()),
            is_group_restricted: self.is_group_restricted,
            id_token_algorithm,
            minimal_id_token: self.minimal_id_token,
            access_token_seconds: minutes(self.access_token_duration_minutes, ACCESS_TOKEN_SECONDS),
            refresh_token_seconds: minutes(self.refresh_token_duration_minutes, REFRESH_TOKEN_SECONDS),
        })
    }
}
