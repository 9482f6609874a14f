//! Scopes (RFC 6749 §3.3, OpenID Connect Core §5.4 and §11).

use serde::{Deserialize, Serialize};

use super::error::{ErrorCode, OAuthError};

pub const OPENID: &str = "openid";
pub const PROFILE: &str = "profile";
pub const EMAIL: &str = "email";
pub const GROUPS: &str = "groups";
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes there are, in the order they are listed.
pub const SUPPORTED: [&str; 5] = [OPENID, PROFILE, EMAIL, GROUPS, OFFLINE_ACCESS];

const MAX_LENGTH: usize = 2_000;

/// A set of known scopes, in the order of [`SUPPORTED`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads a `scope` parameter. Unknown scopes are ignored (OpenID Connect Core §3.1.2.1: "SHOULD be ignored"), since
    /// apps send the names of claims here.
    ///
    /// # Errors
    /// `invalid_scope` for a value that is far too long or holds characters outside RFC 6749 §3.3.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let allowed = |c: u8| matches!(c, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if text.len() > MAX_LENGTH || !text.bytes().all(allowed) {
            return Err(OAuthError::new(ErrorCode::InvalidScope, "the scope is malformed or too long"));
        }
        Ok(Self::known(text.split(' ')))
    }

    pub fn known<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let asked: Vec<&str> = names.into_iter().collect();
        Self(SUPPORTED.iter().filter(|scope| asked.contains(scope)).map(|scope| (*scope).to_owned()).collect())
    }

    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own == scope)
    }

    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().all(|scope| self.contains(scope))
    }

    pub fn union(&self, other: &Self) -> Self {
        Self::known(self.iter().chain(other.iter()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn to_vec(&self) -> Vec<String> {
        self.0.clone()
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
