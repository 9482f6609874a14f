//! Apps (relying parties), their secrets and the groups that may use them.

mod list;

use std::collections::HashMap;

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables};
use chancery_domain::client::{ClientEvent, ClientSettings};
use chancery_domain::digest::Digest;
use chancery_domain::group::GroupEvent;
use chancery_domain::ids::{ClientId, GroupId};
use chancery_domain::{Event, Recorded};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor, Row};
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use self::list::LAUNCHABLE;
pub use self::list::{ClientFilter, UsableClient, list, list_usable_by, usable_by};
use crate::grants::Cutoff;

/// The views `clients`, `client_secrets` and `client_groups`.
pub struct Clients;

impl Projection for Clients {
    fn name(&self) -> &'static str {
        "clients"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            for recorded in events {
                match &recorded.event {
                    Event::Client(event) => apply(tables.connection, recorded, event).await?,
                    // A restricted app stays restricted when one of its groups goes.
                    Event::Group(GroupEvent::Deleted) => {
                        sqlx::query("DELETE FROM client_groups WHERE group_id = $1")
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

async fn apply(connection: &mut PgConnection, recorded: &Recorded, event: &ClientEvent) -> Result<(), ProjectionError> {
    let id = recorded.aggregate_id.as_str();
    let query = match event {
        ClientEvent::Registered { settings } => sqlx::query(
            "INSERT INTO clients (client_id, settings, name, disabled, created_at) VALUES ($1, $2, $3, false, $4)",
        )
        .bind(id)
        .bind(Json(settings))
        .bind(&settings.name)
        .bind(recorded.recorded_at),
        ClientEvent::Changed { after, .. } => {
            sqlx::query("UPDATE clients SET settings = $2, name = $3 WHERE client_id = $1")
                .bind(id)
                .bind(Json(after))
                .bind(&after.name)
        }
        ClientEvent::SecretAdded { secret_id, prefix, digest, expires_at } => sqlx::query(
            "INSERT INTO client_secrets (client_id, secret_id, prefix, digest, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(secret_id.0)
        .bind(prefix)
        .bind(digest.as_bytes())
        .bind(recorded.recorded_at)
        .bind(expires_at),
        ClientEvent::SecretRemoved { secret_id, .. } => {
            sqlx::query("DELETE FROM client_secrets WHERE client_id = $1 AND secret_id = $2").bind(id).bind(secret_id.0)
        }
        ClientEvent::AccessRestricted { after, .. } => {
            sqlx::query("DELETE FROM client_groups WHERE client_id = $1").bind(id).execute(&mut *connection).await?;
            sqlx::query("INSERT INTO client_groups (client_id, group_id) SELECT $1, unnest($2::uuid[])")
                .bind(id)
                .bind(after.iter().map(|group| group.0).collect::<Vec<_>>())
        }
        ClientEvent::Disabled => sqlx::query("UPDATE clients SET disabled = true WHERE client_id = $1").bind(id),
        ClientEvent::Enabled => sqlx::query("UPDATE clients SET disabled = false WHERE client_id = $1").bind(id),
        ClientEvent::Deleted => {
            for table in ["client_secrets", "client_groups"] {
                sqlx::query(&format!("DELETE FROM {table} WHERE client_id = $1"))
                    .bind(id)
                    .execute(&mut *connection)
                    .await?;
            }
            sqlx::query("DELETE FROM clients WHERE client_id = $1").bind(id)
        }
    };
    query.execute(connection).await?;
    Ok(())
}

/// An app, as the view has it.
#[derive(Clone, Debug, FromRow)]
pub struct ClientRow {
    pub client_id: String,
    pub settings: Json<ClientSettings>,
    pub disabled: bool,
    pub created_at: OffsetDateTime,
}

/// A secret of an app, without the secret.
#[derive(Clone, Debug, FromRow)]
pub struct SecretRow {
    pub secret_id: Uuid,
    pub prefix: String,
    pub created_at: OffsetDateTime,
    pub expires_at: Option<OffsetDateTime>,
}

impl SecretRow {
    pub fn active_at(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

const COLUMNS: &str = "client_id, settings, disabled, created_at";

/// # Errors
/// Those of the database, here and below.
pub async fn find(executor: impl PgExecutor<'_>, id: &ClientId) -> Result<Option<ClientRow>, sqlx::Error> {
    sqlx::query_as(&format!("SELECT {COLUMNS} FROM clients WHERE client_id = $1"))
        .bind(id.as_str())
        .fetch_optional(executor)
        .await
}

/// An app with what authentication and policy ask of it.
#[derive(Clone, Debug, FromRow)]
pub struct RememberedClient {
    #[sqlx(flatten)]
    pub row: ClientRow,
    secret_digests: Vec<Vec<u8>>,
    secret_expirations: Vec<Option<OffsetDateTime>>,
    /// The groups that may use it while it is restricted.
    pub allowed_groups: Vec<Uuid>,
    /// Up to where its grants were ended together.
    pub cutoff: Option<Json<Cutoff>>,
}

impl RememberedClient {
    /// Whether this is one of its secrets, and not expired. Every secret is compared, so that the time does not tell which
    /// one matched.
    pub fn has_secret(&self, presented: Digest, now: OffsetDateTime) -> bool {
        let secrets = self.secret_digests.iter().zip(&self.secret_expirations);
        let matching = secrets.filter(|(digest, expires_at)| {
            let genuine = digest.as_slice().try_into().is_ok_and(|digest| Digest::from_bytes(digest) == presented);
            genuine & expires_at.is_none_or(|at| now < at)
        });
        matching.count() > 0
    }
}

/// All that decisions ask about an app, in one statement, which looks everywhere even where there is no such app (attacks
/// TC-13).
pub async fn find_remembered(
    executor: impl PgExecutor<'_>,
    id: &ClientId,
) -> Result<Option<RememberedClient>, sqlx::Error> {
    let row = sqlx::query(&format!(
        "SELECT {COLUMNS},
                ARRAY(SELECT s.digest FROM client_secrets s WHERE s.client_id = asked.id ORDER BY s.secret_id)
                    AS secret_digests,
                ARRAY(SELECT s.expires_at FROM client_secrets s WHERE s.client_id = asked.id ORDER BY s.secret_id)
                    AS secret_expirations,
                ARRAY(SELECT g.group_id FROM client_groups g WHERE g.client_id = asked.id) AS allowed_groups,
                (SELECT jsonb_build_object('position', k.position, 'except_session', k.except_session) FROM grant_cutoffs k
                 WHERE k.aggregate_type = 'client' AND k.aggregate_id = asked.id) AS cutoff
         FROM (SELECT $1::text AS id) AS asked LEFT JOIN clients ON client_id = asked.id"
    ))
    .bind(id.as_str())
    .fetch_one(executor)
    .await?;
    match row.try_get::<Option<String>, _>("client_id")? {
        None => Ok(None),
        Some(_) => RememberedClient::from_row(&row).map(Some),
    }
}

/// The secrets of an app, the oldest first.
pub async fn secrets(executor: impl PgExecutor<'_>, id: &ClientId) -> Result<Vec<SecretRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT secret_id, prefix, created_at, expires_at FROM client_secrets WHERE client_id = $1
         ORDER BY created_at, secret_id",
    )
    .bind(id.as_str())
    .fetch_all(executor)
    .await
}

/// What apps are called, by id; the deleted are left out.
pub async fn names(executor: impl PgExecutor<'_>, ids: &[&str]) -> Result<HashMap<String, String>, sqlx::Error> {
    let named: Vec<(String, String)> = sqlx::query_as("SELECT client_id, name FROM clients WHERE client_id = ANY($1)")
        .bind(ids)
        .fetch_all(executor)
        .await?;
    Ok(named.into_iter().collect())
}

/// The groups that may use an app while it is restricted.
pub async fn allowed_groups(executor: impl PgExecutor<'_>, id: &ClientId) -> Result<Vec<GroupId>, sqlx::Error> {
    let ids: Vec<Uuid> =
        sqlx::query_scalar("SELECT group_id FROM client_groups WHERE client_id = $1 ORDER BY group_id")
            .bind(id.as_str())
            .fetch_all(executor)
            .await?;
    Ok(ids.into_iter().map(GroupId).collect())
}

/// The apps that a group may use.
pub async fn of_group(executor: impl PgExecutor<'_>, group: GroupId) -> Result<Vec<ClientRow>, sqlx::Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM clients JOIN client_groups USING (client_id) WHERE group_id = $1 ORDER BY name");
    sqlx::query_as(&sql).bind(group.0).fetch_all(executor).await
}
