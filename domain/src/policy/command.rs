//! What each command needs of whoever gives it (attacks AD-14). The matches are exhaustive: a command that is added has no
//! place until it is said who may give it. Grants are decided upon by `access`; keys and refused sign-ins are Chancery's own.

use super::admin::{AdminAction, Denied, OperatorFacts, authorize};
use crate::api_key::ApiKeyCommand;
use crate::client::ClientCommand;
use crate::consent::ConsentCommand;
use crate::enrollment::{EnrollmentCommand, Purpose};
use crate::group::GroupCommand;
use crate::ids::UserId;
use crate::session::{SessionCommand, SessionEnd};
use crate::user::{EnrolledVia, RegisteredVia, RemovedBy, UserCommand};

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// An administrator, as for this act.
    Admin(AdminAction),
    /// The person whom it is about; an administrator where it is about somebody else.
    OwnerOr(AdminAction),
    /// The person whom it is about.
    Owner,
    /// The same, who has proved themselves lately in a browser.
    ProvenOwner,
    /// What Chancery itself has verified: a ceremony, a link, a schedule. Nobody may give it on their own word.
    Verified,
}

/// A command that people give, or Chancery for them.
pub trait Command {
    fn needs(&self) -> Needs;
}

impl Command for UserCommand {
    fn needs(&self) -> Needs {
        match self {
            Self::Register { via, .. } => match via {
                RegisteredVia::Admin | RegisteredVia::Api => Needs::Admin(AdminAction::ManageUsers),
                RegisteredVia::Setup | RegisteredVia::StaticApiKey => Needs::Verified,
            },
            Self::SetPicture { .. } | Self::RemovePicture => Needs::OwnerOr(AdminAction::ManageUsers),
            Self::ChangeProfile { .. }
            | Self::RestorePasskey { .. }
            | Self::SetGroups { .. }
            | Self::SetClaims { .. }
            | Self::Disable { .. }
            | Self::Enable
            | Self::GrantAdmin
            | Self::RevokeAdmin { .. }
            | Self::Erase { .. } => Needs::Admin(AdminAction::ManageUsers),
            Self::JoinGroup { .. } | Self::LeaveGroup { .. } => Needs::Admin(AdminAction::ManageGroups),
            Self::RequestTestMail => Needs::Admin(AdminAction::SendTestMail),
            Self::SignOutEverywhere { .. } => Needs::OwnerOr(AdminAction::EndSessions),
            // The secret is the proof; it is looked at in the decision.
            Self::ChangeOwnProfile { .. }
            | Self::VerifyEmail { .. }
            | Self::RequestEmailVerification { .. }
            | Self::RenamePasskey { .. }
            | Self::DeclineSecondPasskey { .. } => Needs::Owner,
            Self::EnrollPasskey { via, .. } => match via {
                EnrolledVia::SelfService => Needs::ProvenOwner,
                EnrolledVia::Enrollment { .. } => Needs::Verified,
            },
            Self::RemovePasskey { by, .. } => match by {
                RemovedBy::Owner => Needs::ProvenOwner,
                RemovedBy::Admin => Needs::Admin(AdminAction::RemovePasskey),
                RemovedBy::Recovery => Needs::Verified,
            },
            Self::ReplacePasskeys { .. } | Self::SuspendPasskey { .. } => Needs::Verified,
        }
    }
}

impl Command for EnrollmentCommand {
    fn needs(&self) -> Needs {
        match self {
            Self::Issue { purpose: Purpose::Setup, .. } => Needs::Verified,
            Self::Issue { purpose: Purpose::Invitation { .. } | Purpose::Recovery { .. }, .. }
            | Self::Revoke { .. } => Needs::Admin(AdminAction::IssueEnrollment),
            Self::Open { .. } | Self::Redeem { .. } => Needs::Verified,
        }
    }
}

impl Command for SessionCommand {
    fn needs(&self) -> Needs {
        match self {
            Self::End { why } => match why {
                SessionEnd::SignedOut | SessionEnd::EndedByOwner => Needs::Owner,
                SessionEnd::EndedByAdmin => Needs::Admin(AdminAction::EndSessions),
                SessionEnd::LogoutRequested | SessionEnd::Replaced => Needs::Verified,
            },
            Self::Start { .. } | Self::StepUp { .. } | Self::Touch { .. } => Needs::Verified,
        }
    }
}

impl Command for ConsentCommand {
    fn needs(&self) -> Needs {
        match self {
            Self::Give { .. } | Self::Withdraw { .. } => Needs::Owner,
        }
    }
}

impl Command for ApiKeyCommand {
    fn needs(&self) -> Needs {
        match self {
            Self::Create { .. } | Self::Renew { .. } => Needs::ProvenOwner,
            Self::Revoke { .. } => Needs::Owner,
        }
    }
}

impl Command for GroupCommand {
    fn needs(&self) -> Needs {
        match self {
            Self::Create { .. } | Self::Change { .. } | Self::SetClaims { .. } | Self::Delete => {
                Needs::Admin(AdminAction::ManageGroups)
            }
        }
    }
}

impl Command for ClientCommand {
    fn needs(&self) -> Needs {
        match self {
            Self::Register { .. }
            | Self::Change { .. }
            | Self::RestrictAccess { .. }
            | Self::Disable
            | Self::Enable
            | Self::Delete => Needs::Admin(AdminAction::ManageClients),
            Self::AddSecret { .. } | Self::RemoveSecret { .. } => Needs::Admin(AdminAction::ManageClientSecrets),
        }
    }
}

/// Who gives a command.
#[derive(Clone, Copy, Debug)]
pub enum Giver {
    /// Chancery, on what it has verified, or its operator at the command line.
    Chancery,
    Person(UserId, OperatorFacts),
}

/// Whether this may be given; `owner` is whom it is about, if it is about somebody.
///
/// # Errors
/// Why not.
pub fn permit(giver: &Giver, needs: Needs, owner: Option<UserId>) -> Result<(), Denied> {
    let Giver::Person(person, facts) = giver else { return Ok(()) };
    let is_owner = owner == Some(*person);
    match needs {
        Needs::Admin(action) => authorize(facts, action),
        Needs::OwnerOr(action) if !is_owner => authorize(facts, action),
        Needs::Verified => Err(Denied::Unverified),
        Needs::OwnerOr(_) | Needs::Owner | Needs::ProvenOwner if !facts.enabled => Err(Denied::Disabled),
        Needs::Owner | Needs::ProvenOwner if !is_owner => Err(Denied::NotTheirs),
        Needs::ProvenOwner if facts.via_api_key || !facts.stepped_up => Err(Denied::StepUpRequired),
        Needs::OwnerOr(_) | Needs::Owner | Needs::ProvenOwner => Ok(()),
    }
}
