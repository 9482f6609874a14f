//! The page that asks again before something that cannot be undone, or gives or takes rights.

use askama::Template;

use super::frame::Frame;

/// Posts to `action`, or goes `back`.
#[derive(Clone, Debug, Template)]
#[template(path = "house/confirm.html")]
pub struct Confirm {
    pub frame: Frame,
    /// "Delete Jun Park?"
    pub asks: String,
    pub says: String,
    pub consequences: Vec<String>,
    pub action: String,
    /// What the button does: "Delete Jun Park".
    pub button: String,
    pub back: String,
}

impl Confirm {
    /// Whether what is called so and has its page at `path` shall be gone for good.
    pub fn deletion(frame: Frame, name: &str, path: &str, consequences: Vec<String>) -> Self {
        Self {
            frame,
            asks: format!("Delete {name}?"),
            says: "This cannot be undone.".to_owned(),
            consequences,
            action: format!("{path}/delete"),
            button: "Delete".to_owned(),
            back: path.to_owned(),
        }
    }
}
