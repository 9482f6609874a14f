//! Events across aggregates: one type for the log, the views and the audit history.

use cqrs_es::DomainEvent;
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::api_key::ApiKeyEvent;
use crate::claim::ClaimChange;
use crate::client::ClientEvent;
use crate::consent::ConsentEvent;
use crate::context::Context;
use crate::encryption_key::EncryptionKeyEvent;
use crate::enrollment::EnrollmentEvent;
use crate::grant::GrantEvent;
use crate::group::GroupEvent;
use crate::session::SessionEvent;
use crate::sign_in_attempt::SignInAttemptEvent;
use crate::signing_key::SigningKeyEvent;
use crate::user::UserEvent;

/// What every aggregate's event type offers to the log.
pub trait StoredEvent: DomainEvent {
    /// The aggregate's stored name.
    const AGGREGATE: &'static str;

    /// The stable stored name, `aggregate.event`. It never changes and is never reused.
    fn name(&self) -> &'static str;

    /// The stored version; it grows when the meaning of a member changes, together with an upcast.
    fn version(&self) -> u16 {
        1
    }

    /// The uniqueness claims that this event takes or gives up.
    fn claims(&self) -> Vec<ClaimChange> {
        Vec::new()
    }
}

/// Implements cqrs-es's `DomainEvent` by [`StoredEvent`] for the aggregates' event types.
#[macro_export]
macro_rules! domain_event {
    ($event:ty) => {
        impl cqrs_es::DomainEvent for $event {
            fn event_type(&self) -> String {
                $crate::event::StoredEvent::name(self).to_owned()
            }

            fn event_version(&self) -> String {
                $crate::event::StoredEvent::version(self).to_string()
            }
        }
    };
}

macro_rules! events {
    ($($variant:ident($event:ty)),+ $(,)?) => {
        /// Any event of the log.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event {
            $($variant($event),)+
        }

        $(impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$variant(event)
            }
        })+

        impl Event {
            /// Reads a stored, unsealed and upcast payload.
            ///
            /// # Errors
            /// [`UnreadableEvent`] for an aggregate this release does not know, or a payload of another shape.
            pub fn decode(aggregate_type: &str, payload: &Value) -> Result<Self, UnreadableEvent> {
                match aggregate_type {
                    $(<$event>::AGGREGATE => read::<$event>(payload).map(Self::$variant),)+
                    other => Err(UnreadableEvent::UnknownAggregate(other.to_owned())),
                }
            }

            /// The aggregate's stored name.
            pub fn aggregate_type(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$event>::AGGREGATE,)+
                }
            }

            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(event) => event.name(),)+
                }
            }

            pub fn claims(&self) -> Vec<ClaimChange> {
                match self {
                    $(Self::$variant(event) => event.claims(),)+
                }
            }
        }
    };
}

events! {
    ApiKey(ApiKeyEvent),
    Client(ClientEvent),
    Consent(ConsentEvent),
    EncryptionKey(EncryptionKeyEvent),
    Enrollment(EnrollmentEvent),
    Grant(GrantEvent),
    Group(GroupEvent),
    Session(SessionEvent),
    SignInAttempt(SignInAttemptEvent),
    SigningKey(SigningKeyEvent),
    User(UserEvent),
}

fn read<E: DeserializeOwned>(payload: &Value) -> Result<E, UnreadableEvent> {
    E::deserialize(payload).map_err(|error| UnreadableEvent::Malformed(error.to_string()))
}

/// A stored event that this release cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableEvent {
    #[error("unknown aggregate {0}")]
    UnknownAggregate(String),
    #[error("malformed payload: {0}")]
    Malformed(String),
}

/// An event in its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Dense, from 1, in commit order. Position, not time, is the order.
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_id: String,
    pub sequence: i64,
    /// By the database's clock, never before the previous event's.
    pub recorded_at: OffsetDateTime,
    pub context: Context,
    pub event: Event,
}

/// Asserts that events are stored as `stored` and under their names, and that reading gives them back.
#[cfg(test)]
pub(crate) fn assert_stored_form<E: StoredEvent>(events: &[E], stored: Value) {
    assert_eq!(serde_json::to_value(events).unwrap(), stored);
    let names: Vec<_> = events.iter().map(StoredEvent::name).collect();
    let tags: Vec<_> = stored.as_array().unwrap().iter().map(tag).collect();
    assert_eq!(names, tags);
    assert!(names.iter().all(|name| name.starts_with(&format!("{}.", E::AGGREGATE))));
    assert_eq!(serde_json::from_value::<Vec<E>>(stored).unwrap(), events);
}

#[cfg(test)]
fn tag(stored: &Value) -> String {
    match stored {
        Value::String(tag) => tag.clone(),
        other => other.as_object().unwrap().keys().next().unwrap().clone(),
    }
}
