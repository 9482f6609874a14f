//! A person's claims, read at the moment they are told.

use std::collections::BTreeMap;

use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::ids::UserId;
use chancery_domain::oidc::claims::PersonClaims;

use crate::app::App;
use crate::pictures;

/// None for a person who is gone.
///
/// # Errors
/// Those of the database.
pub async fn claims(app: &App, id: UserId) -> Result<Option<PersonClaims>, sqlx::Error> {
    let Some(person) = app.memory.person(id).await? else { return Ok(None) };
    let (user, groups) = (person.user.clone(), &person.groups);
    // The person's own claims win over those of their groups.
    let of_groups = groups.iter().flat_map(|group| group.claims.iter());
    let merged: BTreeMap<&str, &CustomClaim> =
        of_groups.chain(user.claims.iter()).map(|claim| (claim.key.as_str(), claim)).collect();
    Ok(Some(PersonClaims {
        sub: user.user_id.to_string(),
        custom: merged.into_values().cloned().collect(),
        username: user.username,
        first_name: user.first_name,
        last_name: user.last_name,
        display_name: user.display_name,
        locale: user.locale,
        picture: pictures::url(app, id),
        updated_at: user.updated_at.unix_timestamp(),
        email: user.email,
        email_verified: user.email_verified,
        groups: groups.iter().map(|group| group.name.clone()).collect(),
    }))
}
