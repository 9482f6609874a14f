//! A key that signs tokens: staged (published, not yet signing) → active → retired (verifying only) → removed.
//!
//! Staging first lets everyone who caches the key set learn the key before it signs; a retired key stays published until
//! the last token it signed has expired (OpenID Connect Core §10.1.1).

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::decider::Decider;
use crate::domain_event;
use crate::event::StoredEvent;
use crate::personal::{Personal, Subject};
use crate::signing_algorithm::SigningAlgorithm;

/// What happened to a signing key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SigningKeyEvent {
    #[serde(rename = "signing_key.staged")]
    Staged {
        algorithm: SigningAlgorithm,
        public_jwk: Value,
        /// PKCS #8 in base64, sealed under a data key of its own that is destroyed with the key.
        private_key: Personal<String>,
        #[serde(with = "time::serde::rfc3339")]
        staged_at: OffsetDateTime,
    },
    #[serde(rename = "signing_key.activated")]
    Activated {
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    #[serde(rename = "signing_key.retired")]
    Retired {
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    #[serde(rename = "signing_key.removed")]
    Removed {
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
}

/// What may be asked of a signing key.
#[derive(Clone, Debug)]
pub enum SigningKeyCommand {
    Stage { kid: String, algorithm: SigningAlgorithm, public_jwk: Value, private_key: String, now: OffsetDateTime },
    Activate { now: OffsetDateTime },
    Retire { now: OffsetDateTime },
    Remove { now: OffsetDateTime },
}

/// Why a signing key refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyRefusal {
    #[error("there is already such a key")]
    AlreadyStaged,
    #[error("the key is not in a state that allows this")]
    WrongState,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum SigningKey {
    #[default]
    None,
    Held {
        algorithm: SigningAlgorithm,
        status: KeyStatus,
        public_jwk: Value,
        private_key: Personal<String>,
    },
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    Staged,
    Active,
    Retired,
}

impl Decider for SigningKey {
    const TYPE: &'static str = SigningKeyEvent::AGGREGATE;
    type Command = SigningKeyCommand;
    type Event = SigningKeyEvent;
    type Refusal = SigningKeyRefusal;

    fn decide(&self, command: SigningKeyCommand) -> Result<Vec<SigningKeyEvent>, SigningKeyRefusal> {
        let status = match self {
            Self::Held { status, .. } => Some(*status),
            Self::None | Self::Removed => None,
        };
        let event = match (command, status) {
            (SigningKeyCommand::Stage { kid, algorithm, public_jwk, private_key, now }, None)
                if *self == Self::None =>
            {
                let private_key = Personal::about(Subject::signing_key(&kid), private_key);
                SigningKeyEvent::Staged { algorithm, public_jwk, private_key, staged_at: now }
            }
            (SigningKeyCommand::Stage { .. }, _) => return Err(SigningKeyRefusal::AlreadyStaged),
            (SigningKeyCommand::Activate { now }, Some(KeyStatus::Staged)) => SigningKeyEvent::Activated { at: now },
            (SigningKeyCommand::Retire { now }, Some(KeyStatus::Active | KeyStatus::Staged)) => {
                SigningKeyEvent::Retired { at: now }
            }
            (SigningKeyCommand::Remove { now }, Some(KeyStatus::Retired)) => SigningKeyEvent::Removed { at: now },
            (
                SigningKeyCommand::Activate { .. }
                | SigningKeyCommand::Retire { .. }
                | SigningKeyCommand::Remove { .. },
                _,
            ) => return Err(SigningKeyRefusal::WrongState),
        };
        Ok(vec![event])
    }

    fn evolve(&mut self, event: SigningKeyEvent) {
        match (event, self) {
            (SigningKeyEvent::Staged { algorithm, public_jwk, private_key, .. }, state) => {
                *state = Self::Held { algorithm, status: KeyStatus::Staged, public_jwk, private_key };
            }
            (SigningKeyEvent::Activated { .. }, Self::Held { status, .. }) => *status = KeyStatus::Active,
            (SigningKeyEvent::Retired { .. }, Self::Held { status, .. }) => *status = KeyStatus::Retired,
            (SigningKeyEvent::Removed { .. }, state) => *state = Self::Removed,
            (SigningKeyEvent::Activated { .. } | SigningKeyEvent::Retired { .. }, Self::None | Self::Removed) => {}
        }
    }
}

impl StoredEvent for SigningKeyEvent {
    const AGGREGATE: &'static str = "signing_key";

    fn name(&self) -> &'static str {
        match self {
            Self::Staged { .. } => "signing_key.staged",
            Self::Activated { .. } => "signing_key.activated",
            Self::Retired { .. } => "signing_key.retired",
            Self::Removed { .. } => "signing_key.removed",
        }
    }
}

domain_event!(SigningKeyEvent);
