//! Passkeys by credential: what a sign-in ceremony is verified against, and what the account page shows.

use std::collections::HashMap;

use chancery_adapters::batched::Statement;
use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables, Together};
use chancery_domain::ids::{PasskeyId, UserId};
use chancery_domain::session::{PasskeyProof, SessionEvent};
use chancery_domain::user::{Passkey, UserEvent};
use chancery_domain::{Event, Recorded};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::sessions::Whence;

/// The view `passkeys`.
pub struct Passkeys;

impl Projection for Passkeys {
    fn name(&self) -> &'static str {
        "passkeys"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            let mut used = Vec::new();
            for recorded in events {
                match &recorded.event {
                    Event::Session(
                        SessionEvent::Started { proof, authenticated_at, .. }
                        | SessionEvent::SteppedUp { proof, authenticated_at, .. },
                    ) => used.push((recorded, proof, *authenticated_at)),
                    Event::User(event) => {
                        note_use(&mut tables.together, &std::mem::take(&mut used));
                        tables.send().await?;
                        apply(tables.connection, recorded, event).await?;
                    }
                    _ => {}
                }
            }
            note_use(&mut tables.together, &used);
            Ok(())
        })
    }
}

/// The uses of a batch in one statement; of several by one passkey the last counts, and the counter never falls.
fn note_use(together: &mut Together, used: &[(&Recorded, &PasskeyProof, OffsetDateTime)]) {
    if used.is_empty() {
        return;
    }
    let whence: Vec<Whence> = used.iter().map(|(recorded, ..)| Whence::of(recorded)).collect();
    let statement = together.write(
        "UPDATE passkeys SET counter = greatest(passkeys.counter, n.counter), backed_up = n.backed_up,
                             last_used_at = n.at, last_used_country = n.country, last_used_city = n.city,
                             last_used_agent = n.agent
         FROM (
             SELECT DISTINCT ON (id) id, backed_up, at, country, city, agent,
                    max(counter) OVER (PARTITION BY id) AS counter
             FROM unnest($1::uuid[], $2::bigint[], $3::bool[], $4::timestamptz[], $5::text[], $6::text[], $7::text[])
                  WITH ORDINALITY AS u(id, counter, backed_up, at, country, city, agent, nth)
             ORDER BY id, nth DESC
         ) AS n
         WHERE passkeys.passkey_id = n.id",
    );
    statement
        .bind(used.iter().map(|(_, proof, _)| proof.passkey_id.0).collect::<Vec<_>>())
        .bind(used.iter().map(|(_, proof, _)| i64::from(proof.counter)).collect::<Vec<_>>())
        .bind(used.iter().map(|(_, proof, _)| proof.backed_up).collect::<Vec<_>>())
        .bind(used.iter().map(|(.., at)| *at).collect::<Vec<_>>())
        .bind(whence.iter().map(|whence| whence.country.clone()).collect::<Vec<_>>())
        .bind(whence.iter().map(|whence| whence.city.clone()).collect::<Vec<_>>())
        .bind(whence.iter().map(|whence| whence.user_agent.clone()).collect::<Vec<_>>());
}

async fn apply(connection: &mut PgConnection, recorded: &Recorded, event: &UserEvent) -> Result<(), ProjectionError> {
    let query = match event {
        UserEvent::PasskeyEnrolled { passkey, name, .. } => {
            // Erased people have no passkeys in any view.
            let Some(name) = name.known() else { return Ok(()) };
            return insert(connection, crate::uuid(recorded)?, passkey, name).await;
        }
        UserEvent::PasskeyRenamed { passkey_id, name } => {
            let Some(name) = name.known() else { return Ok(()) };
            sqlx::query("UPDATE passkeys SET name = $2 WHERE passkey_id = $1").bind(passkey_id.0).bind(&name.after)
        }
        UserEvent::PasskeySuspended { passkey_id, .. } => {
            sqlx::query("UPDATE passkeys SET suspended = true WHERE passkey_id = $1").bind(passkey_id.0)
        }
        UserEvent::PasskeyRestored { passkey_id, counter } => {
            sqlx::query("UPDATE passkeys SET suspended = false, counter = $2 WHERE passkey_id = $1")
                .bind(passkey_id.0)
                .bind(i64::from(*counter))
        }
        UserEvent::PasskeyRemoved { passkey_id, .. } => {
            sqlx::query("DELETE FROM passkeys WHERE passkey_id = $1").bind(passkey_id.0)
        }
        UserEvent::Erased => sqlx::query("DELETE FROM passkeys WHERE user_id = $1").bind(crate::uuid(recorded)?),
        _ => return Ok(()),
    };
    query.execute(connection).await?;
    Ok(())
}

async fn insert(
    connection: &mut PgConnection,
    user: Uuid,
    passkey: &Passkey,
    name: &str,
) -> Result<(), ProjectionError> {
    sqlx::query(
        "INSERT INTO passkeys (passkey_id, user_id, credential_id, user_handle, authenticator_data, name, aaguid,
                               transports, attachment, counter, backup_eligible, backed_up, suspended, enrolled_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, false, $13)",
    )
    .bind(passkey.passkey_id.0)
    .bind(user)
    .bind(&passkey.credential_id)
    .bind(&passkey.user_handle)
    .bind(&passkey.authenticator_data)
    .bind(name)
    .bind(passkey.aaguid)
    .bind(&passkey.transports)
    .bind(&passkey.attachment)
    .bind(i64::from(passkey.counter))
    .bind(passkey.backup_eligible)
    .bind(passkey.backed_up)
    .bind(passkey.enrolled_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// A passkey, as the view has it.
#[derive(Clone, Debug, FromRow)]
pub struct PasskeyRow {
    pub passkey_id: Uuid,
    pub user_id: Uuid,
    pub credential_id: String,
    pub user_handle: String,
    pub authenticator_data: String,
    pub name: String,
    pub aaguid: Uuid,
    pub transports: Vec<String>,
    pub attachment: Option<String>,
    pub counter: i64,
    pub backup_eligible: bool,
    pub backed_up: bool,
    pub suspended: bool,
    pub enrolled_at: OffsetDateTime,
    pub last_used_at: Option<OffsetDateTime>,
    pub last_used_country: Option<String>,
    pub last_used_city: Option<String>,
    pub last_used_agent: Option<String>,
}

impl PasskeyRow {
    pub fn id(&self) -> PasskeyId {
        PasskeyId(self.passkey_id)
    }

    pub fn user(&self) -> UserId {
        UserId(self.user_id)
    }
}

/// Finds passkeys by the credential ids that are presented.
pub struct ByCredential(pub PgPool);

impl Statement for ByCredential {
    type Question = String;
    type Answer = Option<PasskeyRow>;

    async fn run(&self, credential_ids: &[String]) -> Result<Vec<Option<PasskeyRow>>, sqlx::Error> {
        let rows: Vec<PasskeyRow> = sqlx::query_as("SELECT * FROM passkeys WHERE credential_id = ANY($1)")
            .bind(credential_ids)
            .fetch_all(&self.0)
            .await?;
        let found: HashMap<&str, &PasskeyRow> = rows.iter().map(|row| (row.credential_id.as_str(), row)).collect();
        Ok(credential_ids.iter().map(|id| found.get(id.as_str()).map(|row| (*row).clone())).collect())
    }
}

/// A person's passkeys, the oldest first, suspended ones included.
///
/// # Errors
/// Those of the database, here and below.
pub async fn of_user(executor: impl PgExecutor<'_>, user: UserId) -> Result<Vec<PasskeyRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM passkeys WHERE user_id = $1 ORDER BY enrolled_at, passkey_id")
        .bind(user.0)
        .fetch_all(executor)
        .await
}

/// The credential ids of all passkeys that these people ever had, in base64url: the view forgets the removed ones, the
/// log does not. Of erased people none.
pub async fn credential_ids(
    executor: impl PgExecutor<'_>,
    users: &[Uuid],
) -> Result<HashMap<PasskeyId, String>, sqlx::Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT payload #>> '{user.passkey_enrolled,passkey,passkey_id}',
                payload #>> '{user.passkey_enrolled,passkey,credential_id}'
         FROM events
         WHERE aggregate_type = 'user' AND event_type = 'user.passkey_enrolled'
           AND aggregate_id IN (SELECT user_id::text FROM users WHERE user_id = ANY($1))",
    )
    .bind(users)
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().filter_map(|(id, credential_id)| Some((id.parse().ok()?, credential_id))).collect())
}
