//! Lists of apps: all of them, and those that a person may use.

use chancery_domain::ids::UserId;
use sqlx::{FromRow, PgConnection, PgExecutor, Postgres, QueryBuilder};
use time::OffsetDateTime;

use super::{COLUMNS, ClientRow};
use crate::page::{Page, Paging, like, narrow};

/// What a list of apps may be asked for.
#[derive(Clone, Debug, Default)]
pub struct ClientFilter {
    pub search: Option<String>,
    pub is_public: Vec<bool>,
    pub pkce_enabled: Vec<bool>,
    pub requires_reauthentication: Vec<bool>,
    /// No app can be made to: those that are not are all.
    pub requires_pushed_authorization_requests: Vec<bool>,
    pub skip_consent: Vec<bool>,
    pub is_group_restricted: Vec<bool>,
    /// All are `standard`.
    pub client_type: Vec<String>,
}

/// PKCE is asked of a public client whatever its settings say.
const PKCE: &str = "((settings->>'pkce_required')::bool OR (settings->>'is_public')::bool)";

/// The apps that match.
fn select(columns: &str, filter: &ClientFilter) -> QueryBuilder<'static, Postgres> {
    let mut query = QueryBuilder::new(format!("SELECT {columns} FROM clients WHERE true"));
    if let Some(search) = filter.search.as_deref().map(like) {
        query.push(" AND (name ILIKE '%' || ").push_bind(search.clone()).push(" || '%'");
        query.push(" OR client_id ILIKE '%' || ").push_bind(search).push(" || '%')");
    }
    narrow(&mut query, &flag("is_public"), &filter.is_public);
    narrow(&mut query, PKCE, &filter.pkce_enabled);
    narrow(&mut query, &flag("requires_reauthentication"), &filter.requires_reauthentication);
    narrow(&mut query, "false", &filter.requires_pushed_authorization_requests);
    narrow(&mut query, &flag("skip_consent"), &filter.skip_consent);
    narrow(&mut query, &flag("is_group_restricted"), &filter.is_group_restricted);
    if !filter.client_type.is_empty() {
        query.push(" AND 'standard' = ANY(").push_bind(filter.client_type.clone()).push(")");
    }
    query
}

fn flag(name: &str) -> String {
    format!("(settings->>'{name}')::bool")
}

/// # Errors
/// Those of the database, here and below.
pub async fn list(
    connection: &mut PgConnection,
    filter: &ClientFilter,
    paging: &Paging,
) -> Result<Page<ClientRow>, sqlx::Error> {
    let total = select("count(*)", filter).build_query_scalar().fetch_one(&mut *connection).await?;
    let columns = [
        ("createdAt", "created_at"),
        ("name", "name"),
        ("pkceEnabled", PKCE),
        ("requiresReauthentication", "settings->'requires_reauthentication'"),
        ("skipConsent", "settings->'skip_consent'"),
        ("isGroupRestricted", "settings->'is_group_restricted'"),
        ("allowedUserGroupsCount", "(SELECT count(*) FROM client_groups g WHERE g.client_id = clients.client_id)"),
    ];
    let order = paging.order(&columns, "created_at, client_id");
    let (limit, offset) = paging.window(total);
    let mut query = select(COLUMNS, filter);
    query.push(format!(" ORDER BY {order} LIMIT ")).push_bind(limit).push(" OFFSET ").push_bind(offset);
    let rows = query.build_query_as().fetch_all(connection).await?;
    Ok(paging.page(rows, total))
}

/// Holds for the apps `c` that the person $1 may use.
const USABLE: &str = "NOT c.disabled AND (NOT (c.settings->>'is_group_restricted')::bool OR EXISTS (
    SELECT 1 FROM client_groups g JOIN memberships m USING (group_id)
    WHERE g.client_id = c.client_id AND m.user_id = $1))";

/// Holds for the apps `c` with a launch URL or without one, as $2 lists; empty, for all.
pub(crate) const LAUNCHABLE: &str =
    "(cardinality($2::bool[]) = 0 OR (c.settings->>'launch_url' IS NOT NULL) = ANY($2))";

/// The apps that a person may use.
pub async fn usable_by(executor: impl PgExecutor<'_>, user: UserId) -> Result<Vec<ClientRow>, sqlx::Error> {
    sqlx::query_as(&format!("SELECT {COLUMNS} FROM clients c WHERE {USABLE} ORDER BY name"))
        .bind(user.0)
        .fetch_all(executor)
        .await
}

/// An app that a person may use, and when they last did; never, where no consent was asked for.
#[derive(Clone, Debug, FromRow)]
pub struct UsableClient {
    #[sqlx(flatten)]
    pub client: ClientRow,
    pub last_used_at: Option<OffsetDateTime>,
}

/// A page of the apps that a person may use, by name where no other order is asked for; `launchable` keeps those with a
/// launch URL, without one, or (empty) all.
pub async fn list_usable_by(
    connection: &mut PgConnection,
    user: UserId,
    launchable: &[bool],
    paging: &Paging,
) -> Result<Page<UsableClient>, sqlx::Error> {
    let total: i64 = sqlx::query_scalar(&format!("SELECT count(*) FROM clients c WHERE {USABLE} AND {LAUNCHABLE}"))
        .bind(user.0)
        .bind(launchable)
        .fetch_one(&mut *connection)
        .await?;
    let columns = [("name", "c.name"), ("lastUsedAt", "k.last_used_at"), ("createdAt", "c.created_at")];
    let order = paging.order(&columns, "c.name, c.client_id");
    let (limit, offset) = paging.window(total);
    let sql = format!(
        "SELECT c.client_id, c.settings, c.disabled, c.created_at, k.last_used_at
         FROM clients c LEFT JOIN consents k ON k.client_id = c.client_id AND k.user_id = $1
         WHERE {USABLE} AND {LAUNCHABLE} ORDER BY {order} LIMIT $3 OFFSET $4"
    );
    let rows =
        sqlx::query_as(&sql).bind(user.0).bind(launchable).bind(limit).bind(offset).fetch_all(connection).await?;
    Ok(paging.page(rows, total))
}
