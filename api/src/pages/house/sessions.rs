//! `/account/sessions`: the devices one is signed in on. Signing one out posts to `{id}/end`, all others to `end-others`,
//! every one to `end-all`.

use askama::Template;

use super::frame::Frame;
use super::parts::When;
use crate::user_agent::Shape;

#[derive(Clone, Debug, Template)]
#[template(path = "house/sessions.html")]
pub struct Sessions {
    pub frame: Frame,
    pub sessions: Vec<SessionRow>,
}

#[derive(Clone, Debug)]
pub struct SessionRow {
    pub id: String,
    pub device: String,
    pub shape: Shape,
    pub place: String,
    pub address: String,
    pub since: When,
    pub active: When,
    /// The name of the passkey that opened it, as far as it is still known.
    pub passkey: Option<String>,
    pub is_this: bool,
}
