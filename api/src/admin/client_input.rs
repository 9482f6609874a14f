//! The body that registers and changes an app, before it is checked.

use chancery_domain::client::{ACCESS_TOKEN_SECONDS, ClientSettings, REFRESH_TOKEN_SECONDS};
use chancery_domain::field::{FieldError, normalized};
use chancery_domain::oauth::redirect_uri::RedirectUri;
use chancery_domain::signing_algorithm::SigningAlgorithm;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::json::or_default;

/// `ClientInput` of Pocket ID, and beside it what only we have. `null` is as if nothing were said.
///
/// What only we have is told apart: a tool that does not know of it leaves it out, and must not reset what it never saw.
/// There `null` asks for the default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientInput {
    pub id: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub description: String,
    #[serde(rename = "callbackURLs", deserialize_with = "or_default")]
    pub callback_urls: Vec<String>,
    #[serde(rename = "logoutCallbackURLs", deserialize_with = "or_default")]
    pub logout_callback_urls: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub is_public: bool,
    /// Where nothing is said: yes for a new app, as it was for one that is changed (attacks PK-01).
    pub pkce_enabled: Option<bool>,
    #[serde(deserialize_with = "or_default")]
    pub requires_reauthentication: bool,
    #[serde(deserialize_with = "or_default")]
    pub skip_consent: bool,
    // Terraform's provider knew it by the second name.
    #[serde(rename = "launchURL", alias = "launchUrl")]
    pub launch_url: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub is_group_restricted: bool,
    #[serde(deserialize_with = "or_default")]
    pub access_token_duration_minutes: i64,
    #[serde(deserialize_with = "or_default")]
    pub refresh_token_duration_minutes: i64,
    #[serde(rename = "idTokenSigningAlg", deserialize_with = "said")]
    pub id_token_signing_alg: Option<Option<String>>,
    #[serde(deserialize_with = "said")]
    pub minimal_id_token: Option<Option<bool>>,
    #[serde(flatten)]
    pub not_offered: NotOffered,
}

/// What Pocket ID has and we have not yet. Whoever asks for it must not believe that they got it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NotOffered {
    #[serde(deserialize_with = "or_default")]
    requires_pushed_authorization_requests: bool,
    #[serde(deserialize_with = "or_default")]
    credentials: Credentials,
    #[serde(deserialize_with = "or_default")]
    logo_url: String,
    #[serde(deserialize_with = "or_default")]
    dark_logo_url: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Credentials {
    #[serde(deserialize_with = "or_default")]
    federated_identities: Vec<IgnoredAny>,
}

type Wrong = (String, String, String);

impl NotOffered {
    fn asked_for(&self) -> Vec<Wrong> {
        let members = [
            ("requiresPushedAuthorizationRequests", self.requires_pushed_authorization_requests),
            ("credentials.federatedIdentities", !self.credentials.federated_identities.is_empty()),
            ("logoUrl", !self.logo_url.is_empty()),
            ("darkLogoUrl", !self.dark_logo_url.is_empty()),
        ];
        let asked_for = members.into_iter().filter(|(_, is_asked_for)| *is_asked_for);
        asked_for.map(|(field, _)| (field.into(), "invalid_value".into(), "is not offered here".into())).collect()
    }
}

impl ClientInput {
    /// `before`: those of an app that is changed.
    ///
    /// # Errors
    /// `validation_failed`, with everything that is wrong.
    pub fn settings(&self, app: &App, before: Option<&ClientSettings>) -> Result<ClientSettings, ApiError> {
        let mut errors = self.not_offered.asked_for();
        let redirect_uris = registered(app, "callbackURLs", &self.callback_urls, &mut errors);
        let post_logout_redirect_uris = registered(app, "logoutCallbackURLs", &self.logout_callback_urls, &mut errors);
        let id_token_algorithm = match &self.id_token_signing_alg {
            None => before.map(|before| before.id_token_algorithm).unwrap_or_default(),
            Some(None) => SigningAlgorithm::default(),
            Some(Some(text)) => text.parse().unwrap_or_else(|_| {
                errors.push(("idTokenSigningAlg".into(), "oneof".into(), "must be RS256, ES256 or EdDSA".into()));
                SigningAlgorithm::default()
            }),
        };
        let minimal_id_token = match self.minimal_id_token {
            None => before.is_some_and(|before| before.minimal_id_token),
            Some(said) => said.unwrap_or_default(),
        };
        let pkce_enabled = self.pkce_enabled.unwrap_or_else(|| before.is_none_or(|before| before.pkce_required));
        let minutes = |minutes: i64, default: i64| if minutes == 0 { default } else { minutes.saturating_mul(60) };
        let settings = ClientSettings {
            name: normalized(&self.name),
            description: normalized(&self.description),
            redirect_uris,
            post_logout_redirect_uris,
            is_public: self.is_public,
            pkce_required: pkce_enabled || self.is_public,
            requires_reauthentication: self.requires_reauthentication,
            skip_consent: self.skip_consent,
            launch_url: self.launch_url.clone().filter(|url| !url.is_empty()),
            is_group_restricted: self.is_group_restricted,
            id_token_algorithm,
            minimal_id_token,
            access_token_seconds: minutes(self.access_token_duration_minutes, ACCESS_TOKEN_SECONDS),
            refresh_token_seconds: minutes(self.refresh_token_duration_minutes, REFRESH_TOKEN_SECONDS),
        };
        for FieldError { field, code, message } in settings.check().err().unwrap_or_default() {
            errors.push((field.to_owned(), code.to_owned(), message.to_owned()));
        }
        if errors.is_empty() { Ok(settings) } else { Err(ApiError::validation(&errors)) }
    }
}

/// Tells a member that is `null` from one that is left out.
fn said<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

fn registered(app: &App, field: &str, list: &[String], errors: &mut Vec<Wrong>) -> Vec<RedirectUri> {
    let mut uris = Vec::with_capacity(list.len());
    for (index, text) in list.iter().enumerate() {
        match RedirectUri::register(text, app.config.allow_insecure_callback_urls) {
            Ok(uri) => uris.push(uri),
            Err(error) => errors.push((format!("{field}[{index}]"), "callback_url_pattern".into(), error.to_string())),
        }
    }
    uris
}
