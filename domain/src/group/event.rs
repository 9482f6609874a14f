use serde::{Deserialize, Serialize};

use crate::claim::{Claim, ClaimChange, ClaimKind};
use crate::custom_claim::CustomClaim;
use crate::domain_event;
use crate::event::StoredEvent;

/// What a group is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNames {
    /// What appears in the `groups` claim.
    pub name: String,
    pub friendly_name: String,
}

/// What happened to a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GroupEvent {
    #[serde(rename = "group.created")]
    Created { names: GroupNames },
    #[serde(rename = "group.changed")]
    Changed { before: GroupNames, after: GroupNames },
    #[serde(rename = "group.claims_set")]
    ClaimsSet { before: Vec<CustomClaim>, after: Vec<CustomClaim> },
    #[serde(rename = "group.deleted")]
    Deleted,
}

impl StoredEvent for GroupEvent {
    const AGGREGATE: &'static str = "group";

    fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "group.created",
            Self::Changed { .. } => "group.changed",
            Self::ClaimsSet { .. } => "group.claims_set",
            Self::Deleted => "group.deleted",
        }
    }

    fn claims(&self) -> Vec<ClaimChange> {
        let release = ClaimChange::Release(ClaimKind::GroupName);
        match self {
            Self::Created { names } => vec![ClaimChange::Take(Claim::group_name(&names.name))],
            Self::Changed { after, .. } => vec![release, ClaimChange::Take(Claim::group_name(&after.name))],
            Self::ClaimsSet { .. } => Vec::new(),
            Self::Deleted => vec![release],
        }
    }
}

domain_event!(GroupEvent);
