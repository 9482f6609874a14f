//! All that decisions ask about a person.

use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::ids::{ClientId, PasskeyId, UserId};
use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use super::query::{USER, User};
use crate::grants::Cutoff;

/// A person with what claims and policy ask of them.
#[derive(Clone, Debug, FromRow)]
pub struct Person {
    #[sqlx(flatten)]
    pub user: User,
    /// By name.
    pub groups: Vec<Json<GroupOfUser>>,
    /// Those that may be used.
    passkeys: Vec<Uuid>,
    consents: Vec<Json<ConsentOfUser>>,
    cutoffs: Vec<Json<CutoffOfUser>>,
}

/// What a group adds to the claims of a person.
#[derive(Clone, Debug, Deserialize)]
pub struct GroupOfUser {
    pub group_id: Uuid,
    pub name: String,
    pub claims: Vec<CustomClaim>,
}

#[derive(Clone, Debug, Deserialize)]
struct ConsentOfUser {
    client_id: String,
    scopes: Vec<String>,
}

/// Where all of a person's grants were ended, or those of one app.
#[derive(Clone, Debug, Deserialize)]
struct CutoffOfUser {
    /// Of the person, or of their consent to an app.
    stream: String,
    #[serde(flatten)]
    cutoff: Cutoff,
}

impl Person {
    /// The scopes that were consented to.
    pub fn consent(&self, client: &str) -> Option<&[String]> {
        let consent = self.consents.iter().find(|consent| consent.client_id == client)?;
        Some(&consent.scopes)
    }

    /// Whether a session's passkey is still theirs. Removing one ends its sessions; one that began elsewhere in that moment
    /// is recorded behind it, and counts as little.
    pub fn holds(&self, passkey: PasskeyId) -> bool {
        self.passkeys.contains(&passkey.0)
    }

    pub fn is_in_one_of(&self, groups: &[Uuid]) -> bool {
        self.groups.iter().any(|group| groups.contains(&group.group_id))
    }

    /// What may have ended a grant to this app.
    pub fn cutoffs(&self, client: &ClientId) -> impl Iterator<Item = &Cutoff> {
        let reaches = move |stream: &str| stream.split_once(':').is_none_or(|(_, of)| of == client.as_str());
        self.cutoffs.iter().filter(move |entry| reaches(&entry.stream)).map(|entry| &entry.cutoff)
    }
}

/// All of it in one statement.
///
/// # Errors
/// Those of the database.
pub async fn find_person(executor: impl PgExecutor<'_>, id: UserId) -> Result<Option<Person>, sqlx::Error> {
    sqlx::query_as(&format!(
        "SELECT {USER},
                ARRAY(SELECT jsonb_build_object('group_id', g.group_id, 'name', g.name, 'claims', g.claims)
                      FROM groups g JOIN memberships m USING (group_id) WHERE m.user_id = $1 ORDER BY g.name) AS groups,
                ARRAY(SELECT p.passkey_id FROM passkeys p WHERE p.user_id = $1 AND NOT p.suspended) AS passkeys,
                ARRAY(SELECT jsonb_build_object('client_id', k.client_id, 'scopes', k.scopes)
                      FROM consents k WHERE k.user_id = $1) AS consents,
                ARRAY(SELECT jsonb_build_object('stream', c.aggregate_id, 'position', c.position,
                                                'except_session', c.except_session)
                      FROM grant_cutoffs c
                      WHERE (c.aggregate_type = 'user' AND c.aggregate_id = $1::text)
                         -- The consent streams of a person are named `user:client`.
                         OR (c.aggregate_type = 'consent' AND c.aggregate_id > $1::text || ':'
                             AND c.aggregate_id < $1::text || ';')) AS cutoffs
         FROM users WHERE user_id = $1"
    ))
    .bind(id.0)
    .fetch_optional(executor)
    .await
}
