//! The roll: the history as sentences, each with its position in the margin, when it was, and where from.
//!
//! The sentences themselves are made elsewhere, from events; this only shows them.

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts::Pages;

#[derive(Clone, Debug, Default, Template)]
#[template(path = "house/roll.html")]
pub struct Roll {
    pub days: Vec<Day>,
    /// Newer and older entries, by position.
    pub pages: Pages,
    /// What is said where there is nothing to show: it teaches the next step.
    pub empty: String,
}

#[derive(Clone, Debug)]
pub struct Day {
    pub label: String,
    pub entries: Vec<Entry>,
}

/// One event.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub position: String,
    pub says: Vec<Word>,
    pub refused: bool,
    /// The time of day.
    pub time: String,
    pub iso: String,
    pub from: Vec<Detail>,
    pub changes: Vec<Change>,
    /// The raw event, for those who may see it.
    pub raw: Option<String>,
}

/// A piece of a sentence; pieces follow each other without space between.
#[derive(Clone, Debug)]
pub enum Word {
    Plain(String),
    /// The name of a person, an app, a passkey.
    Name(String),
    /// A name that has a page of its own.
    Link {
        name: String,
        href: String,
    },
}

/// What is known beside the sentence.
#[derive(Clone, Debug)]
pub enum Detail {
    Plain(String),
    /// An address or an id.
    Mono(String),
    Tag(String),
    GoodTag(String),
    StopTag(String),
    Link {
        says: String,
        href: String,
    },
}

/// What a change made of what was there before.
#[derive(Clone, Debug)]
pub struct Change {
    pub what: String,
    pub before: String,
    pub after: String,
}

impl HtmlSafe for Roll {}
