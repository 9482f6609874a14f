//! What happened, as a sentence in parts that a person would say.
//!
//! People, apps, groups, passkeys and API keys stand in it by their ids, with a name only where the event itself holds
//! one: the view must come out equal however late it is rebuilt. `told` fills in the names of the day.

use chancery_domain::actor::Actor;
use chancery_domain::ids::{ApiKeyId, ClientId, GroupId, PasskeyId, UserId};
use chancery_domain::{Event, Recorded};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;
use uuid::Uuid;

use super::whom::Whom;
use super::{apps, people, sign_ins};

/// A sentence, and what changed from what to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    pub parts: Vec<Part>,
    pub changes: Vec<Change>,
}

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Text(String),
    /// A name or value that stands out and leads nowhere.
    Strong(String),
    Thing {
        #[serde(flatten)]
        thing: Thing,
        /// Only where the event itself holds it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        name: Option<String>,
    },
}

/// What a part leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Thing {
    Person(UserId),
    App(ClientId),
    Group(GroupId),
    Passkey(PasskeyId),
    ApiKey(ApiKeyId),
}

/// One setting that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub what: String,
    pub before: Vec<Part>,
    pub after: Vec<Part>,
}

impl Sentence {
    /// The sentence of an event. `whom` names the person and the app where the event itself does not.
    pub(super) fn of(recorded: &Recorded, whom: &Whom) -> Self {
        let by = by(&recorded.context.actor);
        let mut sentence = match &recorded.event {
            Event::User(event) => people::user(event, recorded, whom, by),
            Event::Enrollment(event) => people::enrollment(event, whom, by),
            Event::ApiKey(event) => people::api_key(event, &recorded.aggregate_id, by),
            Event::Session(event) => sign_ins::session(event, whom, &recorded.context.actor, by),
            Event::SignInAttempt(event) => sign_ins::attempt(event),
            Event::Client(event) => apps::client(event, whom, by),
            Event::Consent(event) => apps::consent(event, whom, &recorded.context.actor, by),
            Event::Grant(event) => apps::grant(event, whom),
            Event::Group(event) => apps::group(event, &recorded.aggregate_id, by),
            Event::EncryptionKey(event) => apps::encryption_key(event, &recorded.aggregate_id, by),
            Event::SigningKey(event) => apps::signing_key(event, &recorded.aggregate_id, &recorded.context.actor, by),
        };
        // Not for the account of STATIC_API_KEY, which is its key.
        if let Actor::ApiKey(_, key) = recorded.context.actor
            && !key.0.is_nil()
        {
            sentence.parts.extend([text(", through "), thing(Thing::ApiKey(key))]);
        }
        sentence
    }

    pub(super) fn with(mut self, changes: Vec<Change>) -> Self {
        self.changes = changes;
        self
    }

    /// Every word the event itself holds, in lower case.
    pub fn words(&self) -> String {
        let changed = self.changes.iter().flat_map(|Change { what, before, after }| {
            std::iter::once(what.as_str()).chain(before.iter().chain(after).filter_map(Part::word))
        });
        let words: Vec<&str> =
            self.parts.iter().filter_map(Part::word).chain(changed).flat_map(str::split_whitespace).collect();
        words.join(" ").to_lowercase()
    }
}

impl<const N: usize> From<[Part; N]> for Sentence {
    fn from(parts: [Part; N]) -> Self {
        Self { parts: parts.into(), changes: Vec::new() }
    }
}

impl From<Vec<Part>> for Sentence {
    fn from(parts: Vec<Part>) -> Self {
        Self { parts, changes: Vec::new() }
    }
}

impl Part {
    fn word(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Strong(text) => Some(text),
            Self::Thing { name, .. } => name.as_deref(),
        }
    }
}

impl Thing {
    pub(super) fn parse(kind: &str, id: &str) -> Option<Self> {
        match kind {
            "person" => id.parse().ok().map(Self::Person),
            "app" => id.parse().ok().map(Self::App),
            "group" => id.parse().ok().map(Self::Group),
            "passkey" => id.parse().ok().map(Self::Passkey),
            "api_key" => id.parse().ok().map(Self::ApiKey),
            _ => None,
        }
    }

    pub(super) fn uuid(&self) -> Option<Uuid> {
        match self {
            Self::Person(UserId(id))
            | Self::Group(GroupId(id))
            | Self::Passkey(PasskeyId(id))
            | Self::ApiKey(ApiKeyId(id)) => Some(*id),
            Self::App(_) => None,
        }
    }

    pub(super) fn client(&self) -> Option<&str> {
        match self {
            Self::App(id) => Some(id.as_str()),
            Self::Person(_) | Self::Group(_) | Self::Passkey(_) | Self::ApiKey(_) => None,
        }
    }

    /// The id in text.
    pub fn id(&self) -> String {
        match self {
            Self::Person(id) => id.to_string(),
            Self::App(id) => id.to_string(),
            Self::Group(id) => id.to_string(),
            Self::Passkey(id) => id.to_string(),
            Self::ApiKey(id) => id.to_string(),
        }
    }
}

/// Who acted, as the beginning of a sentence.
fn by(actor: &Actor) -> Part {
    match actor {
        Actor::User(id) | Actor::ApiKey(id, _) => person(*id),
        Actor::Client(id) => app(id),
        Actor::Operator => text("Somebody on the server"),
        Actor::System => text("Chancery"),
        Actor::Visitor => text("Somebody"),
    }
}

pub(super) fn text(text: impl Into<String>) -> Part {
    Part::Text(text.into())
}

pub(super) fn strong(text: impl Into<String>) -> Part {
    Part::Strong(text.into())
}

pub(super) fn thing(thing: Thing) -> Part {
    Part::Thing { thing, name: None }
}

pub(super) fn named(thing: Thing, name: &str) -> Part {
    Part::Thing { thing, name: Some(name.to_owned()) }
}

/// "3 March 2026"
pub(super) fn day(at: OffsetDateTime) -> String {
    at.format(format_description!("[day padding:none] [month repr:long] [year]")).unwrap_or_default()
}

pub(super) fn person(id: UserId) -> Part {
    thing(Thing::Person(id))
}

pub(super) fn app(id: &ClientId) -> Part {
    thing(Thing::App(id.clone()))
}

pub(super) fn passkey(id: PasskeyId) -> Part {
    thing(Thing::Passkey(id))
}
