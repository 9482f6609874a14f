//! Who may administer what. Every act has a name here, and the match is exhaustive: a new one cannot be forgotten.

/// An act of administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdminAction {
    ReadUsers,
    ManageUsers,
    IssueEnrollment,
    RemovePasskey,
    EndSessions,
    ReadGroups,
    ManageGroups,
    ReadClients,
    ManageClients,
    ManageClientSecrets,
    ReadHistory,
    ReadSettings,
    SendTestMail,
}

impl AdminAction {
    pub const ALL: [Self; 13] = [
        Self::ReadUsers,
        Self::ManageUsers,
        Self::IssueEnrollment,
        Self::RemovePasskey,
        Self::EndSessions,
        Self::ReadGroups,
        Self::ManageGroups,
        Self::ReadClients,
        Self::ManageClients,
        Self::ManageClientSecrets,
        Self::ReadHistory,
        Self::ReadSettings,
        Self::SendTestMail,
    ];

    /// Whether a browser session must have proved itself lately: whatever changes something.
    fn needs_step_up(self) -> bool {
        match self {
            Self::ReadUsers | Self::ReadGroups | Self::ReadClients | Self::ReadHistory | Self::ReadSettings => false,
            Self::ManageUsers
            | Self::IssueEnrollment
            | Self::RemovePasskey
            | Self::EndSessions
            | Self::ManageGroups
            | Self::ManageClients
            | Self::ManageClientSecrets
            | Self::SendTestMail => true,
        }
    }
}

/// What is known of whoever wants to act.
#[derive(Clone, Copy, Debug)]
pub struct OperatorFacts {
    pub is_admin: bool,
    pub enabled: bool,
    /// The session's last ceremony is at most five minutes old.
    pub stepped_up: bool,
    /// An API key proves itself with each request; there is nobody to ask again.
    pub via_api_key: bool,
}

/// Why an act was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the account is disabled")]
    Disabled,
    #[error("only administrators may do this")]
    NotAdmin,
    #[error("a recent ceremony is required")]
    StepUpRequired,
    #[error("this is somebody else's")]
    NotTheirs,
    #[error("this follows from what was verified, and from nobody's word")]
    Unverified,
}

/// # Errors
/// Why not.
pub fn authorize(facts: &OperatorFacts, action: AdminAction) -> Result<(), Denied> {
    if !facts.enabled {
        return Err(Denied::Disabled);
    }
    if !facts.is_admin {
        return Err(Denied::NotAdmin);
    }
    if action.needs_step_up() && !facts.via_api_key && !facts.stepped_up {
        return Err(Denied::StepUpRequired);
    }
    Ok(())
}
