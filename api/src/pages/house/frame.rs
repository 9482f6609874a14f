//! What surrounds every page of the house: the instance, the rail with its rooms, and word of what was just done.

use std::fmt;

use super::parts::Portrait;

/// The same on each page of one request.
#[derive(Clone, Debug)]
pub struct Frame {
    pub instance_name: String,
    pub mark: String,
    pub chancery_css: String,
    pub house_css: String,
    pub house_js: String,
    /// The module for passkey ceremonies, on the pages that have one.
    pub ceremony_js: Option<String>,
    pub person: String,
    /// By it the script knows whether what was entered before a sign-in is theirs.
    pub person_id: String,
    pub portrait: Portrait,
    pub is_admin: bool,
    pub room: Room,
    pub notice: Option<Notice>,
    /// Whose data tells the places on this page.
    pub attribution: Option<Attribution>,
}

/// The line that the maker of a geo-location database asks for where its data is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribution {
    pub says: &'static str,
    pub name: &'static str,
    pub href: &'static str,
}

/// A place in the rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Account,
    Passkeys,
    Sessions,
    Apps,
    Activity,
    Overview,
    People,
    Groups,
    Clients,
    ApiKeys,
    Mail,
    History,
    Diagnostics,
}

/// A sentence above the page: what was done, or what asks for attention.
#[derive(Clone, Debug)]
pub struct Notice {
    pub tone: Tone,
    pub says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Mind,
    Stop,
}

impl Notice {
    pub fn good(says: impl Into<String>) -> Self {
        Self { tone: Tone::Good, says: says.into() }
    }

    pub fn mind(says: impl Into<String>) -> Self {
        Self { tone: Tone::Mind, says: says.into() }
    }

    pub fn stop(says: impl Into<String>) -> Self {
        Self { tone: Tone::Stop, says: says.into() }
    }

    /// WAI-ARIA 1.2 §5.3.4: an alert interrupts, a status waits for a pause.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match self.tone {
            Tone::Good | Tone::Mind => "status",
            Tone::Stop => "alert",
        }
    }
}

/// The tone's class in the style sheet; the plain notice is the amber one.
impl fmt::Display for Tone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Good => "good",
            Self::Mind => "mind",
            Self::Stop => "stop",
        })
    }
}

impl Frame {
    #[must_use]
    pub fn own_rooms(&self) -> &'static [Room] {
        &[Room::Account, Room::Passkeys, Room::Sessions, Room::Apps, Room::Activity]
    }

    #[must_use]
    pub fn admin_rooms(&self) -> &'static [Room] {
        if !self.is_admin {
            return &[];
        }
        &[
            Room::Overview,
            Room::People,
            Room::Groups,
            Room::Clients,
            Room::ApiKeys,
            Room::Mail,
            Room::History,
            Room::Diagnostics,
        ]
    }

    #[must_use]
    pub fn is_here(&self, room: &Room) -> bool {
        self.room == *room
    }
}

impl Room {
    /// Whether places of sign-ins are shown here.
    #[must_use]
    pub fn shows_places(&self) -> bool {
        match self {
            Self::Sessions
            | Self::Activity
            | Self::Overview
            | Self::People
            | Self::Clients
            | Self::History
            | Self::Diagnostics => true,
            Self::Account | Self::Passkeys | Self::Apps | Self::Groups | Self::ApiKeys | Self::Mail => false,
        }
    }

    #[must_use]
    pub fn path(&self) -> &'static str {
        match self {
            Self::Account => "/account",
            Self::Passkeys => "/account/passkeys",
            Self::Sessions => "/account/sessions",
            Self::Apps => "/account/apps",
            Self::Activity => "/account/activity",
            Self::Overview => "/admin",
            Self::People => "/admin/people",
            Self::Groups => "/admin/groups",
            Self::Clients => "/admin/apps",
            Self::ApiKeys => "/admin/api-keys",
            Self::Mail => "/admin/mail",
            Self::History => "/admin/history",
            Self::Diagnostics => "/admin/diagnostics",
        }
    }

    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Account => "Your account",
            Self::Passkeys => "Your passkeys",
            Self::Sessions => "Your devices",
            Self::Apps => "Your apps",
            Self::Activity => "Your activity",
            Self::Overview => "Overview",
            Self::People => "People",
            Self::Groups => "Groups",
            Self::Clients => "Apps",
            Self::ApiKeys => "API keys",
            Self::Mail => "Mail",
            Self::History => "History",
            Self::Diagnostics => "Diagnostics",
        }
    }
}
