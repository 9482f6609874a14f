//! `/admin/people/new` and `/admin/people/{id}`: one person, as an administrator sees and changes them.
//!
//! The profile posts to the page itself. Below it: `picture`, `picture/remove`, `groups` (`seen`, and `group_ids`, repeated), `claims`, `enrollment-link`,
//! `revoke-link`, `enable`, `sessions/{id}/end`, `sessions/end-all`; and, asked again, `grant-admin`, `revoke-admin`, `disable`,
//! `passkeys/{id}/restore`, `passkeys/{id}/remove` and `delete`.

use askama::Template;

use super::claims::ClaimsForm;
use super::form::Choice;
use super::frame::Frame;
use super::parts::{Portrait, Revealed};
use super::passkeys::{Passkey, PasskeyState};
use super::picture_form::PictureForm;
use super::profile_form::ProfileForm;
use super::roll::Roll;
use super::sessions::SessionRow;
use crate::user_agent::Shape;

#[derive(Clone, Debug, Template)]
#[template(path = "house/person.html")]
pub struct PersonPage {
    pub frame: Frame,
    pub id: String,
    pub name: String,
    /// What the forms were filled in from.
    pub seen: String,
    pub portrait: Portrait,
    pub registered: String,
    pub is_admin: bool,
    pub is_disabled: bool,
    /// Whoever looks cannot take their own rights away here.
    pub is_you: bool,
    /// The account of `STATIC_API_KEY`, to which nobody signs in.
    pub is_static: bool,
    pub profile: ProfileForm,
    pub picture: PictureForm,
    pub groups: Vec<Choice>,
    pub passkeys: Vec<Passkey>,
    pub sessions: Vec<SessionRow>,
    /// An enrollment link just made; it cannot be shown again.
    pub link: Option<Revealed>,
    /// "A link from 2 November is open until tomorrow 14:02."
    pub open_link: Option<String>,
    pub claims: ClaimsForm,
    pub latest: Roll,
}

#[derive(Clone, Debug, Template)]
#[template(path = "house/new_person.html")]
pub struct NewPerson {
    pub frame: Frame,
    pub form: ProfileForm,
}
