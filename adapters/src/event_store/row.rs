//! An event on its way into the log.

use std::collections::HashMap;

use chancery_domain::claim::{Claim, ClaimChange};
use chancery_domain::context::Context;
use chancery_domain::{Event, Recorded};
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use super::gathered::Decided;
use crate::vault::{Binding, Vault};

/// A row of the log without what only the append knows: position and time.
pub(super) struct NewEvent {
    pub aggregate_type: &'static str,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: &'static str,
    pub event_version: String,
    /// The JSON text that is stored and hashed, sealed.
    pub payload: String,
    pub metadata: String,
    /// Their SHA-256, for the leaf hash: the writer, for whom everybody waits, need not work it out.
    pub payload_digest: [u8; 32],
    pub metadata_digest: [u8; 32],
    pub event_id: Uuid,
    pub salt: [u8; 16],
    /// The same event in the clear, for the views of the same transaction.
    pub event: Event,
    pub context: Context,
    pub claims: Vec<(Claim, [u8; 32])>,
}

impl NewEvent {
    pub async fn seal(decided: Decided, context: &Context, vault: &Vault) -> Result<Self, StoreError> {
        let Decided { aggregate_id, sequence, version, event, mut payload } = decided;
        let (aggregate_type, event_type, event_version) = (event.aggregate_type(), event.name(), version.to_string());
        let binding = Binding {
            aggregate_type,
            aggregate_id: &aggregate_id,
            sequence,
            event_type,
            event_version: &event_version,
            part: "payload",
        };
        vault.seal(binding, &mut payload).await?;
        let mut metadata = context.to_metadata();
        seal_origin(&mut metadata, Binding { part: "metadata", ..binding }, vault).await?;
        let claims = event.claims().into_iter().filter_map(taken).map(|claim| {
            let digest = vault.claim_digest(&claim);
            (claim, digest)
        });
        let payload = payload.to_string();
        let metadata = serde_json::to_string(&metadata).unwrap_or_default();
        Ok(Self {
            claims: claims.collect(),
            payload_digest: Sha256::digest(&payload).into(),
            metadata_digest: Sha256::digest(&metadata).into(),
            payload,
            metadata,
            event_id: new_event_id(),
            salt: new_salt()?,
            context: context.clone(),
            aggregate_type,
            aggregate_id,
            sequence,
            event_type,
            event_version,
            event,
        })
    }

    pub fn recorded(&self, position: i64, recorded_at: OffsetDateTime) -> Recorded {
        Recorded {
            position,
            event_id: self.event_id,
            aggregate_id: self.aggregate_id.clone(),
            sequence: self.sequence,
            recorded_at,
            context: self.context.clone(),
            event: self.event.clone(),
        }
    }
}

/// The origin is JSON inside a text member, since cqrs-es keeps metadata as a map of texts.
async fn seal_origin(
    metadata: &mut HashMap<String, String>,
    binding: Binding<'_>,
    vault: &Vault,
) -> Result<(), StoreError> {
    let Some(mut origin) = metadata.get("origin").and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return Ok(());
    };
    vault.seal(binding, &mut origin).await?;
    metadata.insert("origin".to_owned(), origin.to_string());
    Ok(())
}

fn taken(change: ClaimChange) -> Option<Claim> {
    match change {
        ClaimChange::Take(claim) => Some(claim),
        ClaimChange::Release(_) => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "event ids are the store's own; nothing is decided by them")]
fn new_event_id() -> Uuid {
    Uuid::now_v7()
}

fn new_salt() -> Result<[u8; 16], StoreError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| StoreError::Unavailable("no randomness".to_owned()))?;
    Ok(salt)
}
