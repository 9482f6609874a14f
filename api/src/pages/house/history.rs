//! `/admin/history`: every act on the record, newest first.
//!
//! Filtered by the query's `text`, `person`, `app`, `kind`, `place`, `from` and `to`; paged by position with `before`
//! and `after`.

use askama::Template;

use super::filters::Filters;
use super::frame::{Frame, Notice};
use super::map::Map;
use super::parts::Figure;
use super::roll::Roll;

#[derive(Clone, Debug, Template)]
#[template(path = "house/history.html")]
pub struct History {
    pub frame: Frame,
    /// "3 March 2026"
    pub since: String,
    /// "Proven to 48,211 · 14 s ago"
    pub proven: Option<String>,
    pub map: Map,
    pub figures: Vec<Figure>,
    /// That the view lags behind, or that a projection has stopped.
    pub lag: Option<Notice>,
    pub filters: Filters,
    pub roll: Roll,
}
