//! The claims about a person that scopes release (OpenID Connect Core §5.1, §5.4).

use serde_json::{Map, Value, json};

use crate::custom_claim::CustomClaim;
use crate::oauth::scope::{EMAIL, GROUPS, PROFILE, Scopes};

/// What is known of a person, ready to be told.
#[derive(Clone, Debug)]
pub struct PersonClaims {
    pub sub: String,
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    pub display_name: String,
    pub locale: Option<String>,
    /// Seconds since the Unix epoch.
    pub updated_at: i64,
    pub email: Option<String>,
    pub email_verified: bool,
    /// Names of groups.
    pub groups: Vec<String>,
    /// Of the person's groups first, then the person's own, which win.
    pub custom: Vec<CustomClaim>,
}

impl PersonClaims {
    /// The claims of the granted scopes, and none beyond; a claim without a value is left out, never null.
    pub fn released(&self, scopes: &Scopes) -> Map<String, Value> {
        let mut claims = Map::new();
        if scopes.contains(PROFILE) {
            for CustomClaim { key, value } in &self.custom {
                claims.insert(key.clone(), unpack(value));
            }
            put(&mut claims, "name", &self.display_name);
            put(&mut claims, "display_name", &self.display_name);
            put(&mut claims, "given_name", &self.first_name);
            put(&mut claims, "family_name", &self.last_name);
            put(&mut claims, "preferred_username", &self.username);
            put(&mut claims, "nickname", &self.username);
            put(&mut claims, "locale", self.locale.as_deref().unwrap_or_default());
            claims.insert("updated_at".to_owned(), json!(self.updated_at));
        }
        if scopes.contains(EMAIL)
            && let Some(email) = &self.email
        {
            claims.insert("email".to_owned(), json!(email));
            claims.insert("email_verified".to_owned(), json!(self.email_verified));
        }
        if scopes.contains(GROUPS) {
            // Always an array: apps treat a bare text differently.
            claims.insert("groups".to_owned(), json!(self.groups));
        }
        claims
    }
}

fn put(claims: &mut Map<String, Value>, name: &str, value: &str) {
    if !value.is_empty() {
        claims.insert(name.to_owned(), json!(value));
    }
}

/// JSON objects, arrays, numbers and truth values inside the text are meant as such.
fn unpack(value: &str) -> Value {
    match serde_json::from_str(value) {
        Ok(Value::Null) | Err(_) => json!(value),
        Ok(unpacked) => unpacked,
    }
}
