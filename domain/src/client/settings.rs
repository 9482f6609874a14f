//! What a relying party may do (RFC 7591 §2, OpenID Connect Registration §2).

use serde::{Deserialize, Serialize};

use crate::field::{Bounds, FieldError};
use crate::oauth::redirect_uri::RedirectUri;
use crate::signing_algorithm::SigningAlgorithm;

/// Seconds that an access token lives where nothing else is set.
pub const ACCESS_TOKEN_SECONDS: i64 = 3_600;
/// Seconds that a grant can be refreshed where nothing else is set: 30 days.
pub const REFRESH_TOKEN_SECONDS: i64 = 30 * 86_400;
/// A minute to a year.
const LIFETIMES: std::ops::RangeInclusive<i64> = 60..=31_536_000;
const MAX_URLS: usize = 50;
const NAME: Bounds = Bounds { field: "name", least: 1, most: 50, says: "has 50 characters at most" };
const DESCRIPTION: Bounds = Bounds { field: "description", least: 0, most: 150, says: "has 150 characters at most" };
const NOT_WEB: FieldError =
    FieldError { field: "launchURL", code: "invalid_format", message: "must begin with https:// or http://" };

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
    /// Every setting that is wrong.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let lifetime = |field, seconds| {
            let says = "must lie between 1 and 525600";
            (!LIFETIMES.contains(&seconds)).then_some(FieldError { field, code: "token_duration", message: says })
        };
        let number = |field, uris: &[RedirectUri]| {
            (uris.len() > MAX_URLS).then_some(FieldError { field, code: "too_long", message: "are too many" })
        };
        let not_web = self.launch_url.as_deref().is_some_and(|url| !is_web_url(url));
        let errors: Vec<_> = [
            NAME.check(&self.name),
            DESCRIPTION.check(&self.description),
            number("callbackURLs", &self.redirect_uris),
            number("logoutCallbackURLs", &self.post_logout_redirect_uris),
            lifetime("accessTokenDurationMinutes", self.access_token_seconds),
            lifetime("refreshTokenDurationMinutes", self.refresh_token_seconds),
            not_web.then_some(NOT_WEB),
        ]
        .into_iter()
        .flatten()
        .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// A public client proves by PKCE that it redeems its own code (RFC 9700 §2.1.1).
    pub fn requires_pkce(&self) -> bool {
        self.pkce_required || self.is_public
    }
}

fn is_web_url(text: &str) -> bool {
    // A parser drops some of these, or writes them in another way, but it is the text that is kept.
    if text.chars().any(char::is_control) {
        return false;
    }
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    url.is_some_and(|url| url.host().is_some() && url.username().is_empty() && url.password().is_none())
}
