//! The page that asks again before something that cannot be undone.

use askama::Template;

use super::frame::Frame;

/// Posts to `action` with the hidden `members`.
#[derive(Clone, Debug, Template)]
#[template(path = "house/confirm.html")]
pub struct Confirm {
    pub frame: Frame,
    /// "Delete Jun Park?"
    pub asks: String,
    pub says: String,
    pub consequences: Vec<String>,
    pub action: String,
    pub members: Vec<(String, String)>,
    /// What the button does: "Delete Jun Park".
    pub button: String,
    pub back: String,
}
