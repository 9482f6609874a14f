//! Who acted.

use std::fmt;
use std::str::FromStr;

use crate::ids::{ApiKeyId, ClientId, UserId};

/// Who caused an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person in a browser session.
    User(UserId),
    /// A person's API key.
    ApiKey(UserId, ApiKeyId),
    /// An OAuth client that authenticated itself, or a public one that named itself.
    Client(ClientId),
    /// Someone with a shell on the server.
    Operator,
    /// Chancery itself: schedules, clean-up, reactions.
    System,
    /// A visitor nobody could name.
    Visitor,
}

impl Actor {
    /// The person behind the act, if it was one.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::User(id) | Self::ApiKey(id, _) => Some(*id),
            Self::Client(_) | Self::Operator | Self::System | Self::Visitor => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::ApiKey(id, key) => write!(f, "api_key:{id}:{key}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
            Self::Visitor => f.write_str("visitor"),
        }
    }
}

/// The text names no actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an actor")]
pub struct InvalidActor;

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let actor = match kind {
            "user" => Self::User(rest.parse().map_err(|_| InvalidActor)?),
            "api_key" => {
                let (user, key) = rest.split_once(':').ok_or(InvalidActor)?;
                let user = user.parse().map_err(|_| InvalidActor)?;
                Self::ApiKey(user, key.parse().map_err(|_| InvalidActor)?)
            }
            "client" => Self::Client(rest.parse().map_err(|_| InvalidActor)?),
            "operator" => Self::Operator,
            "system" => Self::System,
            "visitor" => Self::Visitor,
            _ => return Err(InvalidActor),
        };
        Ok(actor)
    }
}
