//! The claims about a person that scopes release (OpenID Connect Core §5.1, §5.4).

use serde_json::{Map, Value, json};

use crate::custom_claim::{CustomClaim, claim_value};
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
    /// An address that everybody may fetch (OpenID Connect Core §5.1).
    pub picture: String,
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
    /// The claims of the granted scopes and those asked for by name, and none beyond.
    pub fn released(&self, scopes: &Scopes, names: &[String]) -> Map<String, Value> {
        let mut claims = self.all();
        claims.retain(|name, _| scopes.contains(scope_of(name)) || names.contains(name));
        claims
    }

    /// What administrators set, as it goes out. A claim that was set before its form was checked is left out while it has
    /// another.
    pub fn custom(&self) -> impl Iterator<Item = (&str, Value)> {
        let told = |claim: &CustomClaim| claim_value(&claim.key, &claim.value).ok();
        self.custom.iter().filter_map(move |claim| Some((claim.key.as_str(), told(claim)?)))
    }

    /// A claim without a value is left out, never null.
    fn all(&self) -> Map<String, Value> {
        let mut claims = Map::new();
        put(&mut claims, "nickname", &self.username);
        claims.extend(self.custom().map(|(key, value)| (key.to_owned(), value)));
        put(&mut claims, "name", &self.display_name);
        put(&mut claims, "display_name", &self.display_name);
        put(&mut claims, "given_name", &self.first_name);
        put(&mut claims, "family_name", &self.last_name);
        put(&mut claims, "preferred_username", &self.username);
        put(&mut claims, "picture", &self.picture);
        put(&mut claims, "locale", self.locale.as_deref().unwrap_or_default());
        claims.insert("updated_at".to_owned(), json!(self.updated_at));
        if let Some(email) = &self.email {
            claims.insert("email".to_owned(), json!(email));
            claims.insert("email_verified".to_owned(), json!(self.email_verified));
        }
        // Always an array: apps treat a bare text differently.
        claims.insert("groups".to_owned(), json!(self.groups));
        claims
    }
}

/// The scope that releases a claim (OpenID Connect Core §5.4). Claims of an administrator's choice go with the profile.
pub fn scope_of(name: &str) -> &'static str {
    match name {
        "email" | "email_verified" => EMAIL,
        "groups" => GROUPS,
        _ => PROFILE,
    }
}

fn put(claims: &mut Map<String, Value>, name: &str, value: &str) {
    if !value.is_empty() {
        claims.insert(name.to_owned(), json!(value));
    }
}
