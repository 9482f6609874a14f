//! Views of the log and their queries.
//!
//! A view that decisions read is written in the append's own transaction; the others follow along the log (`runner`).
//! The same code rebuilds them all (`rebuild`).

pub mod access;
pub mod api_keys;
pub mod audit;
pub mod clients;
pub mod consents;
pub mod enrollments;
pub mod erasures;
pub mod figures;
pub mod grants;
pub mod groups;
pub mod mails;
pub mod memory;
pub mod page;
pub mod passkeys;
pub mod pictures;
pub mod prune;
pub mod rebuild;
pub mod runner;
pub mod sessions;
pub mod signing_keys;
pub mod users;

use std::sync::Arc;

use chancery_adapters::event_store::{Projection, ProjectionError};
use chancery_domain::Recorded;
use uuid::Uuid;

/// The views of the append's own transaction, in the order they are written.
pub fn transactional() -> Vec<Arc<dyn Projection>> {
    vec![
        Arc::new(users::Users),
        Arc::new(passkeys::Passkeys),
        Arc::new(pictures::Pictures),
        Arc::new(enrollments::Enrollments),
        Arc::new(groups::Groups),
        Arc::new(api_keys::ApiKeys),
        Arc::new(sessions::Sessions),
        Arc::new(clients::Clients),
        Arc::new(consents::Consents),
        Arc::new(grants::Grants),
        Arc::new(signing_keys::SigningKeys),
    ]
}

/// The views that follow behind the log.
pub fn catch_up() -> Vec<Arc<dyn Projection>> {
    vec![Arc::new(audit::Audit::default())]
}

/// The stream's id as the UUID it is for most aggregates.
fn uuid(recorded: &Recorded) -> Result<Uuid, ProjectionError> {
    recorded.aggregate_id.parse().map_err(|_| ProjectionError::Contradiction {
        position: recorded.position,
        reason: format!("{} is no UUID", recorded.aggregate_id),
    })
}
