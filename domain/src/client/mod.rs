//! A relying party (RFC 6749 §2): its settings, its secrets, who may use it, its end.
//!
//! The stream is named by the client id. A deleted client's id is never given again, so no token or consent of the old
//! one can ever count for a new one.

mod event;
mod settings;
#[cfg(test)]
mod tests;

pub use event::ClientEvent;
use serde::{Deserialize, Serialize};
pub use settings::{ACCESS_TOKEN_SECONDS, ClientSettings, REFRESH_TOKEN_SECONDS};
use time::OffsetDateTime;

use crate::decider::Decider;
use crate::digest::Digest;
use crate::event::StoredEvent;
use crate::field::{FieldError, clauses};
use crate::ids::{ClientSecretId, GroupId};

const MAX_SECRETS: usize = 20;
/// Begins every secret made here, so that a leaked one can be found.
pub const SECRET_PREFIX: &str = "chs_";

/// What may be asked of a client.
#[derive(Clone, Debug)]
pub enum ClientCommand {
    Register {
        settings: ClientSettings,
    },
    Change {
        settings: ClientSettings,
    },
    AddSecret {
        secret_id: ClientSecretId,
        prefix: String,
        digest: Digest,
        expires_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    },
    RemoveSecret {
        secret_id: ClientSecretId,
    },
    RestrictAccess {
        groups: Vec<GroupId>,
    },
    Disable,
    Enable,
    Delete,
}

/// Why a client refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefusal {
    #[error("this client id is taken, or was once")]
    AlreadyRegistered,
    #[error("there is no such client")]
    Unknown,
    #[error("{}", clauses(.0))]
    Settings(Vec<FieldError>),
    #[error("a public client has no secrets")]
    PublicClient,
    #[error("a client has 20 secrets at most")]
    TooManySecrets,
    #[error("the end must lie in the future")]
    BadExpiration,
    #[error("there is no such secret")]
    NoSuchSecret,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Client {
    #[default]
    NotRegistered,
    Registered(Box<Registered>),
    Deleted,
}

/// A client that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    pub settings: ClientSettings,
    pub secrets: Vec<ClientSecret>,
    pub groups: Vec<GroupId>,
    pub disabled: bool,
}

/// A secret of a client, as it may be shown for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    pub id: ClientSecretId,
    pub prefix: String,
}

impl Decider for Client {
    const TYPE: &'static str = ClientEvent::AGGREGATE;
    type Command = ClientCommand;
    type Event = ClientEvent;
    type Refusal = ClientRefusal;

    fn decide(&self, command: ClientCommand) -> Result<Vec<ClientEvent>, ClientRefusal> {
        match (self, command) {
            (Self::NotRegistered, ClientCommand::Register { settings }) => {
                settings.check().map_err(ClientRefusal::Settings)?;
                Ok(vec![ClientEvent::Registered { settings }])
            }
            (_, ClientCommand::Register { .. }) => Err(ClientRefusal::AlreadyRegistered),
            (Self::Registered(client), command) => client.decide(command),
            (Self::NotRegistered | Self::Deleted, _) => Err(ClientRefusal::Unknown),
        }
    }

    fn evolve(&mut self, event: ClientEvent) {
        match (event, self) {
            (ClientEvent::Registered { settings }, state) => {
                let registered = Registered { settings, secrets: Vec::new(), groups: Vec::new(), disabled: false };
                *state = Self::Registered(Box::new(registered));
            }
            (ClientEvent::Deleted, state) => *state = Self::Deleted,
            (event, Self::Registered(client)) => client.evolve(event),
            (_, Self::NotRegistered | Self::Deleted) => {}
        }
    }
}

impl Registered {
    fn decide(&self, command: ClientCommand) -> Result<Vec<ClientEvent>, ClientRefusal> {
        match command {
            ClientCommand::Register { .. } => Err(ClientRefusal::AlreadyRegistered),
            ClientCommand::Change { settings } => {
                settings.check().map_err(ClientRefusal::Settings)?;
                if settings == self.settings {
                    return Ok(Vec::new());
                }
                let (before, after) = (Box::new(self.settings.clone()), Box::new(settings));
                Ok(vec![ClientEvent::Changed { before, after }])
            }
            ClientCommand::AddSecret { secret_id, prefix, digest, expires_at, now } => {
                if self.settings.is_public {
                    return Err(ClientRefusal::PublicClient);
                }
                if self.secrets.len() >= MAX_SECRETS {
                    return Err(ClientRefusal::TooManySecrets);
                }
                if expires_at.is_some_and(|at| at <= now) {
                    return Err(ClientRefusal::BadExpiration);
                }
                Ok(vec![ClientEvent::SecretAdded { secret_id, prefix, digest, expires_at }])
            }
            ClientCommand::RemoveSecret { secret_id } => {
                let secret = self.secrets.iter().find(|secret| secret.id == secret_id);
                let prefix = Some(secret.ok_or(ClientRefusal::NoSuchSecret)?.prefix.clone());
                Ok(vec![ClientEvent::SecretRemoved { secret_id, prefix }])
            }
            ClientCommand::RestrictAccess { mut groups } => {
                groups.sort_unstable();
                groups.dedup();
                let unchanged = groups == self.groups;
                let restricted = ClientEvent::AccessRestricted { before: self.groups.clone(), after: groups };
                Ok(if unchanged { Vec::new() } else { vec![restricted] })
            }
            ClientCommand::Disable => Ok(if self.disabled { Vec::new() } else { vec![ClientEvent::Disabled] }),
            ClientCommand::Enable => Ok(if self.disabled { vec![ClientEvent::Enabled] } else { Vec::new() }),
            ClientCommand::Delete => Ok(vec![ClientEvent::Deleted]),
        }
    }

    fn evolve(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Registered { .. } | ClientEvent::Deleted => {}
            ClientEvent::Changed { after, .. } => self.settings = *after,
            ClientEvent::SecretAdded { secret_id, prefix, .. } => {
                self.secrets.push(ClientSecret { id: secret_id, prefix })
            }
            ClientEvent::SecretRemoved { secret_id, .. } => self.secrets.retain(|secret| secret.id != secret_id),
            ClientEvent::AccessRestricted { after, .. } => self.groups = after,
            ClientEvent::Disabled => self.disabled = true,
            ClientEvent::Enabled => self.disabled = false,
        }
    }
}
