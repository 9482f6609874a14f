//! Authorization grants that may still be used, and what ends them together.

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture};
use chancery_domain::client::ClientEvent;
use chancery_domain::consent::ConsentEvent;
use chancery_domain::grant::GrantEvent;
use chancery_domain::user::UserEvent;
use chancery_domain::{Event, Recorded};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// The views `grants` and `revoked_tokens`.
///
/// One event on a person, a consent or an app ends all grants that rest on it; nothing revives them.
pub struct Grants;

impl Projection for Grants {
    fn name(&self) -> &'static str {
        "grants"
    }

    fn apply<'a>(&'a self, connection: &'a mut PgConnection, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            let mut new = New::default();
            for recorded in events {
                if let Event::Grant(event @ (GrantEvent::Authorized(_) | GrantEvent::ClientTokensIssued { .. })) =
                    &recorded.event
                {
                    new.push(recorded, event)?;
                    continue;
                }
                if changes_grants(&recorded.event) {
                    std::mem::take(&mut new).insert(connection).await?;
                    change(connection, recorded).await?;
                }
            }
            new.insert(connection).await
        })
    }
}

/// The new grants of a batch, written in one statement.
#[derive(Default)]
struct New {
    id: Vec<Uuid>,
    client: Vec<String>,
    user: Vec<Option<Uuid>>,
    session: Vec<Option<Uuid>>,
    scopes: Vec<String>,
    expires: Vec<OffsetDateTime>,
}

impl New {
    fn push(&mut self, recorded: &Recorded, event: &GrantEvent) -> Result<(), ProjectionError> {
        let (client, user, session, scopes, expires) = match event {
            GrantEvent::Authorized(authorization) => (
                &authorization.client_id,
                Some(authorization.user_id.0),
                Some(authorization.session_id.0),
                &authorization.scopes,
                authorization.ends_at,
            ),
            GrantEvent::ClientTokensIssued { client_id, scopes, access_token, .. } => {
                (client_id, None, None, scopes, access_token.expires_at)
            }
            _ => return Ok(()),
        };
        self.id.push(crate::uuid(recorded)?);
        self.client.push(client.to_string());
        self.user.push(user);
        self.session.push(session);
        self.scopes.push(scopes.to_string());
        self.expires.push(expires);
        Ok(())
    }

    async fn insert(self, connection: &mut PgConnection) -> Result<(), ProjectionError> {
        if self.id.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO grants (grant_id, client_id, user_id, session_id, scopes, expires_at)
             SELECT id, client, person, session, string_to_array(scopes, ' '), expires
             FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[])
                  AS n(id, client, person, session, scopes, expires)",
        )
        .bind(self.id)
        .bind(self.client)
        .bind(self.user)
        .bind(self.session)
        .bind(self.scopes)
        .bind(self.expires)
        .execute(connection)
        .await?;
        Ok(())
    }
}

fn changes_grants(event: &Event) -> bool {
    matches!(
        event,
        Event::Grant(GrantEvent::Revoked { .. } | GrantEvent::TokenRevoked { .. } | GrantEvent::PkceFailed)
            | Event::User(UserEvent::Disabled | UserEvent::Erased | UserEvent::SignedOutEverywhere { .. })
            | Event::Consent(ConsentEvent::Withdrawn { .. })
            | Event::Client(ClientEvent::Deleted | ClientEvent::Disabled)
    )
}

async fn change(connection: &mut PgConnection, recorded: &Recorded) -> Result<(), ProjectionError> {
    let by_user = "UPDATE grants SET revoked = $2 WHERE user_id = $1 AND revoked IS NULL";
    let by_client = "UPDATE grants SET revoked = $2 WHERE client_id = $1 AND revoked IS NULL";
    let query = match &recorded.event {
        // What has expired goes with the next that comes, by the times in the events: a replay does the same. The day
        // between covers clocks that differ.
        Event::Grant(GrantEvent::TokenRevoked { jti, expires_at, at }) => sqlx::query(
            "WITH pruned AS (DELETE FROM revoked_tokens WHERE expires_at < $4 - interval '1 day')
             INSERT INTO revoked_tokens (jti, grant_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(jti)
        .bind(crate::uuid(recorded)?)
        .bind(expires_at)
        .bind(at),
        Event::Grant(_) => sqlx::query("UPDATE grants SET revoked = $2 WHERE grant_id = $1 AND revoked IS NULL")
            .bind(crate::uuid(recorded)?)
            .bind("grant"),
        Event::User(UserEvent::SignedOutEverywhere { except }) => sqlx::query(
            "UPDATE grants SET revoked = $2 WHERE user_id = $1 AND revoked IS NULL AND session_id IS DISTINCT FROM $3",
        )
        .bind(crate::uuid(recorded)?)
        .bind("signed_out_everywhere")
        .bind(except.map(|session| session.0)),
        Event::User(UserEvent::Erased) => {
            sqlx::query("DELETE FROM grants WHERE user_id = $1").bind(crate::uuid(recorded)?)
        }
        Event::User(_) => sqlx::query(by_user).bind(crate::uuid(recorded)?).bind("person_disabled"),
        Event::Consent(ConsentEvent::Withdrawn { user_id, client_id }) => {
            sqlx::query("UPDATE grants SET revoked = $2 WHERE user_id = $1 AND client_id = $3 AND revoked IS NULL")
                .bind(user_id.0)
                .bind("consent_withdrawn")
                .bind(client_id.as_str())
        }
        Event::Client(_) => sqlx::query(by_client).bind(&recorded.aggregate_id).bind("client_gone"),
        _ => return Ok(()),
    };
    query.execute(connection).await?;
    Ok(())
}
