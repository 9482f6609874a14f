//! Proof Key for Code Exchange (RFC 7636), with S256 only: `plain` protects nothing (RFC 9700 §2.1.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::OAuthError;

/// An S256 code challenge: 43 characters of base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// RFC 7636 §4.3.
    ///
    /// # Errors
    /// `invalid_request` for another method, a missing one (which would mean `plain`), or a malformed challenge.
    pub fn parse(challenge: &str, method: Option<&str>) -> Result<Self, OAuthError> {
        if method != Some("S256") {
            return Err(OAuthError::invalid_request("code_challenge_method must be S256"));
        }
        let digest: Option<[u8; 32]> = URL_SAFE_NO_PAD.decode(challenge).ok().and_then(|bytes| bytes.try_into().ok());
        if digest.is_none() {
            return Err(OAuthError::invalid_request("code_challenge must be 43 characters of base64url"));
        }
        Ok(Self(challenge.to_owned()))
    }

    /// RFC 7636 §4.6. The verifier's alphabet and length are §4.1's; comparison takes constant time.
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'~');
        if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(allowed) {
            return false;
        }
        let computed = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        computed.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}
