//! An enrollment link: how somebody without a usable passkey gets one. Single use, expiring, on the record.
//!
//! There is no other way in: a link is issued by an administrator or on the server, never by mail to whoever asks.

mod command;
mod event;
pub mod link;
mod refusal;
#[cfg(test)]
mod tests;

pub use command::EnrollmentCommand;
pub use event::{EnrollmentEvent, Purpose, RevokedWhy};
pub use refusal::EnrollmentRefusal;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::decider::Decider;
use crate::digest::Digest;
use crate::event::StoredEvent;
use crate::ids::UserId;

const LONGEST: Duration = Duration::days(31);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Enrollment {
    #[default]
    NotIssued,
    Open {
        purpose: Purpose,
        secret: Digest,
        expires_at: OffsetDateTime,
        opened: bool,
    },
    Redeemed,
    Revoked,
}

impl Decider for Enrollment {
    const TYPE: &'static str = EnrollmentEvent::AGGREGATE;
    type Command = EnrollmentCommand;
    type Event = EnrollmentEvent;
    type Refusal = EnrollmentRefusal;

    fn decide(&self, command: EnrollmentCommand) -> Result<Vec<EnrollmentEvent>, EnrollmentRefusal> {
        match command {
            EnrollmentCommand::Issue { purpose, secret, now, lifetime } => {
                if *self != Self::NotIssued {
                    return Err(EnrollmentRefusal::AlreadyIssued);
                }
                if lifetime < Duration::SECOND || lifetime > LONGEST {
                    return Err(EnrollmentRefusal::BadLifetime);
                }
                Ok(vec![EnrollmentEvent::Issued { purpose, secret, issued_at: now, expires_at: now + lifetime }])
            }
            EnrollmentCommand::Open { secret, now } => {
                self.purpose_at(secret, now)?;
                let first = matches!(self, Self::Open { opened: false, .. });
                Ok(if first { vec![EnrollmentEvent::Opened { at: now }] } else { Vec::new() })
            }
            EnrollmentCommand::Redeem { secret, user_id, passkey_id, now } => {
                if self.purpose_at(secret, now)?.person().is_some_and(|person| person != user_id) {
                    return Err(EnrollmentRefusal::OtherPerson);
                }
                Ok(vec![EnrollmentEvent::Redeemed { user_id, passkey_id, at: now }])
            }
            EnrollmentCommand::Revoke { why } => match self {
                Self::NotIssued => Err(EnrollmentRefusal::Unknown),
                Self::Open { .. } => Ok(vec![EnrollmentEvent::Revoked { why }]),
                Self::Redeemed | Self::Revoked => Ok(Vec::new()),
            },
        }
    }

    fn evolve(&mut self, event: EnrollmentEvent) {
        match (event, self) {
            (EnrollmentEvent::Issued { purpose, secret, expires_at, .. }, state) => {
                *state = Self::Open { purpose, secret, expires_at, opened: false };
            }
            (EnrollmentEvent::Opened { .. }, Self::Open { opened, .. }) => *opened = true,
            (EnrollmentEvent::Redeemed { .. }, state) => *state = Self::Redeemed,
            (EnrollmentEvent::Revoked { .. }, state) => *state = Self::Revoked,
            (EnrollmentEvent::Opened { .. }, Self::NotIssued | Self::Redeemed | Self::Revoked) => {}
        }
    }
}

impl Enrollment {
    /// What the link is for, to whoever holds its secret while it is open.
    ///
    /// # Errors
    /// Why it cannot be used; to somebody without the secret it does not exist.
    pub fn purpose_at(&self, presented: Digest, now: OffsetDateTime) -> Result<Purpose, EnrollmentRefusal> {
        match self {
            Self::NotIssued => Err(EnrollmentRefusal::Unknown),
            Self::Redeemed => Err(EnrollmentRefusal::AlreadyRedeemed),
            Self::Revoked => Err(EnrollmentRefusal::Revoked),
            Self::Open { secret, .. } if *secret != presented => Err(EnrollmentRefusal::Unknown),
            Self::Open { expires_at, .. } if now >= *expires_at => Err(EnrollmentRefusal::Expired),
            Self::Open { purpose, .. } => Ok(*purpose),
        }
    }

    /// Until when the link can be used, if it still can.
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Open { expires_at, .. } => Some(*expires_at),
            Self::NotIssued | Self::Redeemed | Self::Revoked => None,
        }
    }
}

impl Purpose {
    /// Whom the link is for; a set-up link makes its person.
    pub fn person(self) -> Option<UserId> {
        match self {
            Self::Setup => None,
            Self::Invitation { user_id } | Self::Recovery { user_id, .. } => Some(user_id),
        }
    }
}
