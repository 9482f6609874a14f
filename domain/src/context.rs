//! The circumstances of a command, recorded with each of its events.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::actor::Actor;
use crate::personal::Personal;

/// Who acted, from where, and because of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    pub actor: Actor,
    /// One for all that a single request caused.
    pub correlation_id: Uuid,
    /// The event that this command reacts to.
    pub causation_id: Option<Uuid>,
    /// W3C Trace Context `traceparent`.
    pub traceparent: Option<String>,
    /// Country of the client address as ISO 3166-1 alpha-2. It stays readable after an erasure.
    pub country: Option<String>,
    /// Address, user agent and place: personal, sealed under the actor's key or the month's visitors' key.
    pub origin: Option<Personal<Origin>>,
}

/// Where a request came from, as known at that moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub address: IpAddr,
    pub user_agent: Option<String>,
    pub place: Place,
}

/// What the geo-location database said about an address when the event was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Place {
    /// Loopback, private, link-local, shared or operator-named ranges: nowhere on the map.
    Internal { network: String },
    /// No database, or the database does not know the address.
    Unknown,
    Found {
        country: Option<String>,
        country_name: Option<String>,
        city: Option<String>,
        latitude: Option<f64>,
        longitude: Option<f64>,
        /// Kilometers around the point.
        accuracy_radius: Option<u16>,
        /// Build date of the database, seconds since the Unix epoch.
        database_built_at: u64,
    },
}

impl Place {
    /// ISO 3166-1 alpha-2, where it is known.
    pub fn country(&self) -> Option<String> {
        match self {
            Self::Found { country, .. } => country.clone(),
            Self::Internal { .. } | Self::Unknown => None,
        }
    }
}

impl Context {
    /// A context without a request: a schedule, a reaction, the command line.
    pub fn internal(actor: Actor, correlation_id: Uuid) -> Self {
        Self { actor, correlation_id, causation_id: None, traceparent: None, country: None, origin: None }
    }

    /// The same circumstances with another actor, under whose key the origin is then sealed.
    pub fn acting_as(mut self, actor: Actor) -> Self {
        self.origin = match (self.origin, actor.user()) {
            (Some(Personal::Known { value, .. }), Some(user)) => Some(Personal::of(user, value)),
            (origin, _) => origin,
        };
        self.actor = actor;
        self
    }

    /// The flat text map that cqrs-es keeps as an event's metadata. `origin` holds JSON that the vault seals.
    pub fn to_metadata(&self) -> HashMap<String, String> {
        let mut map = HashMap::from([
            ("actor".to_owned(), self.actor.to_string()),
            ("correlation_id".to_owned(), self.correlation_id.to_string()),
        ]);
        let mut put = |key: &str, value: Option<String>| value.and_then(|value| map.insert(key.to_owned(), value));
        put("causation_id", self.causation_id.map(|id| id.to_string()));
        put("traceparent", self.traceparent.clone());
        put("country", self.country.clone());
        put("origin", self.origin.as_ref().and_then(|origin| serde_json::to_string(origin).ok()));
        map
    }

    /// Reads what [`Context::to_metadata`] wrote; members it does not know are ignored.
    ///
    /// # Errors
    /// `None` where the actor or the correlation id is missing or malformed.
    pub fn from_metadata(map: &HashMap<String, String>) -> Option<Self> {
        Some(Self {
            actor: map.get("actor")?.parse().ok()?,
            correlation_id: map.get("correlation_id")?.parse().ok()?,
            causation_id: map.get("causation_id").and_then(|id| id.parse().ok()),
            traceparent: map.get("traceparent").cloned(),
            country: map.get("country").cloned(),
            origin: map.get("origin").and_then(|text| serde_json::from_str(text).ok()),
        })
    }
}
