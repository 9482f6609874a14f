//! What an app receives, as the consent sheet shows it.

use chancery_domain::oauth::scope;
use serde_json::Value;

use super::desk::Claim;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::session::SignedIn;
use crate::oidc::interaction::Interaction;
use crate::oidc::person_claims;

/// What the scopes release, with the values that will be sent.
pub async fn released(app: &App, present: &SignedIn, interaction: &Interaction) -> Result<Vec<Claim>, ApiError> {
    let Some(person) = person_claims(app, present.user.id()).await? else { return Err(ApiError::not_signed_in()) };
    let scopes = interaction.request.consent_scopes();
    let asked = |name| scopes.contains(name);
    let mut claims = Vec::new();
    if asked(scope::PROFILE) {
        claims.push(Claim::new("Name", &person.display_name));
        claims.push(Claim::new("Username", &person.username));
        let picture = if present.user.picture().is_some() { "the one you uploaded" } else { "your initials" };
        claims.push(Claim::new("Picture", picture));
        // Whatever administrators set beside goes with the profile.
        claims.extend(person.custom().map(|(key, value)| Claim::new(label(key), readable(&value))));
    }
    if asked(scope::EMAIL) {
        claims.push(Claim::new("E-mail", person.email.as_deref().unwrap_or("none")));
    }
    if asked(scope::GROUPS) {
        let groups = if person.groups.is_empty() { "none".to_owned() } else { person.groups.join(", ") };
        claims.push(Claim::new("Groups", groups));
    }
    if asked(scope::OFFLINE_ACCESS) {
        claims.push(Claim::new("Access while you are away", "until you withdraw it"));
    }
    if claims.is_empty() {
        claims.push(Claim::new("Who you are", "a number that stays the same"));
    }
    Ok(claims)
}

/// What people call the standard claims that administrators may set (OpenID Connect Core §5.1); the others are as they were
/// named.
fn label(claim: &str) -> &str {
    match claim {
        "address" => "Address",
        "birthdate" => "Date of birth",
        "gender" => "Gender",
        "middle_name" => "Middle name",
        "nickname" => "Nickname",
        "phone_number" => "Phone number",
        "phone_number_verified" => "Phone number is verified",
        "profile" => "Profile page",
        "website" => "Website",
        "zoneinfo" => "Time zone",
        _ => claim,
    }
}

/// A JSON value as people read it.
fn readable(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) => values.iter().map(readable).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}: {}", readable(value)));
            members.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
