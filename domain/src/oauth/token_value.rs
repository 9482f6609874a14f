//! The wire form of codes and refresh tokens. Each carries its grant's id, so that redeeming it is one stream read.
//!
//! Reading is exact: a truncated, padded or otherwise spelled value is no value (attacks CR-06, CVE-2026-27840).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::digest::Digest;
use crate::ids::GrantId;

/// Begins every refresh token, so that a leaked one can be found.
pub const REFRESH_TOKEN_PREFIX: &str = "chr_";

/// base64url of 16 bytes of grant id and 32 random bytes.
pub fn code(grant: GrantId, secret: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode([grant.0.as_bytes().as_slice(), secret].concat())
}

/// The grant of a code, and the digest it is known by.
pub fn parse_code(text: &str) -> Option<(GrantId, Digest)> {
    let bytes: [u8; 48] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    Some((grant_id(&bytes)?, Digest::of(text)))
}

/// `chr_` and base64url of 16 bytes of grant id, 4 of generation (big-endian) and 32 of secret.
pub fn refresh_token(grant: GrantId, generation: u32, secret: &[u8; 32]) -> String {
    let bytes = [grant.0.as_bytes().as_slice(), &generation.to_be_bytes(), secret].concat();
    format!("{REFRESH_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// A refresh token that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentedRefreshToken {
    pub grant: GrantId,
    pub generation: u32,
    pub digest: Digest,
}

pub fn parse_refresh_token(text: &str) -> Option<PresentedRefreshToken> {
    let body = text.strip_prefix(REFRESH_TOKEN_PREFIX)?;
    let bytes: [u8; 52] = URL_SAFE_NO_PAD.decode(body).ok()?.try_into().ok()?;
    let generation = u32::from_be_bytes(bytes[16..20].try_into().ok()?);
    Some(PresentedRefreshToken { grant: grant_id(&bytes)?, generation, digest: Digest::of(text) })
}

fn grant_id(bytes: &[u8]) -> Option<GrantId> {
    Uuid::from_slice(bytes.get(..16)?).ok().map(GrantId)
}
