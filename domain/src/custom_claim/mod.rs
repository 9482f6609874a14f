//! Claims that administrators add to people and groups.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::{Date, Month};

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
    #[error("the claim {key} must be {form}")]
    Mistyped { key: String, form: &'static str },
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
    for CustomClaim { key, value } in claims {
        if RESERVED.contains(&key.as_str()) {
            return Err(ClaimsRefusal::Reserved(key.clone()));
        }
        if !seen.insert(key) {
            return Err(ClaimsRefusal::Duplicate(key.clone()));
        }
        let mistyped = |form| ClaimsRefusal::Mistyped { key: key.clone(), form };
        claim_value(key, value).map_err(mistyped)?;
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

/// What goes out for a claim. OpenID Connect Core §5.1 says of what type standard claims are: a year of birth is no number.
/// In other claims, JSON objects, arrays, numbers and truth values inside the text are meant as such.
///
/// # Errors
/// What the claim must be, where the text is not that. Nothing goes out as null or empty (§5.3.2).
pub fn claim_value(key: &str, value: &str) -> Result<Value, &'static str> {
    let parsed = serde_json::from_str::<Value>(value);
    match key {
        _ if TEXTS.contains(&key) => Ok(json!(value)),
        "birthdate" if is_birthdate(value) => Ok(json!(value)),
        "birthdate" => Err("a date as YYYY-MM-DD, 0000-MM-DD or YYYY"),
        "phone_number_verified" => match parsed {
            Ok(Value::Bool(verified)) => Ok(json!(verified)),
            _ => Err("true or false"),
        },
        "address" => match parsed {
            Ok(Value::Object(members)) if is_address(&members) => Ok(Value::Object(members)),
            _ => Err("a JSON object with texts such as formatted, locality or country"),
        },
        _ => match parsed {
            Ok(Value::String(text)) if text.is_empty() => Err("more than an empty text"),
            Ok(Value::Null) | Err(_) => Ok(json!(value)),
            Ok(unpacked) => Ok(unpacked),
        },
    }
}

/// OpenID Connect Core §5.1: `YYYY-MM-DD`, `0000` for a year that is not told, or the year alone.
fn is_birthdate(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    match (text.get(..4), text.get(4..)) {
        (Some(year), Some("")) => digits(year) && year != "0000",
        (Some(year), Some(rest)) if digits(year) => {
            // A year with a 29th of February stands for one that is not told.
            let year = if year == "0000" { 2_000 } else { year.parse().unwrap_or_default() };
            let (month, day) = (rest.get(1..3), rest.get(4..));
            let formed = rest.len() == 6 && rest.starts_with('-') && rest.get(3..4) == Some("-");
            let number = |text: Option<&str>| text.filter(|text| digits(text))?.parse::<u8>().ok();
            let month = number(month).and_then(|month| Month::try_from(month).ok());
            let date = month.zip(number(day)).and_then(|(month, day)| Date::from_calendar_date(year, month, day).ok());
            formed && date.is_some()
        }
        _ => false,
    }
}

/// OpenID Connect Core §5.1.1: the members are texts.
fn is_address(members: &Map<String, Value>) -> bool {
    !members.is_empty() && members.values().all(|value| value.as_str().is_some_and(|text| !text.is_empty()))
}

/// Standard claims that an administrator may set, and that are texts whatever they look like (OpenID Connect Core §5.1).
const TEXTS: [&str; 7] = ["middle_name", "nickname", "profile", "website", "gender", "zoneinfo", "phone_number"];

#[cfg(test)]
mod tests;
