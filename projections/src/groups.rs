//! Groups and who is in them.

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables};
use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::group::GroupEvent;
use chancery_domain::ids::{GroupId, UserId};
use chancery_domain::{Event, Recorded};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::page::{Page, Paging, like};

/// The view `groups`.
pub struct Groups;

impl Projection for Groups {
    fn name(&self) -> &'static str {
        "groups"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            for recorded in events {
                if let Event::Group(event) = &recorded.event {
                    apply(tables.connection, recorded, event).await?;
                }
            }
            Ok(())
        })
    }
}

async fn apply(connection: &mut PgConnection, recorded: &Recorded, event: &GroupEvent) -> Result<(), ProjectionError> {
    let id = crate::uuid(recorded)?;
    let query = match event {
        GroupEvent::Created { names } => sqlx::query(
            "INSERT INTO groups (group_id, name, friendly_name, claims, created_at) VALUES ($1, $2, $3, '[]', $4)",
        )
        .bind(id)
        .bind(&names.name)
        .bind(&names.friendly_name)
        .bind(recorded.recorded_at),
        GroupEvent::Changed { after, .. } => {
            sqlx::query("UPDATE groups SET name = $2, friendly_name = $3 WHERE group_id = $1")
                .bind(id)
                .bind(&after.name)
                .bind(&after.friendly_name)
        }
        GroupEvent::ClaimsSet { after, .. } => {
            sqlx::query("UPDATE groups SET claims = $2 WHERE group_id = $1").bind(id).bind(Json(after))
        }
        GroupEvent::Deleted => sqlx::query("DELETE FROM groups WHERE group_id = $1").bind(id),
    };
    query.execute(connection).await?;
    Ok(())
}

/// A group, as the view has it.
#[derive(Clone, Debug, FromRow)]
pub struct GroupRow {
    pub group_id: Uuid,
    pub name: String,
    pub friendly_name: String,
    pub claims: Json<Vec<CustomClaim>>,
    pub created_at: OffsetDateTime,
    pub user_count: i64,
}

impl GroupRow {
    pub fn id(&self) -> GroupId {
        GroupId(self.group_id)
    }
}

const COLUMNS: &str = "groups.*, (SELECT count(*) FROM memberships m WHERE m.group_id = groups.group_id) AS user_count";

/// # Errors
/// Those of the database, here and below.
pub async fn find(executor: impl PgExecutor<'_>, id: GroupId) -> Result<Option<GroupRow>, sqlx::Error> {
    sqlx::query_as(&format!("SELECT {COLUMNS} FROM groups WHERE group_id = $1"))
        .bind(id.0)
        .fetch_optional(executor)
        .await
}

/// Of these groups, those that exist.
pub async fn existing(executor: impl PgExecutor<'_>, ids: &[GroupId]) -> Result<Vec<GroupId>, sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let found: Vec<Uuid> = sqlx::query_scalar("SELECT group_id FROM groups WHERE group_id = ANY($1) ORDER BY group_id")
        .bind(ids)
        .fetch_all(executor)
        .await?;
    Ok(found.into_iter().map(GroupId).collect())
}

/// The groups of a person, by name.
pub async fn of_user(executor: impl PgExecutor<'_>, user: UserId) -> Result<Vec<GroupRow>, sqlx::Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM groups JOIN memberships USING (group_id) WHERE user_id = $1 ORDER BY name");
    sqlx::query_as(&sql).bind(user.0).fetch_all(executor).await
}

/// All groups, by name.
pub async fn all(executor: impl PgExecutor<'_>) -> Result<Vec<GroupRow>, sqlx::Error> {
    sqlx::query_as(&format!("SELECT {COLUMNS} FROM groups ORDER BY name")).fetch_all(executor).await
}

pub async fn list(
    connection: &mut PgConnection,
    search: Option<&str>,
    paging: &Paging,
) -> Result<Page<GroupRow>, sqlx::Error> {
    const MATCHES: &str = "($1::text IS NULL OR name ILIKE '%' || $1 || '%' OR friendly_name ILIKE '%' || $1 || '%')";
    let search = search.map(like);
    let total: i64 = sqlx::query_scalar(&format!("SELECT count(*) FROM groups WHERE {MATCHES}"))
        .bind(&search)
        .fetch_one(&mut *connection)
        .await?;
    let columns =
        [("createdAt", "created_at"), ("friendlyName", "friendly_name"), ("name", "name"), ("userCount", "user_count")];
    let order = paging.order(&columns, "created_at, group_id");
    let (limit, offset) = paging.window(total);
    let sql = format!("SELECT {COLUMNS} FROM groups WHERE {MATCHES} ORDER BY {order} LIMIT $2 OFFSET $3");
    let rows = sqlx::query_as(&sql).bind(&search).bind(limit).bind(offset).fetch_all(connection).await?;
    Ok(paging.page(rows, total))
}

/// Who is in a group.
pub async fn members(executor: impl PgExecutor<'_>, id: GroupId) -> Result<Vec<UserId>, sqlx::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT user_id FROM memberships WHERE group_id = $1 ORDER BY user_id")
        .bind(id.0)
        .fetch_all(executor)
        .await?;
    Ok(ids.into_iter().map(UserId).collect())
}
