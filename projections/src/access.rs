//! The facts for the one policy function, read in one statement at the moment of the decision.

use chancery_domain::client::ClientSettings;
use chancery_domain::ids::{ClientId, GrantId, SessionId, UserId};
use chancery_domain::oauth::scope::Scopes;
use chancery_domain::policy::access::{AccessFacts, ConsentFacts, PersonFacts};
use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor};
use time::OffsetDateTime;

#[derive(FromRow)]
struct Row {
    settings: Json<ClientSettings>,
    client_disabled: bool,
    person_enabled: bool,
    session_live: bool,
    in_allowed_group: bool,
    consented: Option<Vec<String>>,
    grant_revoked: bool,
    token_revoked: bool,
}

/// What is true now about a person's use of an app, with the app's settings; None for an app that does not exist.
///
/// `grant` is the grant in question and, for an access token, its `jti`. A grant that the views do not have counts as
/// revoked.
///
/// # Errors
/// Those of the database: then nothing is known, and nothing may be allowed.
pub async fn of_person(
    executor: impl PgExecutor<'_>,
    client: &ClientId,
    user: UserId,
    session: SessionId,
    grant: Option<(GrantId, Option<&str>)>,
    now: OffsetDateTime,
) -> Result<Option<(ClientSettings, AccessFacts)>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT c.settings, c.disabled AS client_disabled,
                EXISTS (SELECT 1 FROM users u WHERE u.user_id = $2 AND NOT u.disabled) AS person_enabled,
                EXISTS (SELECT 1 FROM sessions s WHERE s.session_id = $3 AND s.user_id = $2 AND s.ended IS NULL
                        AND s.expires_at > $6 AND s.used_at + make_interval(secs => s.idle_seconds) > $6) AS session_live,
                EXISTS (SELECT 1 FROM client_groups g JOIN memberships m USING (group_id)
                        WHERE g.client_id = c.client_id AND m.user_id = $2) AS in_allowed_group,
                (SELECT scopes FROM consents k WHERE k.user_id = $2 AND k.client_id = c.client_id) AS consented,
                $4::uuid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.grant_id = $4 AND g.revoked IS NULL)
                    AS grant_revoked,
                EXISTS (SELECT 1 FROM revoked_tokens r WHERE r.jti = $5) AS token_revoked
         FROM clients c WHERE c.client_id = $1",
    )
    .bind(client.as_str())
    .bind(user.0)
    .bind(session.0)
    .bind(grant.map(|(id, _)| id.0))
    .bind(grant.and_then(|(_, jti)| jti))
    .bind(now)
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| {
        let consent = match row.consented {
            _ if row.settings.skip_consent => ConsentFacts::Skipped,
            Some(scopes) => ConsentFacts::Given(Scopes::known(scopes.iter().map(String::as_str))),
            None => ConsentFacts::Absent,
        };
        let person = PersonFacts {
            enabled: row.person_enabled,
            session_live: row.session_live,
            client_is_restricted: row.settings.is_group_restricted,
            in_allowed_group: row.in_allowed_group,
            consent,
        };
        let facts = AccessFacts {
            client_enabled: !row.client_disabled,
            person: Some(person),
            grant_revoked: row.grant_revoked || row.token_revoked,
        };
        (row.settings.0, facts)
    }))
}

/// The facts about a client's own grant.
///
/// # Errors
/// Those of the database.
pub async fn of_client(
    executor: impl PgExecutor<'_>,
    client: &ClientId,
    grant: Option<(GrantId, &str)>,
) -> Result<Option<AccessFacts>, sqlx::Error> {
    let row: Option<(bool, bool)> = sqlx::query_as(
        "SELECT c.disabled,
                $2::uuid IS NOT NULL AND (NOT EXISTS (SELECT 1 FROM grants g WHERE g.grant_id = $2 AND g.revoked IS NULL)
                    OR EXISTS (SELECT 1 FROM revoked_tokens r WHERE r.jti = $3))
         FROM clients c WHERE c.client_id = $1",
    )
    .bind(client.as_str())
    .bind(grant.map(|(id, _)| id.0))
    .bind(grant.map(|(_, jti)| jti))
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|(disabled, grant_revoked)| AccessFacts { client_enabled: !disabled, person: None, grant_revoked }))
}
