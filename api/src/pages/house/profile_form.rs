//! The form for a person's profile, on their own page and on an admin's.
//!
//! Posts `seen` (what it was filled in from), `username`, `first_name`, `last_name`, `display_name`, `email`; for admins also `email_verified`, and
//! `is_admin` and `group_ids` (repeated) where the person is new.

use askama::Template;
use askama::filters::HtmlSafe;

use super::form::{Choice, Field};

#[derive(Clone, Debug, Template)]
#[template(path = "house/profile_form.html")]
pub struct ProfileForm {
    pub action: String,
    pub username: Field,
    pub first_name: Field,
    pub last_name: Field,
    pub display_name: Field,
    pub email: Field,
    pub rights: ProfileRights,
    pub seen: String,
}

/// What whoever fills in the form may decide.
#[derive(Clone, Debug)]
pub enum ProfileRights {
    Own,
    Admin { email_verified: bool },
    NewPerson { email_verified: bool, is_admin: bool, groups: Vec<Choice> },
}

impl ProfileForm {
    fn email_verified(&self) -> Option<bool> {
        match self.rights {
            ProfileRights::Own => None,
            ProfileRights::Admin { email_verified } | ProfileRights::NewPerson { email_verified, .. } => {
                Some(email_verified)
            }
        }
    }

    /// Browsers may fill in one's own particulars, never another person's (HTML §4.10.18.7).
    fn autocomplete(&self) -> &'static str {
        match self.rights {
            ProfileRights::Own => "on",
            ProfileRights::Admin { .. } | ProfileRights::NewPerson { .. } => "off",
        }
    }
}

impl HtmlSafe for ProfileForm {}
