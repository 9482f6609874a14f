//! `/account`: who you are to the apps you use, and the form that changes it.

use askama::Template;

use super::frame::Frame;
use super::picture_form::PictureForm;
use super::profile_form::ProfileForm;

#[derive(Clone, Debug, Template)]
#[template(path = "house/account.html")]
pub struct Account {
    pub frame: Frame,
    pub name: String,
    pub username: String,
    pub email: Option<String>,
    pub email_verified: bool,
    /// A mail can be asked for, to prove the address.
    pub can_verify: bool,
    pub groups: Vec<String>,
    pub passkeys: String,
    pub sessions: String,
    pub picture: PictureForm,
    /// Absent where people may not edit their own account.
    pub form: Option<ProfileForm>,
}
