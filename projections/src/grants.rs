//! Authorization grants that may still be used, and what ends them together.

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables, Together};
use chancery_domain::client::ClientEvent;
use chancery_domain::consent::ConsentEvent;
use chancery_domain::grant::GrantEvent;
use chancery_domain::ids::{GrantId, SessionId};
use chancery_domain::user::UserEvent;
use chancery_domain::{Event, Recorded};
use serde::Deserialize;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

/// The views `grants`, `revoked_tokens` and `grant_cutoffs`.
///
/// One event on a person, a consent or an app ends all grants that rest on it: it is kept as a cut-off, and a grant counts
/// if its position is beyond. Nothing revives a grant.
pub struct Grants;

impl Projection for Grants {
    fn name(&self) -> &'static str {
        "grants"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            let mut new = New::default();
            for recorded in events {
                match &recorded.event {
                    Event::Grant(GrantEvent::Authorized(_) | GrantEvent::ClientTokensIssued { .. }) => {
                        new.ids.push(crate::uuid(recorded)?);
                        new.positions.push(recorded.position);
                    }
                    Event::Grant(event) => revoke(tables, recorded, event, &mut new).await?,
                    event => {
                        if let Some(except) = cuts_off(event) {
                            cut_off(tables.connection, recorded, except).await?;
                        }
                    }
                }
            }
            new.insert(&mut tables.together);
            Ok(())
        })
    }
}

/// The new grants of a batch, written in one statement.
#[derive(Default)]
struct New {
    ids: Vec<Uuid>,
    positions: Vec<i64>,
}

impl New {
    fn insert(&mut self, together: &mut Together) {
        if self.ids.is_empty() {
            return;
        }
        let statement = together.write(
            "INSERT INTO grants (grant_id, position, revoked)
             SELECT id, position, false FROM unnest($1::uuid[], $2::bigint[]) AS n(id, position)",
        );
        statement.bind(std::mem::take(&mut self.ids)).bind(std::mem::take(&mut self.positions));
    }
}

async fn revoke(
    tables: &mut Tables<'_>,
    recorded: &Recorded,
    event: &GrantEvent,
    new: &mut New,
) -> Result<(), ProjectionError> {
    let id = crate::uuid(recorded)?;
    let query = match event {
        // What has expired goes with the next that comes, by the times in the events: a replay does the same. The day
        // between covers clocks that differ.
        GrantEvent::TokenRevoked { jti, expires_at, at } => sqlx::query(
            "WITH pruned AS (DELETE FROM revoked_tokens WHERE expires_at < $4 - interval '1 day')
             INSERT INTO revoked_tokens (jti, grant_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(jti)
        .bind(id)
        .bind(expires_at)
        .bind(at),
        GrantEvent::Revoked { .. } | GrantEvent::PkceFailed => {
            // It may be new in this batch.
            new.insert(&mut tables.together);
            tables.send().await?;
            sqlx::query("UPDATE grants SET revoked = true WHERE grant_id = $1").bind(id)
        }
        GrantEvent::Authorized(_)
        | GrantEvent::ClientTokensIssued { .. }
        | GrantEvent::TokensIssued { .. }
        | GrantEvent::Refreshed { .. }
        | GrantEvent::CodeReplayed
        | GrantEvent::RefreshReuseDetected { .. } => return Ok(()),
    };
    query.execute(&mut *tables.connection).await?;
    Ok(())
}

/// Whether an event ends all grants that rest on its stream, and which session's go on.
fn cuts_off(event: &Event) -> Option<Option<SessionId>> {
    match event {
        Event::User(UserEvent::SignedOutEverywhere { except }) => Some(*except),
        // A node that had not heard of it yet may have authorized after the event that disabled: enabling ends that, too.
        Event::User(UserEvent::Disabled | UserEvent::Enabled | UserEvent::Erased)
        | Event::Consent(ConsentEvent::Withdrawn { .. })
        | Event::Client(ClientEvent::Deleted | ClientEvent::Disabled | ClientEvent::Enabled) => Some(None),
        _ => None,
    }
}

async fn cut_off(
    connection: &mut PgConnection,
    recorded: &Recorded,
    except: Option<SessionId>,
) -> Result<(), ProjectionError> {
    sqlx::query(
        "INSERT INTO grant_cutoffs (aggregate_type, aggregate_id, position, except_session) VALUES ($1, $2, $3, $4)
         ON CONFLICT (aggregate_type, aggregate_id)
         DO UPDATE SET position = excluded.position, except_session = excluded.except_session",
    )
    .bind(recorded.event.aggregate_type())
    .bind(&recorded.aggregate_id)
    .bind(recorded.position)
    .bind(except.map(|session| session.0))
    .execute(connection)
    .await?;
    Ok(())
}

/// Up to where a person, a consent or an app ended the grants that rest on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Cutoff {
    pub position: i64,
    pub except_session: Option<SessionId>,
}

impl Cutoff {
    /// Whether it ended a grant. A session that was spared began after every earlier cut-off, or was spared by it too, so
    /// that only the last one needs to be known.
    pub fn ends(&self, grant: &GrantRow, session: Option<SessionId>) -> bool {
        grant.position <= self.position && (self.except_session.is_none() || self.except_session != session)
    }
}

/// A grant, as the view has it.
#[derive(Clone, Debug, FromRow)]
pub struct GrantRow {
    /// Of its first event.
    pub position: i64,
    pub revoked: bool,
    /// The `jti` of its access tokens that were revoked one by one.
    pub revoked_tokens: Vec<String>,
}

impl GrantRow {
    /// A grant that was made at this position, before anything else happened to it.
    pub(crate) fn new(position: i64) -> Self {
        Self { position, revoked: false, revoked_tokens: Vec::new() }
    }
}

/// # Errors
/// Those of the database.
pub async fn find(executor: impl PgExecutor<'_>, id: GrantId) -> Result<Option<GrantRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT position, revoked, ARRAY(SELECT jti FROM revoked_tokens r WHERE r.grant_id = $1) AS revoked_tokens
         FROM grants WHERE grant_id = $1",
    )
    .bind(id.0)
    .fetch_optional(executor)
    .await
}
