//! Personal data inside events.
//!
//! A [`Personal`] value is sealed under the key of its subject before it is stored, and comes back as
//! [`Personal::Erased`] once that key has been destroyed. An event holds at most one for each subject.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::UserId;

/// The member that marks a personal value in an event's JSON; the vault looks for it.
pub const PERSONAL: &str = "$personal";

/// Whose key seals a value: a person, a signing key, or the visitors of a month whom nobody could name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(String);

impl Subject {
    pub fn user(id: UserId) -> Self {
        Self(format!("user:{id}"))
    }

    pub fn signing_key(kid: &str) -> Self {
        Self(format!("signing_key:{kid}"))
    }

    /// Unidentified visitors share one key a month, so that a month can be forgotten as a whole.
    pub fn visitors(at: time::OffsetDateTime) -> Self {
        Self(format!("visitors:{:04}-{:02}", at.year(), u8::from(at.month())))
    }

    /// Whether what is sealed under this subject is a secret of the instance, which nobody is ever shown.
    pub fn is_secret(&self) -> bool {
        self.0.starts_with("signing_key:")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Subject {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A value about a subject, or the gap that erasure left.
#[derive(Clone, PartialEq, Eq)]
pub enum Personal<T> {
    Known { subject: Subject, value: T },
    Erased { subject: Subject },
}

impl<T> Personal<T> {
    pub fn of(user: UserId, value: T) -> Self {
        Self::about(Subject::user(user), value)
    }

    pub fn about(subject: Subject, value: T) -> Self {
        Self::Known { subject, value }
    }

    /// The value, unless it has been erased.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Erased { .. } => None,
        }
    }

    pub fn into_known(self) -> Option<T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Erased { .. } => None,
        }
    }
}

/// What something was and what it became; an operator's change always says both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<T> {
    pub before: T,
    pub after: T,
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known { subject, .. } => write!(f, "Personal({subject}: …)"),
            Self::Erased { subject } => write!(f, "Personal({subject}: erased)"),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Wire<T> {
    #[serde(rename = "$personal")]
    personal: Body<T>,
}

#[derive(Serialize, Deserialize)]
struct Body<T> {
    subject: Subject,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    value: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (subject, value) = match self {
            Self::Known { subject, value } => (subject.clone(), Some(value)),
            Self::Erased { subject } => (subject.clone(), None),
        };
        let personal = Body { subject, value };
        Wire { personal }.serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Body { subject, value } = Wire::<T>::deserialize(deserializer)?.personal;
        Ok(match value {
            Some(value) => Self::Known { subject, value },
            None => Self::Erased { subject },
        })
    }
}
