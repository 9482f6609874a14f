//! `/admin/history/{position}`: one event as it is stored, its sealed members opened for whoever may read them.

use askama::Template;

use super::frame::Frame;
use super::roll::Roll;

#[derive(Clone, Debug, Template)]
#[template(path = "house/raw_event.html")]
pub struct RawEvent {
    pub frame: Frame,
    pub position: String,
    /// The stored name, `aggregate.event`, with its version.
    pub name: String,
    /// The same event as a sentence.
    pub sentence: Roll,
    pub facts: Vec<Fact>,
    pub payload: String,
    pub metadata: String,
    /// The neighbors on the log.
    pub previous: Option<String>,
    pub next: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Fact {
    pub label: String,
    pub value: String,
    pub href: Option<String>,
}
