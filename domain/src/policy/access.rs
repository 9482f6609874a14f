//! The one door: may this user, with this session, have this client's token with these scopes, now?
//!
//! Asked by the authorization endpoint, for codes, refresh tokens and client credentials, at UserInfo and at
//! introspection, always with facts read at that moment (attacks, recurring root a).

use serde::{Deserialize, Serialize};

use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::scope::{OFFLINE_ACCESS, Scopes};

/// What is true now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFacts {
    pub client_enabled: bool,
    /// None for a client that acts for itself.
    pub person: Option<PersonFacts>,
    /// The grant was revoked, by itself or together with what it rests on.
    pub grant_revoked: bool,
}

/// What is true about the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonFacts {
    pub enabled: bool,
    /// The session that authorized is still live.
    pub session_live: bool,
    pub client_is_restricted: bool,
    pub in_allowed_group: bool,
    pub consent: ConsentFacts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsentFacts {
    /// The client is trusted by the operator.
    Skipped,
    Given(Scopes),
    Absent,
}

/// The inputs of a decision that allowed, kept in the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Causes {
    pub session: SessionCause,
    pub group: GroupCause,
    pub consent: ConsentCause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionCause {
    Live,
    /// The session is over, but `offline_access` was granted (OpenID Connect Core §11).
    OfflineAccess,
    /// A client acting for itself.
    NotNeeded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupCause {
    Unrestricted,
    Member,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentCause {
    Given,
    Skipped,
    NotNeeded,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessDenied {
    #[error("the client is disabled")]
    ClientDisabled,
    #[error("the person is disabled or gone")]
    PersonDisabled,
    #[error("the grant has been revoked")]
    GrantRevoked,
    #[error("the session is over")]
    SessionOver,
    #[error("the person is in none of the allowed groups")]
    NotInGroup,
    #[error("the person has not consented to this")]
    ConsentMissing,
}

/// # Errors
/// The first reason against it.
pub fn decide_access(facts: &AccessFacts, scopes: &Scopes) -> Result<Causes, AccessDenied> {
    if !facts.client_enabled {
        return Err(AccessDenied::ClientDisabled);
    }
    if facts.grant_revoked {
        return Err(AccessDenied::GrantRevoked);
    }
    let Some(person) = &facts.person else {
        let session = SessionCause::NotNeeded;
        return Ok(Causes { session, group: GroupCause::Unrestricted, consent: ConsentCause::NotNeeded });
    };
    if !person.enabled {
        return Err(AccessDenied::PersonDisabled);
    }
    let session = match (person.session_live, scopes.contains(OFFLINE_ACCESS)) {
        (true, _) => SessionCause::Live,
        (false, true) => SessionCause::OfflineAccess,
        (false, false) => return Err(AccessDenied::SessionOver),
    };
    let group = match (person.client_is_restricted, person.in_allowed_group) {
        (false, _) => GroupCause::Unrestricted,
        (true, true) => GroupCause::Member,
        (true, false) => return Err(AccessDenied::NotInGroup),
    };
    let consent = match &person.consent {
        ConsentFacts::Skipped => ConsentCause::Skipped,
        ConsentFacts::Given(given) if given.contains_all(scopes) => ConsentCause::Given,
        ConsentFacts::Given(_) | ConsentFacts::Absent => return Err(AccessDenied::ConsentMissing),
    };
    Ok(Causes { session, group, consent })
}

impl AccessDenied {
    /// What the client hears at the token endpoint (RFC 6749 §5.2).
    pub fn at_token_endpoint(self) -> OAuthError {
        match self {
            Self::ClientDisabled => OAuthError::invalid_client(),
            Self::PersonDisabled | Self::GrantRevoked | Self::SessionOver | Self::NotInGroup | Self::ConsentMissing => {
                OAuthError::invalid_grant("the code or token is not valid")
            }
        }
    }

    /// What the client hears through the browser (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
    pub fn at_authorization_endpoint(self) -> OAuthError {
        match self {
            Self::ClientDisabled => OAuthError::new(ErrorCode::UnauthorizedClient, "this app is disabled"),
            Self::PersonDisabled | Self::GrantRevoked | Self::SessionOver => {
                OAuthError::new(ErrorCode::LoginRequired, "sign-in is required")
            }
            Self::NotInGroup => OAuthError::new(ErrorCode::AccessDenied, "this person may not use this app"),
            Self::ConsentMissing => OAuthError::new(ErrorCode::ConsentRequired, "consent is required"),
        }
    }
}
