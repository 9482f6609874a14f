use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::settings::ClientSettings;
use crate::digest::Digest;
use crate::domain_event;
use crate::event::StoredEvent;
use crate::ids::{ClientSecretId, GroupId};

/// What happened to a relying party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClientEvent {
    #[serde(rename = "client.registered")]
    Registered { settings: ClientSettings },
    #[serde(rename = "client.changed")]
    Changed { before: Box<ClientSettings>, after: Box<ClientSettings> },
    #[serde(rename = "client.secret_added")]
    SecretAdded {
        secret_id: ClientSecretId,
        /// The first characters, by which people tell secrets apart.
        prefix: String,
        digest: Digest,
        #[serde(with = "time::serde::rfc3339::option")]
        expires_at: Option<OffsetDateTime>,
    },
    #[serde(rename = "client.secret_removed")]
    SecretRemoved {
        secret_id: ClientSecretId,
        /// By which people knew it; absent in older events.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
    },
    /// Which groups may use it while it is restricted.
    #[serde(rename = "client.access_restricted")]
    AccessRestricted { before: Vec<GroupId>, after: Vec<GroupId> },
    #[serde(rename = "client.disabled")]
    Disabled,
    #[serde(rename = "client.enabled")]
    Enabled,
    #[serde(rename = "client.deleted")]
    Deleted,
}

impl StoredEvent for ClientEvent {
    const AGGREGATE: &'static str = "client";

    fn name(&self) -> &'static str {
        match self {
            Self::Registered { .. } => "client.registered",
            Self::Changed { .. } => "client.changed",
            Self::SecretAdded { .. } => "client.secret_added",
            Self::SecretRemoved { .. } => "client.secret_removed",
            Self::AccessRestricted { .. } => "client.access_restricted",
            Self::Disabled => "client.disabled",
            Self::Enabled => "client.enabled",
            Self::Deleted => "client.deleted",
        }
    }
}

domain_event!(ClientEvent);
