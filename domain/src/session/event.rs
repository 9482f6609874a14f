use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::digest::Digest;
use crate::domain_event;
use crate::event::StoredEvent;
use crate::ids::{PasskeyId, UserId};

/// What happened to a browser session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SessionEvent {
    /// A person signed in; this is the one event of a sign-in.
    #[serde(rename = "session.started")]
    Started {
        user_id: UserId,
        /// Digest of the cookie's secret.
        secret: Digest,
        proof: PasskeyProof,
        #[serde(with = "time::serde::rfc3339")]
        authenticated_at: OffsetDateTime,
        /// Seconds without use after which the session is over.
        idle_seconds: i64,
        /// The session is over then, whatever happens.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// The person proved again that they are there; the cookie's secret changed with it.
    #[serde(rename = "session.stepped_up")]
    SteppedUp {
        secret: Digest,
        proof: PasskeyProof,
        #[serde(with = "time::serde::rfc3339")]
        authenticated_at: OffsetDateTime,
    },
    /// The session was used; recorded at most once in a twelfth of its idle time.
    #[serde(rename = "session.extended")]
    Extended {
        #[serde(with = "time::serde::rfc3339")]
        used_at: OffsetDateTime,
    },
    #[serde(rename = "session.ended")]
    Ended { why: SessionEnd },
}

/// What a passkey ceremony proved (WebAuthn Level 3 §7.2), as inputs of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyProof {
    pub passkey_id: PasskeyId,
    /// The signature counter that was presented; 0 where the authenticator keeps none.
    pub counter: u32,
    /// The passkey is now backed up (BS).
    pub backed_up: bool,
    /// `platform` or `cross-platform`, as the browser said.
    pub attachment: Option<String>,
    /// OpenID Connect EAP ACR Values 1.0, e.g. `phr`.
    pub acr: String,
    /// RFC 8176.
    pub amr: Vec<String>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// The person signed out here.
    SignedOut,
    /// An app asked for it (OpenID Connect RP-Initiated Logout).
    LogoutRequested,
    /// The person ended it from another session.
    EndedByOwner,
    EndedByAdmin,
    /// Somebody else signed in with this browser.
    Replaced,
}

impl StoredEvent for SessionEvent {
    const AGGREGATE: &'static str = "session";

    fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "session.started",
            Self::SteppedUp { .. } => "session.stepped_up",
            Self::Extended { .. } => "session.extended",
            Self::Ended { .. } => "session.ended",
        }
    }
}

domain_event!(SessionEvent);
