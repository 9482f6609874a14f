//! API keys by digest.

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables};
use chancery_domain::api_key::ApiKeyEvent;
use chancery_domain::digest::Digest;
use chancery_domain::ids::{ApiKeyId, UserId};
use chancery_domain::user::UserEvent;
use chancery_domain::{Event, Recorded};
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::page::{Page, Paging};

/// The view `api_keys`.
pub struct ApiKeys;

impl Projection for ApiKeys {
    fn name(&self) -> &'static str {
        "api_keys"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            for recorded in events {
                match &recorded.event {
                    Event::ApiKey(event) => apply(tables.connection, recorded, event).await?,
                    Event::User(UserEvent::Erased) => {
                        sqlx::query("DELETE FROM api_keys WHERE user_id = $1")
                            .bind(crate::uuid(recorded)?)
                            .execute(&mut *tables.connection)
                            .await?;
                    }
                    _ => {}
                }
            }
            Ok(())
        })
    }
}

async fn apply(connection: &mut PgConnection, recorded: &Recorded, event: &ApiKeyEvent) -> Result<(), ProjectionError> {
    let id = crate::uuid(recorded)?;
    let query = match event {
        ApiKeyEvent::Created { user_id, name, description, digest, expires_at } => sqlx::query(
            "INSERT INTO api_keys (api_key_id, user_id, name, description, digest, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id)
        .bind(user_id.0)
        .bind(name)
        .bind(description)
        .bind(digest.as_bytes())
        .bind(recorded.recorded_at)
        .bind(expires_at),
        ApiKeyEvent::Renewed { digest, expires_at } => {
            sqlx::query("UPDATE api_keys SET digest = $2, expires_at = $3 WHERE api_key_id = $1")
                .bind(id)
                .bind(digest.as_bytes())
                .bind(expires_at)
        }
        ApiKeyEvent::Revoked => sqlx::query("DELETE FROM api_keys WHERE api_key_id = $1").bind(id),
    };
    query.execute(connection).await?;
    Ok(())
}

/// An API key, as the view has it.
#[derive(Clone, Debug, FromRow)]
pub struct ApiKeyRow {
    pub api_key_id: Uuid,
    pub user_id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

impl ApiKeyRow {
    pub fn id(&self) -> ApiKeyId {
        ApiKeyId(self.api_key_id)
    }

    pub fn user(&self) -> UserId {
        UserId(self.user_id)
    }
}

/// # Errors
/// Those of the database, here and below.
pub async fn by_digest(executor: impl PgExecutor<'_>, digest: Digest) -> Result<Option<ApiKeyRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM api_keys WHERE digest = $1").bind(digest.as_bytes()).fetch_optional(executor).await
}

pub async fn find(executor: impl PgExecutor<'_>, id: ApiKeyId) -> Result<Option<ApiKeyRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM api_keys WHERE api_key_id = $1").bind(id.0).fetch_optional(executor).await
}

/// All keys of a person.
pub async fn ids_of_user(executor: impl PgExecutor<'_>, user: UserId) -> Result<Vec<ApiKeyId>, sqlx::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT api_key_id FROM api_keys WHERE user_id = $1 ORDER BY api_key_id")
        .bind(user.0)
        .fetch_all(executor)
        .await?;
    Ok(ids.into_iter().map(ApiKeyId).collect())
}

/// `uses`: when keys were last used, for lists by that; the view does not know.
pub async fn of_user(
    connection: &mut PgConnection,
    user: UserId,
    uses: &[(ApiKeyId, OffsetDateTime)],
    paging: &Paging,
) -> Result<Page<ApiKeyRow>, sqlx::Error> {
    let total: i64 = sqlx::query_scalar("SELECT count(*) FROM api_keys WHERE user_id = $1")
        .bind(user.0)
        .fetch_one(&mut *connection)
        .await?;
    let columns =
        [("createdAt", "created_at"), ("name", "name"), ("expiresAt", "expires_at"), ("lastUsedAt", "used.at")];
    let order = paging.order(&columns, "created_at, api_key_id");
    let (limit, offset) = paging.window(total);
    let (used, at): (Vec<Uuid>, Vec<OffsetDateTime>) = uses.iter().map(|(id, at)| (id.0, *at)).unzip();
    let rows = sqlx::query_as(&format!(
        "SELECT api_keys.* FROM api_keys
         LEFT JOIN unnest($4::uuid[], $5::timestamptz[]) AS used (id, at) ON used.id = api_key_id
         WHERE user_id = $1 ORDER BY {order} LIMIT $2 OFFSET $3"
    ))
    .bind(user.0)
    .bind(limit)
    .bind(offset)
    .bind(used)
    .bind(at)
    .fetch_all(connection)
    .await?;
    Ok(paging.page(rows, total))
}
