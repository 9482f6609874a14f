//! An API key: acts for its owner, with the owner's rights, until it expires or is revoked.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::decider::Decider;
use crate::digest::Digest;
use crate::domain_event;
use crate::event::StoredEvent;
use crate::field::{Bounds, FieldError};
use crate::ids::UserId;

/// Begins every key, so that a leaked one can be found.
pub const PREFIX: &str = "chk_";

pub const NAME: Bounds = Bounds { field: "name", least: 3, most: 50, says: "has 3 to 50 characters" };
const DESCRIPTION: Bounds = Bounds { field: "description", least: 0, most: 1_000, says: "has 1000 characters at most" };

/// What happened to an API key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ApiKeyEvent {
    #[serde(rename = "api_key.created")]
    Created {
        user_id: UserId,
        name: String,
        description: Option<String>,
        digest: Digest,
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    #[serde(rename = "api_key.renewed")]
    Renewed {
        digest: Digest,
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    #[serde(rename = "api_key.revoked")]
    Revoked,
}

/// What may be asked of an API key.
#[derive(Clone, Debug)]
pub enum ApiKeyCommand {
    Create {
        user_id: UserId,
        name: String,
        description: Option<String>,
        digest: Digest,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    },
    /// A new key for an expired one.
    Renew {
        user_id: UserId,
        digest: Digest,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    },
    Revoke {
        user_id: UserId,
    },
}

/// Why an API key refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyRefusal {
    #[error("there is already such a key")]
    AlreadyCreated,
    /// Also for somebody else's key: the two must not be told apart.
    #[error("there is no such key")]
    Unknown,
    #[error("the name of a key {}", .0.message)]
    BadName(FieldError),
    #[error("the description of a key {}", .0.message)]
    BadDescription(FieldError),
    #[error("the end must lie in the future")]
    BadExpiration,
    #[error("the key has not expired yet")]
    NotExpired,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApiKey {
    #[default]
    NotCreated,
    Existing {
        user_id: UserId,
        expires_at: OffsetDateTime,
    },
    Revoked,
}

impl Decider for ApiKey {
    const TYPE: &'static str = ApiKeyEvent::AGGREGATE;
    type Command = ApiKeyCommand;
    type Event = ApiKeyEvent;
    type Refusal = ApiKeyRefusal;

    fn decide(&self, command: ApiKeyCommand) -> Result<Vec<ApiKeyEvent>, ApiKeyRefusal> {
        match command {
            ApiKeyCommand::Create { user_id, name, description, digest, expires_at, now } => {
                if *self != Self::NotCreated {
                    return Err(ApiKeyRefusal::AlreadyCreated);
                }
                let name = NAME.read(&name).map_err(ApiKeyRefusal::BadName)?;
                let description = description.map(|text| DESCRIPTION.read(&text)).transpose();
                let description = description.map_err(ApiKeyRefusal::BadDescription)?;
                in_future(expires_at, now)?;
                Ok(vec![ApiKeyEvent::Created { user_id, name, description, digest, expires_at }])
            }
            ApiKeyCommand::Renew { user_id, digest, expires_at, now } => {
                if now < self.owned_by(user_id)? {
                    return Err(ApiKeyRefusal::NotExpired);
                }
                in_future(expires_at, now)?;
                Ok(vec![ApiKeyEvent::Renewed { digest, expires_at }])
            }
            ApiKeyCommand::Revoke { user_id } => {
                self.owned_by(user_id)?;
                Ok(vec![ApiKeyEvent::Revoked])
            }
        }
    }

    fn evolve(&mut self, event: ApiKeyEvent) {
        match (event, self) {
            (ApiKeyEvent::Created { user_id, expires_at, .. }, state) => {
                *state = Self::Existing { user_id, expires_at };
            }
            (ApiKeyEvent::Renewed { expires_at: renewed, .. }, Self::Existing { expires_at, .. }) => {
                *expires_at = renewed;
            }
            (ApiKeyEvent::Revoked, state) => *state = Self::Revoked,
            (ApiKeyEvent::Renewed { .. }, Self::NotCreated | Self::Revoked) => {}
        }
    }
}

impl ApiKey {
    /// When it expires, to its owner.
    fn owned_by(&self, user: UserId) -> Result<OffsetDateTime, ApiKeyRefusal> {
        match self {
            Self::Existing { user_id, expires_at } if *user_id == user => Ok(*expires_at),
            Self::Existing { .. } | Self::NotCreated | Self::Revoked => Err(ApiKeyRefusal::Unknown),
        }
    }
}

fn in_future(expires_at: OffsetDateTime, now: OffsetDateTime) -> Result<(), ApiKeyRefusal> {
    if expires_at <= now { Err(ApiKeyRefusal::BadExpiration) } else { Ok(()) }
}

impl StoredEvent for ApiKeyEvent {
    const AGGREGATE: &'static str = "api_key";

    fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "api_key.created",
            Self::Renewed { .. } => "api_key.renewed",
            Self::Revoked => "api_key.revoked",
        }
    }
}

domain_event!(ApiKeyEvent);
