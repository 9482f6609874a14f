//! People: who they are, whether they may sign in, what groups they are in.

use std::collections::HashMap;

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture};
use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::digest::Digest;
use chancery_domain::ids::{ClientId, GroupId, PasskeyId, UserId};
use chancery_domain::user::{Profile, RegisteredVia, UserEvent};
use chancery_domain::{Event, Recorded};
use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::grants::Cutoff;
use crate::page::{Page, Paging};

/// The views `users` and `memberships`.
pub struct Users;

impl Projection for Users {
    fn name(&self) -> &'static str {
        "users"
    }

    fn apply<'a>(&'a self, connection: &'a mut PgConnection, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            for recorded in events {
                match &recorded.event {
                    Event::User(event) => apply(connection, recorded, event).await?,
                    Event::Group(chancery_domain::group::GroupEvent::Deleted) => {
                        sqlx::query("DELETE FROM memberships WHERE group_id = $1::uuid")
                            .bind(crate::uuid(recorded)?)
                            .execute(&mut *connection)
                            .await?;
                    }
                    _ => {}
                }
            }
            Ok(())
        })
    }
}

async fn apply(connection: &mut PgConnection, recorded: &Recorded, event: &UserEvent) -> Result<(), ProjectionError> {
    let id = crate::uuid(recorded)?;
    let at = recorded.recorded_at;
    match event {
        UserEvent::Registered { profile, email_verified, is_admin, via } => {
            // Erased people are in no view.
            let Some(profile) = profile.known() else { return Ok(()) };
            let is_static = *via == RegisteredVia::StaticApiKey;
            insert(connection, id, profile, *email_verified, *is_admin, is_static, at).await?;
        }
        UserEvent::ProfileChanged { change, email_verified } => {
            let Some(change) = change.known() else { return Ok(()) };
            update_profile(connection, id, &change.after, *email_verified, at).await?;
        }
        UserEvent::EmailVerified => {
            sqlx::query("UPDATE users SET email_verified = true, updated_at = $2 WHERE user_id = $1")
                .bind(id)
                .bind(at)
                .execute(connection)
                .await?;
        }
        UserEvent::ClaimsSet { claims } => {
            let Some(claims) = claims.known() else { return Ok(()) };
            sqlx::query("UPDATE users SET claims = $2, updated_at = $3 WHERE user_id = $1")
                .bind(id)
                .bind(Json(&claims.after))
                .bind(at)
                .execute(connection)
                .await?;
        }
        UserEvent::GroupJoined { group_id } => {
            sqlx::query("INSERT INTO memberships (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(group_id.0)
                .bind(id)
                .execute(connection)
                .await?;
        }
        UserEvent::GroupLeft { group_id } => {
            sqlx::query("DELETE FROM memberships WHERE group_id = $1 AND user_id = $2")
                .bind(group_id.0)
                .bind(id)
                .execute(connection)
                .await?;
        }
        // Apps are told of a picture together with the rest of the profile.
        UserEvent::PictureSet { .. } | UserEvent::PictureRemoved => {
            sqlx::query("UPDATE users SET updated_at = $2 WHERE user_id = $1")
                .bind(id)
                .bind(at)
                .execute(connection)
                .await?;
        }
        UserEvent::Disabled => flag(connection, "disabled = true", id).await?,
        UserEvent::Enabled => flag(connection, "disabled = false", id).await?,
        UserEvent::AdminGranted => flag(connection, "is_admin = true", id).await?,
        UserEvent::AdminRevoked => flag(connection, "is_admin = false", id).await?,
        UserEvent::SecondPasskeyDeclined { .. } => {
            sqlx::query("UPDATE users SET second_passkey_declined_at = $2 WHERE user_id = $1")
                .bind(id)
                .bind(at)
                .execute(connection)
                .await?;
        }
        UserEvent::Erased => {
            sqlx::query("DELETE FROM memberships WHERE user_id = $1").bind(id).execute(&mut *connection).await?;
            sqlx::query("DELETE FROM users WHERE user_id = $1").bind(id).execute(connection).await?;
        }
        UserEvent::EmailVerificationRequested { .. }
        | UserEvent::TestMailRequested
        | UserEvent::PasskeyEnrolled { .. }
        | UserEvent::PasskeyRenamed { .. }
        | UserEvent::PasskeySuspended { .. }
        | UserEvent::PasskeyRestored { .. }
        | UserEvent::PasskeyRemoved { .. }
        | UserEvent::SignedOutEverywhere { .. } => {}
    }
    Ok(())
}

async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    profile: &Profile,
    email_verified: bool,
    is_admin: bool,
    is_static: bool,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO users (user_id, username, email, email_verified, first_name, last_name, display_name, locale,
                            is_admin, disabled, is_static, claims, registered_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, false, $10, '[]', $11, $11)",
    )
    .bind(id)
    .bind(&profile.username)
    .bind(&profile.email)
    .bind(email_verified)
    .bind(&profile.first_name)
    .bind(&profile.last_name)
    .bind(&profile.display_name)
    .bind(&profile.locale)
    .bind(is_admin)
    .bind(is_static)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_profile(
    connection: &mut PgConnection,
    id: Uuid,
    profile: &Profile,
    email_verified: bool,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE users SET username = $2, email = $3, email_verified = $4, first_name = $5, last_name = $6,
                          display_name = $7, locale = $8, updated_at = $9
         WHERE user_id = $1",
    )
    .bind(id)
    .bind(&profile.username)
    .bind(&profile.email)
    .bind(email_verified)
    .bind(&profile.first_name)
    .bind(&profile.last_name)
    .bind(&profile.display_name)
    .bind(&profile.locale)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

async fn flag(connection: &mut PgConnection, assignment: &str, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(&format!("UPDATE users SET {assignment} WHERE user_id = $1")).bind(id).execute(connection).await?;
    Ok(())
}

/// A person, as the view has them.
#[derive(Clone, Debug, FromRow)]
pub struct User {
    pub user_id: Uuid,
    pub username: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub first_name: String,
    pub last_name: String,
    pub display_name: String,
    pub locale: Option<String>,
    pub is_admin: bool,
    pub disabled: bool,
    pub is_static: bool,
    pub claims: Json<Vec<CustomClaim>>,
    pub registered_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub second_passkey_declined_at: Option<OffsetDateTime>,
    picture: Option<Vec<u8>>,
}

/// What makes a [`User`].
const USER: &str = "users.*, (SELECT p.digest FROM pictures p WHERE p.user_id = users.user_id) AS picture";

impl User {
    pub fn id(&self) -> UserId {
        UserId(self.user_id)
    }

    /// The digest of their sealed picture, if they have one.
    pub fn picture(&self) -> Option<Digest> {
        self.picture.as_deref().and_then(|digest| digest.try_into().ok()).map(Digest::from_bytes)
    }
}

/// What a list of people may be asked for.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    pub search: Option<String>,
    pub is_admin: Vec<bool>,
    pub disabled: Vec<bool>,
    pub email_verified: Vec<bool>,
    pub group: Option<GroupId>,
    /// Leaves out the account of `STATIC_API_KEY`.
    pub people_only: bool,
}

/// # Errors
/// Those of the database, here and below.
pub async fn find(executor: impl PgExecutor<'_>, id: UserId) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as(&format!("SELECT {USER} FROM users WHERE user_id = $1")).bind(id.0).fetch_optional(executor).await
}

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

/// All that decisions ask about a person, in one statement.
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

/// What people are called, by id; the erased are left out.
pub async fn usernames(executor: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, sqlx::Error> {
    let named: Vec<(Uuid, String)> = sqlx::query_as("SELECT user_id, username FROM users WHERE user_id = ANY($1)")
        .bind(ids)
        .fetch_all(executor)
        .await?;
    Ok(named.into_iter().collect())
}

/// By username or e-mail address, whatever the case.
pub async fn find_by_name(executor: impl PgExecutor<'_>, name: &str) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as(&format!(
        "SELECT {USER} FROM users WHERE lower(username) = lower($1) OR lower(email) = lower($1) LIMIT 1"
    ))
    .bind(name)
    .fetch_optional(executor)
    .await
}

pub async fn list(
    connection: &mut PgConnection,
    filter: &UserFilter,
    paging: &Paging,
) -> Result<Page<User>, sqlx::Error> {
    const MATCHES: &str = "($1::text IS NULL OR concat_ws(' ', username, email, first_name, last_name, display_name)
                                ILIKE '%' || $1 || '%')
                       AND (cardinality($2::bool[]) = 0 OR is_admin = ANY($2))
                       AND (cardinality($3::bool[]) = 0 OR disabled = ANY($3))
                       AND (cardinality($4::bool[]) = 0 OR email_verified = ANY($4))
                       AND ($5::uuid IS NULL OR EXISTS (SELECT 1 FROM memberships m
                                                        WHERE m.user_id = users.user_id AND m.group_id = $5))
                       AND NOT ($6 AND is_static)";
    let group = filter.group.map(|group| group.0);
    let search = filter.search.as_deref().map(crate::page::like);
    let total: i64 = sqlx::query_scalar(&format!("SELECT count(*) FROM users WHERE {MATCHES}"))
        .bind(&search)
        .bind(&filter.is_admin)
        .bind(&filter.disabled)
        .bind(&filter.email_verified)
        .bind(group)
        .bind(filter.people_only)
        .fetch_one(&mut *connection)
        .await?;
    let order = paging.order(
        &[
            ("createdAt", "registered_at"),
            ("username", "username"),
            ("email", "email"),
            ("emailVerified", "email_verified"),
            ("firstName", "first_name"),
            ("lastName", "last_name"),
            ("displayName", "display_name"),
            ("isAdmin", "is_admin"),
            ("disabled", "disabled"),
        ],
        "registered_at, user_id",
    );
    let (limit, offset) = paging.window(total);
    let rows = sqlx::query_as(&format!("SELECT {USER} FROM users WHERE {MATCHES} ORDER BY {order} LIMIT $7 OFFSET $8"))
        .bind(&search)
        .bind(&filter.is_admin)
        .bind(&filter.disabled)
        .bind(&filter.email_verified)
        .bind(group)
        .bind(filter.people_only)
        .bind(limit)
        .bind(offset)
        .fetch_all(connection)
        .await?;
    Ok(paging.page(rows, total))
}

/// How many enabled administrators there are besides this person, the static API key not counted.
pub async fn other_admins(executor: impl PgExecutor<'_>, id: UserId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM users WHERE is_admin AND NOT disabled AND NOT is_static AND user_id <> $1")
        .bind(id.0)
        .fetch_one(executor)
        .await
}

/// Those of these people who are registered.
pub async fn existing(executor: impl PgExecutor<'_>, ids: &[UserId]) -> Result<Vec<UserId>, sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT user_id FROM users WHERE user_id = ANY($1) ORDER BY user_id")
        .bind(ids)
        .fetch_all(executor)
        .await?;
    Ok(ids.into_iter().map(UserId).collect())
}

/// Everybody who is registered, the static API key not counted.
pub async fn ids(executor: impl PgExecutor<'_>) -> Result<Vec<UserId>, sqlx::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT user_id FROM users WHERE NOT is_static ORDER BY user_id")
        .fetch_all(executor)
        .await?;
    Ok(ids.into_iter().map(UserId).collect())
}

/// Whether anybody has ever been set up.
pub async fn any(executor: impl PgExecutor<'_>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM claims WHERE kind = 'first_admin')").fetch_one(executor).await
}

/// The keys of custom claims in use, of people and groups, the most used first.
pub async fn claim_keys(executor: impl PgExecutor<'_>) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT claim->>'key' FROM (SELECT claims FROM users UNION ALL SELECT claims FROM groups) AS holders,
                jsonb_array_elements(claims) AS claim
         GROUP BY 1 ORDER BY count(*) DESC, 1",
    )
    .fetch_all(executor)
    .await
}
