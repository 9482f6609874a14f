//! A group of people. Who is in it is on each person's own stream; which apps it may use, on the app's.

mod event;
#[cfg(test)]
mod tests;

pub use event::{GroupEvent, GroupNames};
use serde::{Deserialize, Serialize};

use crate::custom_claim::{ClaimsRefusal, CustomClaim, check_claims};
use crate::decider::Decider;
use crate::event::StoredEvent;
use crate::field::{Bounds, FieldError, clauses};

const NAME: Bounds = Bounds { field: "name", least: 2, most: 255, says: "has 2 to 255 characters" };
const FRIENDLY_NAME: Bounds = Bounds { field: "friendlyName", least: 2, most: 50, says: "has 2 to 50 characters" };

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Group {
    #[default]
    NotCreated,
    Existing {
        names: GroupNames,
        claims: Vec<CustomClaim>,
    },
    Deleted,
}

/// What may be asked of a group.
#[derive(Clone, Debug)]
pub enum GroupCommand {
    Create { names: GroupNames },
    Change { names: GroupNames },
    SetClaims { claims: Vec<CustomClaim> },
    Delete,
}

/// Why a group refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupRefusal {
    #[error("there is already such a group")]
    AlreadyCreated,
    #[error("there is no such group")]
    Unknown,
    #[error("{}", clauses(.0))]
    BadNames(Vec<FieldError>),
    #[error(transparent)]
    Claims(#[from] ClaimsRefusal),
}

impl Decider for Group {
    const TYPE: &'static str = GroupEvent::AGGREGATE;
    type Command = GroupCommand;
    type Event = GroupEvent;
    type Refusal = GroupRefusal;

    fn decide(&self, command: GroupCommand) -> Result<Vec<GroupEvent>, GroupRefusal> {
        match (self, command) {
            (Self::NotCreated, GroupCommand::Create { names }) => {
                Ok(vec![GroupEvent::Created { names: check(&names)? }])
            }
            (_, GroupCommand::Create { .. }) => Err(GroupRefusal::AlreadyCreated),
            (Self::NotCreated | Self::Deleted, _) => Err(GroupRefusal::Unknown),
            (Self::Existing { names: before, .. }, GroupCommand::Change { names }) => {
                let after = check(&names)?;
                let changed = GroupEvent::Changed { before: before.clone(), after: after.clone() };
                Ok(if *before == after { Vec::new() } else { vec![changed] })
            }
            (Self::Existing { claims: before, .. }, GroupCommand::SetClaims { claims: after }) => {
                check_claims(&after)?;
                let unchanged = *before == after;
                let set = GroupEvent::ClaimsSet { before: before.clone(), after };
                Ok(if unchanged { Vec::new() } else { vec![set] })
            }
            (Self::Existing { .. }, GroupCommand::Delete) => Ok(vec![GroupEvent::Deleted]),
        }
    }

    fn evolve(&mut self, event: GroupEvent) {
        match (event, self) {
            (GroupEvent::Created { names }, state) => *state = Self::Existing { names, claims: Vec::new() },
            (GroupEvent::Changed { after, .. }, Self::Existing { names, .. }) => *names = after,
            (GroupEvent::ClaimsSet { after, .. }, Self::Existing { claims, .. }) => *claims = after,
            (GroupEvent::Deleted, state) => *state = Self::Deleted,
            (GroupEvent::Changed { .. } | GroupEvent::ClaimsSet { .. }, Self::NotCreated | Self::Deleted) => {}
        }
    }
}

/// Names as they are kept, or all that is wrong with them.
fn check(names: &GroupNames) -> Result<GroupNames, GroupRefusal> {
    match (NAME.read(&names.name), FRIENDLY_NAME.read(&names.friendly_name)) {
        (Ok(name), Ok(friendly_name)) => Ok(GroupNames { name, friendly_name }),
        (name, friendly_name) => {
            Err(GroupRefusal::BadNames(name.err().into_iter().chain(friendly_name.err()).collect()))
        }
    }
}
