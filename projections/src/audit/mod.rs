//! The history as people read it: every event as a sentence, with who, when and from where.
//!
//! A catch-up view. It keeps ids, not names: `told` looks names up when a page is shown, so that a rebuild comes out
//! equal and an erased person's name is nowhere. What an event itself says about a person goes when they are erased.

mod apps;
mod changes;
pub mod filter;
mod people;
pub mod query;
pub mod sentence;
mod sign_ins;
#[cfg(test)]
mod tests;
pub mod told;
mod whom;

use std::collections::BTreeSet;

use chancery_adapters::event_store::{CopyRows, Projection, ProjectionError, ProjectionFuture, Tables};
use chancery_domain::grant::GrantEvent;
use chancery_domain::user::UserEvent;
use chancery_domain::{Event, Personal, Recorded};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

pub use self::filter::{AuditFilter, Kind, PlaceFilter};
pub use self::query::AuditRow;
use self::sentence::Sentence;
use self::whom::{Beginnings, Streams, Whom};
use crate::sessions::Whence;

/// The view `audit`.
pub struct Audit {
    beginnings: Beginnings,
}

/// Streams whose beginnings are kept in memory.
const BEGINNINGS: usize = 8_192;

impl Default for Audit {
    fn default() -> Self {
        Self { beginnings: Beginnings::new(BEGINNINGS) }
    }
}

impl Projection for Audit {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            let mut streams = Streams::before(tables.connection, events, &self.beginnings).await?;
            let entries: Vec<Entry> =
                events.iter().map(|recorded| Entry::of(recorded, &streams.follow(recorded))).collect();
            insert(tables.connection, &entries).await?;
            forget_erased(tables.connection, &entries).await
        })
    }
}

/// A row as it is written.
struct Entry {
    row: AuditRow,
    aggregate_type: &'static str,
    aggregate_id: String,
    search: String,
    if_erased: Option<IfErased>,
}

/// What takes the place of the columns of these names.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct IfErased {
    sentence: Sentence,
    search: String,
}

impl Entry {
    fn of(recorded: &Recorded, whom: &Whom) -> Self {
        let sentence = Sentence::of(recorded, whom);
        let if_erased = erased(recorded).map(|erased| {
            let sentence = Sentence::of(&erased, whom);
            IfErased { search: sentence.words(), sentence }
        });
        let Whence { address, user_agent, city, latitude, longitude, .. } = Whence::of(recorded);
        Self {
            aggregate_type: recorded.event.aggregate_type(),
            aggregate_id: recorded.aggregate_id.clone(),
            search: sentence.words(),
            if_erased,
            row: AuditRow {
                position: recorded.position,
                event_id: recorded.event_id,
                event_name: recorded.event.name().to_owned(),
                recorded_at: recorded.recorded_at,
                actor: recorded.context.actor.to_string(),
                actor_id: recorded.context.actor.user().map(|id| id.0),
                user_id: whom.user.map(|id| id.0),
                client_id: whom.client.as_ref().map(ToString::to_string),
                sentence: Json(sentence),
                refused: refused(&recorded.event),
                // Outside the origin, which may be erased: the same before and after.
                country: recorded.context.country.clone(),
                city,
                latitude,
                longitude,
                address,
                user_agent,
            },
        }
    }

    /// The people whose erasure would reach this row.
    fn people(&self) -> impl Iterator<Item = Uuid> {
        self.row.user_id.into_iter().chain(self.row.actor_id)
    }
}

/// Whether the event says that somebody was refused, or that something was stopped to protect them.
pub fn refused(event: &Event) -> bool {
    matches!(
        event,
        Event::SignInAttempt(_)
            | Event::Grant(GrantEvent::PkceFailed | GrantEvent::CodeReplayed | GrantEvent::RefreshReuseDetected { .. })
            | Event::User(UserEvent::PasskeySuspended { .. })
    )
}

/// The event as the log gives it back once the person is erased, where that differs.
fn erased(recorded: &Recorded) -> Option<Recorded> {
    let Event::User(event) = &recorded.event else { return None };
    let mut event = event.clone();
    let gone = match &mut event {
        UserEvent::Registered { profile, .. } => erase(profile),
        UserEvent::ProfileChanged { change, .. } => erase(change),
        UserEvent::PasskeyEnrolled { name, .. } => erase(name),
        UserEvent::PasskeyRenamed { name, .. } => erase(name),
        UserEvent::ClaimsSet { claims } => erase(claims),
        UserEvent::EmailVerificationRequested { address, .. } => erase(address),
        UserEvent::EmailVerified
        | UserEvent::TestMailRequested
        | UserEvent::PasskeySuspended { .. }
        | UserEvent::PasskeyRestored { .. }
        | UserEvent::PasskeyRemoved { .. }
        | UserEvent::SecondPasskeyDeclined { .. }
        | UserEvent::GroupJoined { .. }
        | UserEvent::GroupLeft { .. }
        | UserEvent::PictureSet { .. }
        | UserEvent::PictureRemoved
        | UserEvent::Disabled
        | UserEvent::Enabled
        | UserEvent::AdminGranted
        | UserEvent::AdminRevoked
        | UserEvent::SignedOutEverywhere { .. }
        | UserEvent::Erased => false,
    };
    gone.then(|| Recorded { event: Event::User(event), ..recorded.clone() })
}

/// Answers whether there was anything to erase.
fn erase<T>(personal: &mut Personal<T>) -> bool {
    let Personal::Known { subject, .. } = personal else { return false };
    *personal = Personal::Erased { subject: subject.clone() };
    true
}

async fn insert(connection: &mut PgConnection, entries: &[Entry]) -> Result<(), ProjectionError> {
    let columns = "audit (position, event_id, event_name, recorded_at, aggregate_type, aggregate_id, actor, actor_id, user_id, \
                   client_id, sentence, refused, country, city, latitude, longitude, address, user_agent, search, if_erased)";
    let copying = CopyRows::send(columns, connection, |rows| {
        for Entry { row, aggregate_type, aggregate_id, search, if_erased } in entries {
            rows.row()
                .value(row.position)?
                .value(row.event_id)?
                .value(row.event_name.as_str())?
                .value(row.recorded_at)?
                .value(*aggregate_type)?
                .value(aggregate_id.as_str())?
                .value(row.actor.as_str())?
                .value(row.actor_id)?
                .value(row.user_id)?
                .value(row.client_id.as_deref())?
                .value(&row.sentence)?
                .value(row.refused)?
                .value(row.country.as_deref())?
                .value(row.city.as_deref())?
                .value(row.latitude)?
                .value(row.longitude)?
                .value(row.address.as_deref())?
                .value(row.user_agent.as_deref())?
                .value(search.as_str())?
                .value(if_erased.as_ref().map(Json))?;
        }
        Ok(())
    });
    Ok(copying.await?.finish().await?)
}

/// Takes away what is personal about people who have been erased, in this batch or before it: what was recorded between
/// the erasure and the end of the person's key came here in the clear.
async fn forget_erased(connection: &mut PgConnection, entries: &[Entry]) -> Result<(), ProjectionError> {
    let people: BTreeSet<Uuid> = entries.iter().flat_map(Entry::people).collect();
    let people: Vec<Uuid> = people.into_iter().collect();
    let erased: Vec<Uuid> =
        sqlx::query_scalar("SELECT user_id FROM audit WHERE event_name = 'user.erased' AND user_id = ANY($1)")
            .bind(people)
            .fetch_all(&mut *connection)
            .await?;
    if erased.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE audit SET address = NULL, user_agent = NULL, city = NULL, latitude = NULL, longitude = NULL
         WHERE actor_id = ANY($1) AND address IS NOT NULL",
    )
    .bind(&erased)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE audit SET sentence = if_erased->'sentence', search = if_erased->>'search', if_erased = NULL
         WHERE user_id = ANY($1) AND if_erased IS NOT NULL",
    )
    .bind(&erased)
    .execute(connection)
    .await?;
    Ok(())
}
