//! `/admin/diagnostics`: how this very request came here, hop by hop, and what places are known by.

use askama::Template;

use super::frame::{Frame, Notice, Tone};
use super::raw_event::Fact;

#[derive(Clone, Debug, Template)]
#[template(path = "house/diagnostics.html")]
pub struct Diagnostics {
    pub frame: Frame,
    /// The visitor's address, as every record of this request has it.
    pub address: String,
    /// "Stockholm, SE", or why there is none.
    pub place: String,
    /// From the connection outwards.
    pub hops: Vec<Hop>,
    /// What to change, if something looks wrong.
    pub advice: Vec<Notice>,
    pub headers: Vec<Header>,
    pub places: Vec<Fact>,
}

/// A step on the way to the visitor.
#[derive(Clone, Debug)]
pub struct Hop {
    pub told_by: String,
    pub address: String,
    pub tone: Tone,
    pub verdict: String,
}

/// A header that proxies set, and whether it counts.
#[derive(Clone, Debug)]
pub struct Header {
    pub name: String,
    pub value: String,
    pub counts: bool,
    pub says: String,
}
