//! `/admin/apps`: the apps that may ask who someone is (relying parties). Searched by `search`, paged by `page`.

use askama::Template;

use super::frame::Frame;
use super::parts::{Pages, When};

#[derive(Clone, Debug, Template)]
#[template(path = "house/clients.html")]
pub struct Clients {
    pub frame: Frame,
    pub search: String,
    pub clients: Vec<ClientRow>,
    pub pages: Pages,
}

#[derive(Clone, Debug)]
pub struct ClientRow {
    pub id: String,
    pub name: String,
    pub letter: String,
    /// "Everyone" or "family, editors".
    pub audience: String,
    pub is_disabled: bool,
    /// How many of its settings are weaker than they could be.
    pub warnings: usize,
    pub last_used: Option<When>,
}
