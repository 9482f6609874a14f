//! `/admin`: how the instance is, in figures from the record, and what happened last.

use askama::Template;

use super::frame::{Frame, Tone};
use super::parts::Figure;
use super::roll::Roll;

#[derive(Clone, Debug, Template)]
#[template(path = "house/overview.html")]
pub struct Overview {
    pub frame: Frame,
    pub figures: Vec<Figure>,
    pub health: Vec<Health>,
    /// Steps that a new instance still has before it: what to do, and where.
    pub next_steps: Vec<(String, String)>,
    pub latest: Roll,
}

/// How one part of the instance is.
#[derive(Clone, Debug)]
pub struct Health {
    pub tone: Tone,
    pub part: String,
    pub says: String,
}
