//! Which mails an event asks for: to whom, and what they are about. The words are not here.

use chancery_domain::country;
use chancery_domain::enrollment::{EnrollmentEvent, Purpose};
use chancery_domain::grant::GrantEvent;
use chancery_domain::ids::{EmailVerificationId, EnrollmentId, PasskeyId, UserId};
use chancery_domain::session::SessionEvent;
use chancery_domain::user::{EnrolledVia, RemovedBy, UserEvent};
use chancery_domain::{Event, Recorded};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A user agent in words, such as "Firefox on Linux".
pub type Device = fn(&str) -> String;

/// Sign-ins of a person that a new one is compared with.
const REMEMBERED: i64 = 500;

/// What a mail is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Letter {
    Invitation {
        enrollment_id: EnrollmentId,
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// The link itself is not in it: whoever reads a person's mail must not be able to become them.
    RecoveryIssued {
        replace: bool,
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    RecoveryUsed {
        whence: Whence,
    },
    NewSignIn {
        whence: Whence,
    },
    PasskeyAdded {
        name: String,
        whence: Whence,
    },
    PasskeyRemoved {
        by_admin: bool,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    PasskeySuspended {
        name: Option<String>,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    AddressChanged {
        to: Option<String>,
    },
    /// A refresh token that had been replaced came again, and the app lost all it had.
    RefreshReused {
        app: String,
        whence: Whence,
    },
    EmailVerification {
        verification_id: EmailVerificationId,
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    Test,
}

/// When, on which device and where something was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whence {
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub device: Option<String>,
    pub place: Option<String>,
    pub address: Option<String>,
}

/// A mail that is to be sent.
pub struct Asked {
    pub user: UserId,
    pub recipient: String,
    pub letter: Letter,
}

/// What `recorded` asks for.
pub async fn asked(
    connection: &mut PgConnection,
    recorded: &Recorded,
    device: Device,
) -> Result<Vec<Asked>, sqlx::Error> {
    let (user, letter) = match &recorded.event {
        Event::User(event) => return of_person(connection, recorded, event, device).await,
        Event::Enrollment(EnrollmentEvent::Issued { purpose: Purpose::Invitation { user_id }, expires_at, .. }) => {
            let Ok(id) = recorded.aggregate_id.parse() else { return Ok(Vec::new()) };
            (*user_id, Letter::Invitation { enrollment_id: id, expires_at: *expires_at })
        }
        Event::Enrollment(EnrollmentEvent::Issued {
            purpose: Purpose::Recovery { user_id, replace },
            expires_at,
            ..
        }) => (*user_id, Letter::RecoveryIssued { replace: *replace, expires_at: *expires_at }),
        Event::Enrollment(EnrollmentEvent::Redeemed { user_id, .. }) if is_recovery(connection, recorded).await? => {
            (*user_id, Letter::RecoveryUsed { whence: whence(recorded, device) })
        }
        Event::Grant(GrantEvent::RefreshReuseDetected { .. }) => {
            let Some((user, app)) = person_and_app(connection, recorded).await? else { return Ok(Vec::new()) };
            (UserId(user), Letter::RefreshReused { app, whence: whence(recorded, device) })
        }
        Event::Session(SessionEvent::Started { user_id, .. })
            if is_new(connection, recorded, *user_id, device).await? =>
        {
            (*user_id, Letter::NewSignIn { whence: whence(recorded, device) })
        }
        _ => return Ok(Vec::new()),
    };
    to(connection, user, letter).await
}

async fn of_person(
    connection: &mut PgConnection,
    recorded: &Recorded,
    event: &UserEvent,
    device: Device,
) -> Result<Vec<Asked>, sqlx::Error> {
    let Ok(user) = recorded.aggregate_id.parse::<UserId>() else { return Ok(Vec::new()) };
    let at = recorded.recorded_at;
    let letter = match event {
        UserEvent::PasskeyEnrolled { name, via: EnrolledVia::SelfService, .. } => {
            let name = name.known().cloned().unwrap_or_default();
            Letter::PasskeyAdded { name, whence: whence(recorded, device) }
        }
        UserEvent::PasskeyRemoved { by: RemovedBy::Owner, .. } => Letter::PasskeyRemoved { by_admin: false, at },
        UserEvent::PasskeyRemoved { by: RemovedBy::Admin, .. } => Letter::PasskeyRemoved { by_admin: true, at },
        UserEvent::PasskeySuspended { passkey_id, .. } => {
            Letter::PasskeySuspended { name: passkey_name(connection, *passkey_id).await?, at }
        }
        UserEvent::TestMailRequested => Letter::Test,
        UserEvent::EmailVerificationRequested { verification_id, address, expires_at, .. } => {
            // To the address that is to be proven, and no other.
            let letter = Letter::EmailVerification { verification_id: *verification_id, expires_at: *expires_at };
            let recipient = address.known().cloned();
            return Ok(recipient.map(|recipient| Asked { user, recipient, letter }).into_iter().collect());
        }
        UserEvent::ProfileChanged { change, .. } => {
            let Some(change) = change.known() else { return Ok(Vec::new()) };
            let (before, after) = (&change.before.email, &change.after.email);
            if before == after {
                return Ok(Vec::new());
            }
            // To the old one, which may be all that its owner has left, and to the new one.
            let letter = Letter::AddressChanged { to: after.clone() };
            let both = before.iter().chain(after);
            return Ok(both.map(|to| Asked { user, recipient: to.clone(), letter: letter.clone() }).collect());
        }
        _ => return Ok(Vec::new()),
    };
    to(connection, user, letter).await
}

/// To the address that a person has now, if they have one.
async fn to(connection: &mut PgConnection, user: UserId, letter: Letter) -> Result<Vec<Asked>, sqlx::Error> {
    let address: Option<Option<String>> = sqlx::query_scalar("SELECT email FROM users WHERE user_id = $1")
        .bind(user.0)
        .fetch_optional(connection)
        .await?;
    Ok(address.flatten().map(|recipient| Asked { user, recipient, letter }).into_iter().collect())
}

async fn passkey_name(connection: &mut PgConnection, id: PasskeyId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT name FROM passkeys WHERE passkey_id = $1").bind(id.0).fetch_optional(connection).await
}

async fn is_recovery(connection: &mut PgConnection, recorded: &Recorded) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM enrollments WHERE enrollment_id::text = $1 AND purpose = 'recovery')",
    )
    .bind(&recorded.aggregate_id)
    .fetch_one(connection)
    .await
}

/// Whom an event in a grant's stream is about, and the app's name. The event names neither; the history knows.
async fn person_and_app(
    connection: &mut PgConnection,
    recorded: &Recorded,
) -> Result<Option<(Uuid, String)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT audit.user_id, coalesce(clients.name, client_id) FROM audit LEFT JOIN clients USING (client_id)
         WHERE position = $1 AND audit.user_id IS NOT NULL AND client_id IS NOT NULL",
    )
    .bind(recorded.position)
    .fetch_optional(connection)
    .await
}

/// Whether somebody signed in on a device, or at a place, where they never did before. Their first sign-in has nothing to be
/// compared with; neither has one whose place nobody knows.
async fn is_new(
    connection: &mut PgConnection,
    recorded: &Recorded,
    user: UserId,
    device: Device,
) -> Result<bool, sqlx::Error> {
    let before: Vec<(Option<String>, Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT user_agent, country, city FROM audit
         WHERE user_id = $1 AND position < $2 AND event_name = 'session.started' ORDER BY position DESC LIMIT $3",
    )
    .bind(user.0)
    .bind(recorded.position)
    .bind(REMEMBERED)
    .fetch_all(connection)
    .await?;
    let now = crate::sessions::Whence::of(recorded);
    let words = |agent: &Option<String>| agent.as_deref().map(device);
    let same_device = before.iter().any(|(agent, ..)| words(agent) == words(&now.user_agent));
    let same_place =
        now.country.is_none() || before.iter().any(|(_, country, city)| (country, city) == (&now.country, &now.city));
    let known = same_device && same_place;
    Ok(!known && !before.is_empty())
}

fn whence(recorded: &Recorded, device: Device) -> Whence {
    let from = crate::sessions::Whence::of(recorded);
    let country = from.country.map(|code| country::english_name(&code).map_or(code.clone(), str::to_owned));
    let place = [from.city, country].into_iter().flatten().collect::<Vec<_>>().join(", ");
    Whence {
        at: recorded.recorded_at,
        device: from.user_agent.as_deref().map(device),
        place: Some(place).filter(|place| !place.is_empty()),
        address: from.address,
    }
}
