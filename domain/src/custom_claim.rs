//! Claims that administrators add to people and groups.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::field::FieldError;

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

/// What is wrong with a member of one of the claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedClaim {
    /// Of the claim, from 0.
    pub index: usize,
    pub wrong: FieldError,
}

/// Why a set of claims was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsRefusal {
    #[error("the claim {0} has a meaning of its own and cannot be set")]
    Reserved(String),
    #[error("the claim {0} is there twice")]
    Duplicate(String),
    #[error("a claim needs a key and a value, neither too long, and no control characters in the key")]
    Malformed(Vec<MalformedClaim>),
    #[error("there are too many claims")]
    TooMany,
}

/// # Errors
/// All that are malformed, or else the first claim that may not be set.
pub fn check_claims(claims: &[CustomClaim]) -> Result<(), ClaimsRefusal> {
    if claims.len() > MAX_CLAIMS {
        return Err(ClaimsRefusal::TooMany);
    }
    let malformed: Vec<_> = claims.iter().enumerate().flat_map(|(index, claim)| malformed(index, claim)).collect();
    if !malformed.is_empty() {
        return Err(ClaimsRefusal::Malformed(malformed));
    }
    let mut seen = HashSet::new();
    for CustomClaim { key, .. } in claims {
        if RESERVED.contains(&key.as_str()) {
            return Err(ClaimsRefusal::Reserved(key.clone()));
        }
        if !seen.insert(key) {
            return Err(ClaimsRefusal::Duplicate(key.clone()));
        }
    }
    Ok(())
}

fn malformed(index: usize, CustomClaim { key, value }: &CustomClaim) -> impl Iterator<Item = MalformedClaim> {
    // A value may have lines; no text that is kept holds NUL.
    let members = [
        ("key", key, key.trim().is_empty(), key.chars().any(char::is_control)),
        ("value", value, value.is_empty(), value.contains('\0')),
    ];
    members.into_iter().filter_map(move |(field, text, is_missing, is_unprintable)| {
        let (code, message) = match () {
            () if is_missing => ("required", "is required"),
            () if text.len() > MAX_LENGTH => ("too_long", "has 4000 bytes at most"),
            () if is_unprintable => ("invalid_format", "holds characters that cannot be shown"),
            () => return None,
        };
        Some(MalformedClaim { index, wrong: FieldError { field, code, message } })
    })
}
