//! The operator's key from which everything that is sealed hangs, named by its fingerprint: one stream a key.
//!
//! A key takes the place of another while nodes run. The record tells when that began, and when nothing was left under the
//! key before it; the keys themselves are never in the log.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::decider::Decider;
use crate::domain_event;
use crate::event::StoredEvent;

/// What happened to an encryption key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncryptionKeyEvent {
    #[serde(rename = "encryption_key.rotation_started")]
    RotationStarted {
        /// The fingerprint of the key whose place it takes.
        replaces: String,
    },
    #[serde(rename = "encryption_key.rotation_finished")]
    RotationFinished {
        /// The fingerprint of the key that is needed no more.
        replaces: String,
        /// Data keys that are sealed under it.
        sealed: u64,
    },
}

/// What may be asked of an encryption key.
#[derive(Clone, Debug)]
pub enum EncryptionKeyCommand {
    StartRotation { replaces: String },
    FinishRotation { sealed: u64 },
}

/// Why an encryption key refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionKeyRefusal {
    #[error("no rotation to this key is under way")]
    NotRotating,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncryptionKey {
    #[default]
    Settled,
    Rotating {
        replaces: String,
    },
}

impl Decider for EncryptionKey {
    const TYPE: &'static str = EncryptionKeyEvent::AGGREGATE;
    type Command = EncryptionKeyCommand;
    type Event = EncryptionKeyEvent;
    type Refusal = EncryptionKeyRefusal;

    fn decide(&self, command: EncryptionKeyCommand) -> Result<Vec<EncryptionKeyEvent>, EncryptionKeyRefusal> {
        Ok(match (command, self) {
            (EncryptionKeyCommand::StartRotation { replaces }, Self::Settled) => {
                vec![EncryptionKeyEvent::RotationStarted { replaces }]
            }
            // It was interrupted, and goes on.
            (EncryptionKeyCommand::StartRotation { .. }, Self::Rotating { .. }) => Vec::new(),
            (EncryptionKeyCommand::FinishRotation { sealed }, Self::Rotating { replaces }) => {
                vec![EncryptionKeyEvent::RotationFinished { replaces: replaces.clone(), sealed }]
            }
            (EncryptionKeyCommand::FinishRotation { .. }, Self::Settled) => {
                return Err(EncryptionKeyRefusal::NotRotating);
            }
        })
    }

    fn evolve(&mut self, event: EncryptionKeyEvent) {
        *self = match event {
            EncryptionKeyEvent::RotationStarted { replaces } => Self::Rotating { replaces },
            EncryptionKeyEvent::RotationFinished { .. } => Self::Settled,
        };
    }
}

impl StoredEvent for EncryptionKeyEvent {
    const AGGREGATE: &'static str = "encryption_key";

    fn name(&self) -> &'static str {
        match self {
            Self::RotationStarted { .. } => "encryption_key.rotation_started",
            Self::RotationFinished { .. } => "encryption_key.rotation_finished",
        }
    }
}

domain_event!(EncryptionKeyEvent);
