//! Claims that administrators add to people and groups.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

/// A claim of an administrator's choice. The value is text; JSON inside it is unpacked when the claim is issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomClaim {
    pub key: String,
    pub value: String,
}

/// Names with a meaning of their own in tokens (OpenID Connect Core §5.1, RFC 7519 §4.1, RFC 9068 §2.2).
const RESERVED: &[&str] = &[
    "given_name",
    "family_name",
    "name",
    "email",
    "email_verified",
    "preferred_username",
    "display_name",
    "groups",
    "picture",
    "locale",
    "updated_at",
    "type",
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "client_id",
    "nbf",
    "jti",
    "sid",
    "at_hash",
    "c_hash",
    "scope",
    "cnf",
    "events",
];

const MAX_CLAIMS: usize = 100;
const MAX_LENGTH: usize = 4_000;

/// Why a set of claims was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsRefusal {
    #[error("the claim {0} has a meaning of its own and cannot be set")]
    Reserved(String),
    #[error("the claim {0} is there twice")]
    Duplicate(String),
    #[error("a claim needs a key, and neither key nor value may be too long or hold control characters")]
    Malformed,
    #[error("there are too many claims")]
    TooMany,
}

/// # Errors
/// The first claim that may not be set.
pub fn check_claims(claims: &[CustomClaim]) -> Result<(), ClaimsRefusal> {
    if claims.len() > MAX_CLAIMS {
        return Err(ClaimsRefusal::TooMany);
    }
    let mut seen = HashSet::new();
    for CustomClaim { key, value } in claims {
        let sound = |text: &str| text.len() <= MAX_LENGTH && !text.contains('\0');
        if key.trim().is_empty()
            || value.is_empty()
            || !sound(key)
            || !sound(value)
            || key.chars().any(char::is_control)
        {
            return Err(ClaimsRefusal::Malformed);
        }
        if RESERVED.contains(&key.as_str()) {
            return Err(ClaimsRefusal::Reserved(key.clone()));
        }
        if !seen.insert(key) {
            return Err(ClaimsRefusal::Duplicate(key.clone()));
        }
    }
    Ok(())
}
