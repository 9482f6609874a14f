//! `/admin/people`: everyone who has an account. Searched by `search`, paged by `page`.

use askama::Template;

use super::frame::Frame;
use super::parts::{Pages, Portrait, When};

#[derive(Clone, Debug, Template)]
#[template(path = "house/people.html")]
pub struct People {
    pub frame: Frame,
    pub search: String,
    pub people: Vec<PersonRow>,
    pub pages: Pages,
}

#[derive(Clone, Debug)]
pub struct PersonRow {
    pub id: String,
    pub name: String,
    pub portrait: Portrait,
    pub username: String,
    pub email: Option<String>,
    pub is_admin: bool,
    pub is_disabled: bool,
    /// "2 passkeys"; "No passkey yet" asks for an enrollment link.
    pub passkeys: String,
    pub has_passkey: bool,
    pub last_sign_in: Option<When>,
}
