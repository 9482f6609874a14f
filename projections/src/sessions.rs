//! Browser sessions: whether a cookie still counts, and the list of devices.

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables, Together};
use chancery_domain::context::{Origin, Place};
use chancery_domain::ids::{PasskeyId, SessionId, UserId};
use chancery_domain::session::{PasskeyProof, SessionEvent};
use chancery_domain::user::UserEvent;
use chancery_domain::{Event, Recorded};
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

/// The view `sessions`.
///
/// One event on a person ends all their sessions here: disabled, erased, signed out everywhere, the passkey removed.
/// Enabling the person again revives none of them.
pub struct Sessions;

impl Projection for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            let mut started = Vec::new();
            for recorded in events {
                match &recorded.event {
                    Event::Session(SessionEvent::Started { .. }) => started.push(recorded),
                    // Keep the order of events where one may rest on another.
                    Event::Session(event) => {
                        insert(&mut tables.together, &std::mem::take(&mut started))?;
                        tables.send().await?;
                        change(tables.connection, recorded, event).await?;
                    }
                    Event::User(event) => {
                        insert(&mut tables.together, &std::mem::take(&mut started))?;
                        tables.send().await?;
                        react(tables.connection, recorded, event).await?;
                    }
                    _ => {}
                }
            }
            insert(&mut tables.together, &started)
        })
    }
}

/// Sign-ins of a batch in one statement.
fn insert(together: &mut Together, started: &[&Recorded]) -> Result<(), ProjectionError> {
    if started.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(started.len());
    for recorded in started {
        rows.extend(SessionRow::started(recorded)?);
    }
    let statement = together.write(
        "INSERT INTO sessions (session_id, user_id, secret, passkey_id, acr, amr, started_at, authenticated_at, used_at,
                               idle_seconds, expires_at, address, user_agent, country, city)
         SELECT id, user_id, secret, passkey_id, acr, string_to_array(amr, ' '), at, at, at, idle, expires,
                address, agent, country, city
         FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[],
                     $8::bigint[], $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::text[])
              AS n(id, user_id, secret, passkey_id, acr, amr, at, idle, expires, address, agent, country, city)",
    );
    statement
        .bind(column(&rows, |row| row.session_id))
        .bind(column(&rows, |row| row.user_id))
        .bind(column(&rows, |row| row.secret.as_slice()))
        .bind(column(&rows, |row| row.passkey_id))
        .bind(column(&rows, |row| row.acr.as_str()))
        .bind(column(&rows, |row| row.amr.join(" ")))
        .bind(column(&rows, |row| row.started_at))
        .bind(column(&rows, |row| row.idle_seconds))
        .bind(column(&rows, |row| row.expires_at))
        .bind(column(&rows, |row| row.address.as_deref()))
        .bind(column(&rows, |row| row.user_agent.as_deref()))
        .bind(column(&rows, |row| row.country.as_deref()))
        .bind(column(&rows, |row| row.city.as_deref()));
    Ok(())
}

fn column<'a, T>(rows: &'a [SessionRow], value: impl Fn(&'a SessionRow) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Where an event came from, in columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whence {
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub country: Option<String>,
    pub city: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

impl Whence {
    pub fn of(recorded: &Recorded) -> Self {
        let Some(origin) = recorded.context.origin.as_ref().and_then(|origin| origin.known()) else {
            return Self { country: recorded.context.country.clone(), ..Self::default() };
        };
        let Origin { address, user_agent, place } = origin;
        let whence = Self { address: Some(address.to_string()), user_agent: user_agent.clone(), ..Self::default() };
        match place {
            Place::Unknown => whence,
            Place::Internal { network } => Self { city: Some(network.clone()), ..whence },
            Place::Found { country, city, latitude, longitude, .. } => Self {
                country: country.clone(),
                city: city.clone(),
                latitude: *latitude,
                longitude: *longitude,
                ..whence
            },
        }
    }
}

async fn change(
    connection: &mut PgConnection,
    recorded: &Recorded,
    event: &SessionEvent,
) -> Result<(), ProjectionError> {
    let id = crate::uuid(recorded)?;
    match event {
        SessionEvent::Started { .. } => {}
        SessionEvent::SteppedUp { secret, proof, authenticated_at } => {
            let PasskeyProof { passkey_id, acr, amr, .. } = proof;
            sqlx::query(
                "UPDATE sessions SET secret = $2, passkey_id = $3, acr = $4, amr = $5, authenticated_at = $6, used_at = $6
                 WHERE session_id = $1",
            )
            .bind(id)
            .bind(secret.as_bytes())
            .bind(passkey_id.0)
            .bind(acr)
            .bind(amr)
            .bind(authenticated_at)
            .execute(connection)
            .await?;
        }
        SessionEvent::Extended { used_at } => {
            sqlx::query("UPDATE sessions SET used_at = $2 WHERE session_id = $1")
                .bind(id)
                .bind(used_at)
                .execute(connection)
                .await?;
        }
        SessionEvent::Ended { why } => {
            let why = serde_json::to_value(why).ok().and_then(|why| why.as_str().map(str::to_owned));
            sqlx::query("UPDATE sessions SET ended = $2 WHERE session_id = $1 AND ended IS NULL")
                .bind(id)
                .bind(why)
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}

/// A person's own events reach all their sessions.
async fn react(connection: &mut PgConnection, recorded: &Recorded, event: &UserEvent) -> Result<(), ProjectionError> {
    let user = crate::uuid(recorded)?;
    let end = "UPDATE sessions SET ended = $2 WHERE user_id = $1 AND ended IS NULL";
    let query = match event {
        // Enabling ends what began at a node that had not heard yet that they were disabled.
        UserEvent::Disabled | UserEvent::Enabled => sqlx::query(end).bind(user).bind("disabled"),
        UserEvent::SignedOutEverywhere { except } => sqlx::query(
            "UPDATE sessions SET ended = $2 WHERE user_id = $1 AND ended IS NULL AND session_id IS DISTINCT FROM $3",
        )
        .bind(user)
        .bind("signed_out_everywhere")
        .bind(except.map(|session| session.0)),
        // A session that began at that very moment counts no more than its passkey (`Person::holds`), so what is restored
        // must not bring it back.
        UserEvent::PasskeyRemoved { passkey_id, .. }
        | UserEvent::PasskeySuspended { passkey_id, .. }
        | UserEvent::PasskeyRestored { passkey_id, .. } => {
            sqlx::query("UPDATE sessions SET ended = $2 WHERE user_id = $1 AND passkey_id = $3 AND ended IS NULL")
                .bind(user)
                .bind("passkey_gone")
                .bind(passkey_id.0)
        }
        // Address, device and place are personal.
        UserEvent::Erased => sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user),
        _ => return Ok(()),
    };
    query.execute(connection).await?;
    Ok(())
}

/// A browser session, as the view has it.
#[derive(Clone, Debug, FromRow)]
pub struct SessionRow {
    pub session_id: Uuid,
    pub user_id: Uuid,
    pub secret: Vec<u8>,
    pub passkey_id: Uuid,
    pub acr: String,
    pub amr: Vec<String>,
    pub started_at: OffsetDateTime,
    pub authenticated_at: OffsetDateTime,
    pub used_at: OffsetDateTime,
    pub idle_seconds: i64,
    pub expires_at: OffsetDateTime,
    pub ended: Option<String>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub country: Option<String>,
    pub city: Option<String>,
}

impl SessionRow {
    /// A session as its first event made it; None for any other event.
    pub(crate) fn started(recorded: &Recorded) -> Result<Option<Self>, ProjectionError> {
        let Event::Session(SessionEvent::Started {
            user_id,
            secret,
            proof,
            authenticated_at,
            idle_seconds,
            expires_at,
        }) = &recorded.event
        else {
            return Ok(None);
        };
        let Whence { address, user_agent, country, city, .. } = Whence::of(recorded);
        Ok(Some(Self {
            session_id: crate::uuid(recorded)?,
            user_id: user_id.0,
            secret: secret.as_bytes().to_vec(),
            passkey_id: proof.passkey_id.0,
            acr: proof.acr.clone(),
            amr: proof.amr.clone(),
            started_at: *authenticated_at,
            authenticated_at: *authenticated_at,
            used_at: *authenticated_at,
            idle_seconds: *idle_seconds,
            expires_at: *expires_at,
            ended: None,
            address,
            user_agent,
            country,
            city,
        }))
    }

    pub fn id(&self) -> SessionId {
        SessionId(self.session_id)
    }

    pub fn user(&self) -> UserId {
        UserId(self.user_id)
    }

    pub fn passkey(&self) -> PasskeyId {
        PasskeyId(self.passkey_id)
    }

    pub fn live_at(&self, now: OffsetDateTime) -> bool {
        let idle_until = self.used_at + time::Duration::seconds(self.idle_seconds);
        self.ended.is_none() && now < self.expires_at && now < idle_until
    }
}

/// # Errors
/// Those of the database, here and below.
pub async fn find(executor: impl PgExecutor<'_>, id: SessionId) -> Result<Option<SessionRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM sessions WHERE session_id = $1").bind(id.0).fetch_optional(executor).await
}

/// A person's live sessions, the most recently used first.
pub async fn live_of(
    executor: impl PgExecutor<'_>,
    user: UserId,
    now: OffsetDateTime,
) -> Result<Vec<SessionRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT * FROM sessions
         WHERE user_id = $1 AND ended IS NULL AND expires_at > $2
           AND used_at + make_interval(secs => idle_seconds) > $2
         ORDER BY used_at DESC, session_id",
    )
    .bind(user.0)
    .bind(now)
    .fetch_all(executor)
    .await
}
