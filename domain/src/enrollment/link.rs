//! The code in an enrollment link: the stream's id and a secret, of which the log holds only the digest.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::digest::Digest;
use crate::ids::EnrollmentId;

const LENGTH: usize = 48;

/// base64url of 16 bytes of id and 32 random bytes.
pub fn encode(id: EnrollmentId, secret: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode([id.0.as_bytes().as_slice(), secret].concat())
}

/// Reads a code; anything but the exact canonical form is no code.
pub fn decode(code: &str) -> Option<(EnrollmentId, Digest)> {
    let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(code).ok()?.try_into().ok()?;
    let (id, secret) = bytes.split_at(16);
    Some((EnrollmentId(Uuid::from_slice(id).ok()?), Digest::of(secret)))
}
