//! The languages mails are written in. A new one is a module beside `en` with the same function, and a line here.

use chancery_projections::mails::Letter;

use super::{Circle, de, en};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    German,
}

/// A letter, paragraph by paragraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub subject: String,
    pub greeting: String,
    pub says: Vec<String>,
    /// What, and its value: when, on which device, from where.
    pub facts: Vec<(&'static str, String)>,
    /// What the letter's link does.
    pub action: Option<&'static str>,
    /// What to do next.
    pub then: Vec<String>,
    /// Why this mail came.
    pub why: String,
}

impl Language {
    /// By the primary subtag (RFC 5646 §2.2.1); English for whoever did not say, or speaks what nobody has written yet.
    pub fn of(locale: Option<&str>) -> Self {
        let primary = locale.and_then(|locale| locale.split(['-', '_']).next()).unwrap_or_default();
        if primary.eq_ignore_ascii_case("de") { Self::German } else { Self::English }
    }

    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    pub fn words(self, letter: &Letter, circle: Circle<'_>) -> Words {
        match self {
            Self::English => en::words(letter, circle),
            Self::German => de::words(letter, circle),
        }
    }
}
