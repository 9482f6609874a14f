//! What a person allowed an app to know and do. The stream is named `user:client`.
//!
//! Consent is remembered for each client and scope (OpenID Connect Core §3.1.2.4): a wider request asks again.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::decider::Decider;
use crate::domain_event;
use crate::event::StoredEvent;
use crate::ids::{ClientId, UserId};
use crate::oauth::scope::Scopes;

/// What happened to a consent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ConsentEvent {
    #[serde(rename = "consent.given")]
    Given { user_id: UserId, client_id: ClientId, scopes: Scopes },
    /// `scopes` is all that is allowed now.
    #[serde(rename = "consent.widened")]
    Widened { user_id: UserId, client_id: ClientId, before: Scopes, scopes: Scopes },
    /// Ends the app's grants for this person.
    #[serde(rename = "consent.withdrawn")]
    Withdrawn { user_id: UserId, client_id: ClientId },
}

/// What may be asked of a consent.
#[derive(Clone, Debug)]
pub enum ConsentCommand {
    Give { user_id: UserId, client_id: ClientId, scopes: Scopes },
    Withdraw { user_id: UserId, client_id: ClientId },
}

/// Why it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentRefusal {
    #[error("there is no consent to withdraw")]
    NotGiven,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consent {
    #[default]
    Absent,
    Given {
        scopes: Scopes,
    },
}

/// The stream of a person's consent to an app.
pub fn stream(user: UserId, client: &ClientId) -> String {
    format!("{user}:{client}")
}

impl Decider for Consent {
    const TYPE: &'static str = ConsentEvent::AGGREGATE;
    type Command = ConsentCommand;
    type Event = ConsentEvent;
    type Refusal = ConsentRefusal;

    fn decide(&self, command: ConsentCommand) -> Result<Vec<ConsentEvent>, ConsentRefusal> {
        match (self, command) {
            (Self::Absent, ConsentCommand::Give { user_id, client_id, scopes }) => {
                Ok(vec![ConsentEvent::Given { user_id, client_id, scopes }])
            }
            (Self::Given { scopes: before }, ConsentCommand::Give { scopes, .. }) if before.contains_all(&scopes) => {
                Ok(Vec::new())
            }
            (Self::Given { scopes: before }, ConsentCommand::Give { user_id, client_id, scopes }) => {
                let scopes = before.union(&scopes);
                Ok(vec![ConsentEvent::Widened { user_id, client_id, before: before.clone(), scopes }])
            }
            (Self::Absent, ConsentCommand::Withdraw { .. }) => Err(ConsentRefusal::NotGiven),
            (Self::Given { .. }, ConsentCommand::Withdraw { user_id, client_id }) => {
                Ok(vec![ConsentEvent::Withdrawn { user_id, client_id }])
            }
        }
    }

    fn evolve(&mut self, event: ConsentEvent) {
        *self = match event {
            ConsentEvent::Given { scopes, .. } | ConsentEvent::Widened { scopes, .. } => Self::Given { scopes },
            ConsentEvent::Withdrawn { .. } => Self::Absent,
        };
    }
}

impl StoredEvent for ConsentEvent {
    const AGGREGATE: &'static str = "consent";

    fn name(&self) -> &'static str {
        match self {
            Self::Given { .. } => "consent.given",
            Self::Widened { .. } => "consent.widened",
            Self::Withdrawn { .. } => "consent.withdrawn",
        }
    }
}

domain_event!(ConsentEvent);
