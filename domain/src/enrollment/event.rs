use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::digest::Digest;
use crate::domain_event;
use crate::event::StoredEvent;
use crate::ids::{PasskeyId, UserId};

/// What happened to an enrollment link. That it expired is a matter of time, not an event: nobody acts then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EnrollmentEvent {
    #[serde(rename = "enrollment.issued")]
    Issued {
        purpose: Purpose,
        secret: Digest,
        #[serde(with = "time::serde::rfc3339")]
        issued_at: OffsetDateTime,
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// Opened for the first time; opening does not use it up, since mail scanners open links too.
    #[serde(rename = "enrollment.opened")]
    Opened {
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    #[serde(rename = "enrollment.redeemed")]
    Redeemed {
        user_id: UserId,
        passkey_id: PasskeyId,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    #[serde(rename = "enrollment.revoked")]
    Revoked { why: RevokedWhy },
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Purpose {
    /// The first administrator sets up the instance.
    Setup,
    /// A new person enrolls their first passkey.
    Invitation { user_id: UserId },
    /// Somebody who lost their passkeys enrolls a new one, in place of all others or beside them.
    Recovery { user_id: UserId, replace: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedWhy {
    /// A newer link took its place: one open link for each person.
    Superseded,
    ByAdmin,
    /// The instance has been set up.
    SetupCompleted,
}

impl StoredEvent for EnrollmentEvent {
    const AGGREGATE: &'static str = "enrollment";

    fn name(&self) -> &'static str {
        match self {
            Self::Issued { .. } => "enrollment.issued",
            Self::Opened { .. } => "enrollment.opened",
            Self::Redeemed { .. } => "enrollment.redeemed",
            Self::Revoked { .. } => "enrollment.revoked",
        }
    }
}

domain_event!(EnrollmentEvent);
