//! `/account/activity`: one's own part of the history.

use askama::Template;

use super::filters::Filters;
use super::frame::Frame;
use super::map::Map;
use super::roll::Roll;

#[derive(Clone, Debug, Template)]
#[template(path = "house/activity.html")]
pub struct Activity {
    pub frame: Frame,
    pub map: Option<Map>,
    pub filters: Filters,
    pub roll: Roll,
}
