//! What people allowed apps.

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables, Together};
use chancery_domain::client::ClientEvent;
use chancery_domain::consent::ConsentEvent;
use chancery_domain::grant::{Authorization, GrantEvent};
use chancery_domain::ids::{ClientId, UserId};
use chancery_domain::user::UserEvent;
use chancery_domain::{Event, Recorded};
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::clients::{ClientRow, LAUNCHABLE};
use crate::page::{Page, Paging};

/// The view `consents`.
pub struct Consents;

impl Projection for Consents {
    fn name(&self) -> &'static str {
        "consents"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            let mut used = Vec::new();
            for recorded in events {
                match &recorded.event {
                    Event::Grant(GrantEvent::Authorized(authorization)) => {
                        used.push((authorization.as_ref(), recorded.recorded_at));
                    }
                    Event::Consent(_) | Event::Client(_) | Event::User(_) => {
                        note_use(&mut tables.together, &std::mem::take(&mut used));
                        tables.send().await?;
                        apply(tables.connection, recorded).await?;
                    }
                    _ => {}
                }
            }
            note_use(&mut tables.together, &used);
            Ok(())
        })
    }
}

/// The uses of a batch in one statement.
fn note_use(together: &mut Together, used: &[(&Authorization, OffsetDateTime)]) {
    if used.is_empty() {
        return;
    }
    let statement = together.write(
        "UPDATE consents SET last_used_at = n.at
         FROM (SELECT user_id, client_id, max(at) AS at FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])
               AS u(user_id, client_id, at) GROUP BY user_id, client_id) AS n
         WHERE consents.user_id = n.user_id AND consents.client_id = n.client_id",
    );
    statement
        .bind(used.iter().map(|(authorization, _)| authorization.user_id.0).collect::<Vec<_>>())
        .bind(used.iter().map(|(authorization, _)| authorization.client_id.as_str()).collect::<Vec<_>>())
        .bind(used.iter().map(|(_, at)| *at).collect::<Vec<_>>());
}

async fn apply(connection: &mut PgConnection, recorded: &Recorded) -> Result<(), ProjectionError> {
    let query = match &recorded.event {
        Event::Consent(
            ConsentEvent::Given { user_id, client_id, scopes } | ConsentEvent::Widened { user_id, client_id, scopes, .. },
        ) => sqlx::query(
            "INSERT INTO consents (user_id, client_id, scopes, given_at, last_used_at) VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (user_id, client_id) DO UPDATE SET scopes = excluded.scopes, last_used_at = excluded.last_used_at",
        )
        .bind(user_id.0)
        .bind(client_id.as_str())
        .bind(scopes.to_vec())
        .bind(recorded.recorded_at),
        Event::Consent(ConsentEvent::Withdrawn { user_id, client_id }) => {
            sqlx::query("DELETE FROM consents WHERE user_id = $1 AND client_id = $2")
                .bind(user_id.0)
                .bind(client_id.as_str())
        }
        Event::Client(ClientEvent::Deleted) => {
            sqlx::query("DELETE FROM consents WHERE client_id = $1").bind(&recorded.aggregate_id)
        }
        Event::User(UserEvent::Erased) => {
            sqlx::query("DELETE FROM consents WHERE user_id = $1").bind(crate::uuid(recorded)?)
        }
        _ => return Ok(()),
    };
    query.execute(connection).await?;
    Ok(())
}

/// A consent, with the app's name.
#[derive(Clone, Debug, FromRow)]
pub struct ConsentRow {
    pub client_id: String,
    pub name: String,
    pub scopes: Vec<String>,
    pub given_at: OffsetDateTime,
    pub last_used_at: OffsetDateTime,
}

/// A person's consents, the most recently used first.
///
/// # Errors
/// Those of the database, here and below.
pub async fn of_user(executor: impl PgExecutor<'_>, user: UserId) -> Result<Vec<ConsentRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT client_id, name, scopes, given_at, last_used_at FROM consents JOIN clients USING (client_id)
         WHERE user_id = $1 ORDER BY last_used_at DESC, client_id",
    )
    .bind(user.0)
    .fetch_all(executor)
    .await
}

/// An app that a person allowed something.
#[derive(Clone, Debug, FromRow)]
pub struct AuthorizedClient {
    #[sqlx(flatten)]
    pub client: ClientRow,
    pub scopes: Vec<String>,
    pub last_used_at: OffsetDateTime,
}

/// A page of a person's consents, the most recently used first where no other order is asked for; `launchable` keeps
/// those of apps with a launch URL, without one, or (empty) all.
pub async fn list_of_user(
    connection: &mut PgConnection,
    user: UserId,
    launchable: &[bool],
    paging: &Paging,
) -> Result<Page<AuthorizedClient>, sqlx::Error> {
    let these = format!("FROM consents k JOIN clients c USING (client_id) WHERE k.user_id = $1 AND {LAUNCHABLE}");
    let total: i64 = sqlx::query_scalar(&format!("SELECT count(*) {these}"))
        .bind(user.0)
        .bind(launchable)
        .fetch_one(&mut *connection)
        .await?;
    let order = paging.order(&[("lastUsedAt", "k.last_used_at")], "k.last_used_at DESC, client_id");
    let (limit, offset) = paging.window(total);
    let sql = format!(
        "SELECT client_id, c.settings, c.disabled, c.created_at, k.scopes, k.last_used_at {these}
         ORDER BY {order} LIMIT $3 OFFSET $4"
    );
    let rows =
        sqlx::query_as(&sql).bind(user.0).bind(launchable).bind(limit).bind(offset).fetch_all(connection).await?;
    Ok(paging.page(rows, total))
}

/// The people who consented to an app.
pub async fn people_of(executor: impl PgExecutor<'_>, client: &ClientId) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar("SELECT user_id FROM consents WHERE client_id = $1 ORDER BY user_id")
        .bind(client.as_str())
        .fetch_all(executor)
        .await
}
