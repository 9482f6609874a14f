//! `/admin/diagnostics`: how this very request came here, hop by hop, and who failed of late, and what places are known by.

use askama::Template;

use super::frame::{Frame, Notice, Tone};
use super::raw_event::Fact;

#[derive(Clone, Debug, Template)]
#[template(path = "house/diagnostics.html")]
pub struct Diagnostics {
    pub frame: Frame,
    /// The visitor's address, as every record of this request has it.
    pub address: String,
    /// "Stockholm, Sweden", or why there is none.
    pub place: String,
    /// From the connection outwards.
    pub hops: Vec<Hop>,
    /// What to change, if something looks wrong.
    pub advice: Vec<Notice>,
    pub headers: Vec<Header>,
    /// Who failed to prove who they are within the last minutes.
    pub failed: Vec<Failed>,
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

/// What somebody has used of the failures that they are allowed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// At what.
    pub what: String,
    pub network: String,
    pub tone: Tone,
    /// "Refused until 12:00:15 UTC", "3 of 20".
    pub state: String,
}
