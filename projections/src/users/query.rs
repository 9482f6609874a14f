//! Reading people.

use std::collections::HashMap;

use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::digest::Digest;
use chancery_domain::ids::{GroupId, UserId};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::page::{Page, Paging, like, narrow};

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
pub(super) const USER: &str = "users.*, (SELECT p.digest FROM pictures p WHERE p.user_id = users.user_id) AS picture";

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

/// What people are called, by id; the erased are left out.
pub async fn usernames(executor: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, sqlx::Error> {
    let named: Vec<(Uuid, String)> = sqlx::query_as("SELECT user_id, username FROM users WHERE user_id = ANY($1)")
        .bind(ids)
        .fetch_all(executor)
        .await?;
    Ok(named.into_iter().collect())
}

/// By username or e-mail address, whatever the case. Nobody where that names two: people choose their own username, and it
/// may be the address of somebody else.
pub async fn find_by_name(executor: impl PgExecutor<'_>, name: &str) -> Result<Option<User>, sqlx::Error> {
    let found =
        format!("SELECT {USER} FROM users WHERE lower(username) = lower($1) OR lower(email) = lower($1) LIMIT 2");
    let mut found: Vec<User> = sqlx::query_as(&found).bind(name).fetch_all(executor).await?;
    Ok(found.pop().filter(|_| found.is_empty()))
}

/// The people who match.
fn select(columns: &str, filter: &UserFilter) -> QueryBuilder<'static, Postgres> {
    let mut query = QueryBuilder::new(format!("SELECT {columns} FROM users WHERE true"));
    if let Some(search) = filter.search.as_deref().map(like) {
        query.push(" AND concat_ws(' ', username, email, first_name, last_name, display_name) ILIKE '%' || ");
        query.push_bind(search).push(" || '%'");
    }
    narrow(&mut query, "is_admin", &filter.is_admin);
    narrow(&mut query, "disabled", &filter.disabled);
    narrow(&mut query, "email_verified", &filter.email_verified);
    if let Some(group) = filter.group {
        query.push(" AND EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = users.user_id AND m.group_id = ");
        query.push_bind(group.0).push(")");
    }
    if filter.people_only {
        query.push(" AND NOT is_static");
    }
    query
}

pub async fn list(
    connection: &mut PgConnection,
    filter: &UserFilter,
    paging: &Paging,
) -> Result<Page<User>, sqlx::Error> {
    let total = select("count(*)", filter).build_query_scalar().fetch_one(&mut *connection).await?;
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
    let mut query = select(USER, filter);
    query.push(format!(" ORDER BY {order} LIMIT ")).push_bind(limit).push(" OFFSET ").push_bind(offset);
    let rows = query.build_query_as().fetch_all(connection).await?;
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
