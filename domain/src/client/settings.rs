//! What a relying party may do (RFC 7591 §2, OpenID Connect Registration §2).

use serde::{Deserialize, Serialize};

use crate::oauth::redirect_uri::RedirectUri;
use crate::signing_algorithm::SigningAlgorithm;

/// Seconds that an access token lives where nothing else is set.
pub const ACCESS_TOKEN_SECONDS: i64 = 3_600;
/// Seconds that a grant can be refreshed where nothing else is set: 30 days.
pub const REFRESH_TOKEN_SECONDS: i64 = 30 * 86_400;
/// A minute to a year.
const LIFETIMES: std::ops::RangeInclusive<i64> = 60..=31_536_000;
const MAX_URLS: usize = 50;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSettings {
    pub name: String,
    pub description: String,
    /// Compared exactly; the order is the operator's.
    pub redirect_uris: Vec<RedirectUri>,
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// A public client has no secret (RFC 6749 §2.1).
    pub is_public: bool,
    pub pkce_required: bool,
    pub requires_reauthentication: bool,
    pub skip_consent: bool,
    pub launch_url: Option<String>,
    /// Only members of the allowed groups may use it.
    pub is_group_restricted: bool,
    pub id_token_algorithm: SigningAlgorithm,
    /// The ID token carries no profile claims; they are at the UserInfo endpoint.
    pub minimal_id_token: bool,
    pub access_token_seconds: i64,
    pub refresh_token_seconds: i64,
}

/// What is wrong with one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingError {
    pub field: &'static str,
    pub code: &'static str,
    pub message: &'static str,
}

impl ClientSettings {
    /// Settings that nobody chose, for a client of this name.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            is_public: false,
            pkce_required: true,
            requires_reauthentication: false,
            skip_consent: false,
            launch_url: None,
            is_group_restricted: false,
            id_token_algorithm: SigningAlgorithm::default(),
            minimal_id_token: false,
            access_token_seconds: ACCESS_TOKEN_SECONDS,
            refresh_token_seconds: REFRESH_TOKEN_SECONDS,
        }
    }

    /// # Errors
    /// The first setting that is wrong.
    pub fn check(&self) -> Result<(), SettingError> {
        let error = |field, code, message| Err(SettingError { field, code, message });
        let length = self.name.chars().count();
        if length == 0 {
            return error("name", "required", "is required");
        }
        if length > 50 || self.name.chars().any(char::is_control) {
            return error("name", "too_long", "has 50 characters at most and none that cannot be shown");
        }
        if self.description.chars().count() > 150 || self.description.chars().any(char::is_control) {
            return error("description", "too_long", "has 150 characters at most");
        }
        if self.redirect_uris.len() > MAX_URLS {
            return error("callbackURLs", "too_long", "are too many");
        }
        if self.post_logout_redirect_uris.len() > MAX_URLS {
            return error("logoutCallbackURLs", "too_long", "are too many");
        }
        if !LIFETIMES.contains(&self.access_token_seconds) {
            return error("accessTokenDurationMinutes", "token_duration", "must lie between 1 and 525600");
        }
        if !LIFETIMES.contains(&self.refresh_token_seconds) {
            return error("refreshTokenDurationMinutes", "token_duration", "must lie between 1 and 525600");
        }
        if self.launch_url.as_deref().is_some_and(|url| !is_web_url(url)) {
            return error("launchURL", "invalid_format", "must begin with https:// or http://");
        }
        Ok(())
    }

    /// A public client proves by PKCE that it redeems its own code (RFC 9700 §2.1.1).
    pub fn requires_pkce(&self) -> bool {
        self.pkce_required || self.is_public
    }
}

fn is_web_url(text: &str) -> bool {
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    url.is_some_and(|url| url.host().is_some() && url.username().is_empty() && url.password().is_none())
}
