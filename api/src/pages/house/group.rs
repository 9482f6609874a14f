//! `/admin/groups/new` and `/admin/groups/{id}`: a group, its members, and what apps learn of it.
//!
//! Names post `seen` (what they were filled in from), `friendly_name` and `name` to the page itself. Below it: `members` (`username`),
//! `members/{user_id}/remove`, `claims`; and, asked again, `delete`.

use askama::Template;

use super::claims::ClaimsForm;
use super::form::{Choice, Field};
use super::frame::Frame;
use super::parts::{Pages, Portrait};

#[derive(Clone, Debug, Template)]
#[template(path = "house/group.html")]
pub struct GroupPage {
    pub frame: Frame,
    pub id: String,
    pub title: String,
    /// Its name for apps.
    pub known_as: String,
    pub seen: String,
    pub friendly_name: Field,
    pub name: Field,
    pub members: Vec<Member>,
    pub pages: Pages,
    /// Usernames to choose from, with the person's name.
    pub candidates: Vec<Choice>,
    pub new_member: Field,
    /// The apps that only this group and others like it may use: name and id.
    pub apps: Vec<(String, String)>,
    pub claims: ClaimsForm,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub id: String,
    pub name: String,
    pub portrait: Portrait,
    pub username: String,
}

#[derive(Clone, Debug, Template)]
#[template(path = "house/new_group.html")]
pub struct NewGroup {
    pub frame: Frame,
    pub friendly_name: Field,
    pub name: Field,
}
