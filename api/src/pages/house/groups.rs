//! `/admin/groups`: all groups. Searched by `search`, paged by `page`.

use askama::Template;

use super::frame::Frame;
use super::parts::Pages;

#[derive(Clone, Debug, Template)]
#[template(path = "house/groups.html")]
pub struct Groups {
    pub frame: Frame,
    pub search: String,
    pub groups: Vec<GroupRow>,
    pub pages: Pages,
}

#[derive(Clone, Debug)]
pub struct GroupRow {
    pub id: String,
    pub friendly_name: String,
    pub name: String,
    /// "3 people"
    pub members: String,
}
