//! RFC 6962 §2.1 leaf hash of an event as it is stored; `event_leaf` in the migrations says the same in SQL.
//!
//! Each part of variable length is preceded by it, so that no two contents frame alike. Payload and metadata enter as
//! digests of their stored bytes: ciphertext, never personal data, so that an erasure breaks no proof.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::row::NewEvent;

/// RFC 6962 §2.1: leaves and nodes hash apart.
const LEAF: u8 = 0;
const FORMAT_VERSION: u8 = 1;

pub(super) fn leaf_hash(event: &NewEvent, position: i64, recorded_at: OffsetDateTime) -> [u8; 32] {
    let micros = (recorded_at.unix_timestamp_nanos() / 1_000) as i64;
    let mut hash = Sha256::new();
    hash.update([LEAF, FORMAT_VERSION]);
    hash.update(position.to_be_bytes());
    hash.update(event.event_id.as_bytes());
    framed(&mut hash, event.aggregate_type.as_bytes());
    framed(&mut hash, event.aggregate_id.as_bytes());
    hash.update(event.sequence.to_be_bytes());
    framed(&mut hash, event.event_type.as_bytes());
    framed(&mut hash, event.event_version.as_bytes());
    hash.update(micros.to_be_bytes());
    framed(&mut hash, &event.salt);
    hash.update(event.payload_digest);
    hash.update(event.metadata_digest);
    hash.finalize().into()
}

fn framed(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u32).to_be_bytes());
    hash.update(part);
}
