//! `/account/passkeys`: the ways into one's account, and a new one beside them.
//!
//! Renaming posts `name` to `{id}/rename`; removing asks at `{id}/remove`, behind a fresh ceremony. Adding needs the
//! ceremony's script (WebAuthn §5.1.3), which finds its paths and words in the button's `data-` members.

use askama::Template;
use askama::filters::HtmlSafe;

use super::frame::{Frame, Notice};
use super::parts::When;

#[derive(Clone, Debug, Template)]
#[template(path = "house/passkeys.html")]
pub struct Passkeys {
    pub frame: Frame,
    /// How well the person is guarded against losing one.
    pub advice: Option<Notice>,
    pub passkeys: Vec<Passkey>,
    /// Where the ceremony's answer leads.
    pub next: String,
}

#[derive(Clone, Debug)]
pub struct Passkey {
    pub id: String,
    pub name: String,
    pub icon: Option<PasskeyIcon>,
    pub created: When,
    pub last_used: Option<LastUse>,
    pub place: PasskeyPlace,
    pub signed_you_in: bool,
    pub state: PasskeyState,
}

/// The provider's icon, as paths of this server: on light and, where it has another one, on dark ground.
#[derive(Clone, Debug)]
pub struct PasskeyIcon {
    pub light: String,
    pub dark: Option<String>,
}

/// "4 minutes ago in Stockholm with Safari on macOS"
#[derive(Clone, Debug, Template)]
#[template(
    ext = "html",
    source = r#"{{ when }}{% if !place.is_empty() %} in {{ place }}{% endif %}{% if !device.is_empty() %} with {{ device }}{% endif %}"#
)]
pub struct LastUse {
    pub when: When,
    pub place: String,
    pub device: String,
}

impl HtmlSafe for LastUse {}

/// Where the passkey can be used, as its backup flags tell (WebAuthn §6.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasskeyPlace {
    Synced,
    ThisDeviceOnly,
    ThisKeyOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasskeyState {
    Usable,
    /// The only one that can be used; removing it would lock its owner out.
    LastUsable,
    /// It may have been copied, so it lets nobody in until an admin restores it.
    Suspended,
}

impl PasskeyPlace {
    #[must_use]
    pub fn says(&self) -> &'static str {
        match self {
            Self::Synced => "Synced",
            Self::ThisDeviceOnly => "On this device only",
            Self::ThisKeyOnly => "On this key only",
        }
    }
}
