//! Refused sign-ins. One stream for each recorded failure, or for a flood of equal ones.

#[cfg(test)]
mod tests;
mod window;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
pub use window::{FailureWindow, WindowDecision};

use crate::decider::Decider;
use crate::domain_event;
use crate::event::StoredEvent;
use crate::ids::{PasskeyId, UserId};

/// What happened at the door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SignInAttemptEvent {
    #[serde(rename = "sign_in_attempt.failed")]
    Failed(Failed),
}

/// A refused sign-in, or several of one kind from one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    pub reason: FailureReason,
    /// Known only once a known passkey was presented.
    pub user_id: Option<UserId>,
    pub passkey_id: Option<PasskeyId>,
    /// What was presented, of bounded length.
    pub credential_id: Option<String>,
    pub count: u32,
    #[serde(with = "time::serde::rfc3339")]
    pub first_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    UnknownPasskey,
    BadSignature,
    ChallengeExpiredOrReused,
    UserDisabled,
    PasskeySuspended,
    CloneSuspected,
    UserVerificationMissing,
    OriginMismatch,
    Malformed,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum SignInAttemptCommand {
    Record(Failed),
}

/// Why it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInAttemptRefusal {
    #[error("this attempt is on the record already")]
    AlreadyRecorded,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignInAttempt {
    #[default]
    NotRecorded,
    Recorded,
}

impl Decider for SignInAttempt {
    const TYPE: &'static str = SignInAttemptEvent::AGGREGATE;
    type Command = SignInAttemptCommand;
    type Event = SignInAttemptEvent;
    type Refusal = SignInAttemptRefusal;

    fn decide(&self, command: SignInAttemptCommand) -> Result<Vec<SignInAttemptEvent>, SignInAttemptRefusal> {
        let SignInAttemptCommand::Record(failed) = command;
        match self {
            Self::NotRecorded => Ok(vec![SignInAttemptEvent::Failed(failed)]),
            Self::Recorded => Err(SignInAttemptRefusal::AlreadyRecorded),
        }
    }

    fn evolve(&mut self, _: SignInAttemptEvent) {
        *self = Self::Recorded;
    }
}

impl StoredEvent for SignInAttemptEvent {
    const AGGREGATE: &'static str = "sign_in_attempt";

    fn name(&self) -> &'static str {
        match self {
            Self::Failed(_) => "sign_in_attempt.failed",
        }
    }
}

domain_event!(SignInAttemptEvent);
