//! Signing and verifying tokens (RFC 7515, RFC 7519) with keys that stay parsed in memory.
//!
//! A signature is made by aws-lc-rs directly with the cached key pair: parsing an RSA key for each signature costs more
//! than signing. jsonwebtoken reads and verifies.

mod keys;
mod strict;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::signing_algorithm::SigningAlgorithm;
use chancery_domain::signing_key::KeyStatus;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use quick_cache::sync::Cache;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use keys::{GeneratedKey, KeyError, SigningPair, generate};

/// Tokens whose signatures need not be verified again.
const REMEMBERED_TOKENS: usize = 4_096;

/// A key as the ring holds it.
pub struct KeyringKey {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub status: KeyStatus,
    pub public_jwk: Value,
    /// Only of keys that may sign.
    pub pair: Option<Arc<SigningPair>>,
}

/// All published keys; replaced as a whole when one changes.
#[derive(Default)]
pub struct Keyring {
    ring: ArcSwap<Ring>,
}

struct Ring {
    keys: Vec<KeyringKey>,
    decoding: HashMap<String, (Algorithm, DecodingKey)>,
    /// What tokens turned out to be, by their digests: apps ask about the same token again and again. It goes with the
    /// ring, so that a token of a removed key is verified anew, and refused.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

/// A token whose signature is one of ours.
struct Verified {
    typ: String,
    claims: Value,
}

impl Default for Ring {
    fn default() -> Self {
        Self::new(Vec::new(), HashMap::new())
    }
}

impl Ring {
    fn new(keys: Vec<KeyringKey>, decoding: HashMap<String, (Algorithm, DecodingKey)>) -> Self {
        Self { keys, decoding, verified: Cache::new(REMEMBERED_TOKENS) }
    }

    fn sign(&self, algorithm: SigningAlgorithm, typ: &str, claims: &impl Serialize) -> Result<String, SigningError> {
        let active = self.keys.iter().filter(|key| key.algorithm == algorithm && key.status == KeyStatus::Active);
        let mut held = active.filter_map(|key| Some((key, key.pair.as_ref()?)));
        let (key, pair) = held.next_back().ok_or(SigningError::NoActiveKey(algorithm))?;
        let header = Header { typ: Some(typ.to_owned()), kid: Some(key.kid.clone()), ..Header::new(jose(algorithm)) };
        let header = serde_json::to_vec(&header).map_err(|_| SigningError::Failed)?;
        let claims = serde_json::to_vec(claims).map_err(|_| SigningError::Failed)?;
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = pair.sign(token.as_bytes()).map_err(|_| SigningError::Failed)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Signature and shape of a token; what it is good for is not asked here.
    fn verify(&self, token: &str) -> Result<Arc<Verified>, TokenInvalid> {
        let digest = digest(token);
        if let Some(verified) = self.verified.get(&digest) {
            return Ok(verified);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenInvalid::Malformed)?;
        // RFC 8725 §3.11: explicit typing keeps tokens of one kind from being taken for another.
        let typ = header.typ.filter(|_| header.crit.is_none()).ok_or(TokenInvalid::WrongType)?;
        let (algorithm, key) =
            header.kid.as_ref().and_then(|kid| self.decoding.get(kid)).ok_or(TokenInvalid::UnknownKey)?;
        // RFC 8725 §3.1: the key decides the algorithm, not the token.
        if header.alg != *algorithm {
            return Err(TokenInvalid::BadSignature);
        }
        let mut validation = Validation::new(*algorithm);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        jsonwebtoken::decode::<Value>(token, key, &validation).map_err(|_| TokenInvalid::BadSignature)?;
        let claims = strict::claims(token).ok_or(TokenInvalid::Malformed)?;
        let verified = Arc::new(Verified { typ, claims });
        self.verified.insert(digest, verified.clone());
        Ok(verified)
    }
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    #[error("there is no active {0} key")]
    NoActiveKey(SigningAlgorithm),
    #[error("signing failed")]
    Failed,
}

/// Why a token does not count. Callers outside hear only that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenInvalid {
    #[error("it is no JWT of ours")]
    Malformed,
    #[error("it is of another type")]
    WrongType,
    #[error("its key is not known")]
    UnknownKey,
    #[error("its signature does not match")]
    BadSignature,
    #[error("it was issued by or for somebody else")]
    WrongIssuer,
    #[error("it has expired")]
    Expired,
}

/// What a token must be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The header's `typ`, exactly: a token for one purpose is refused for every other.
    pub typ: &'a str,
    pub issuer: &'a str,
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// An `id_token_hint` may be old.
    pub allow_expired: bool,
}

impl Keyring {
    /// Takes a new set of keys into use.
    ///
    /// # Errors
    /// A public key that cannot be read.
    pub fn replace(&self, keys: Vec<KeyringKey>) -> Result<(), KeyError> {
        let mut decoding = HashMap::new();
        for key in &keys {
            let jwk: Jwk = serde_json::from_value(key.public_jwk.clone()).map_err(|_| KeyError::Malformed)?;
            let decoded = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::Malformed)?;
            decoding.insert(key.kid.clone(), (jose(key.algorithm), decoded));
        }
        self.ring.store(Arc::new(Ring::new(keys, decoding)));
        Ok(())
    }

    /// The private key that this node signs with, or will, by its id.
    pub fn pair(&self, kid: &str) -> Option<Arc<SigningPair>> {
        self.ring.load().keys.iter().find(|key| key.kid == kid)?.pair.clone()
    }

    /// The JSON Web Key Set (RFC 7517 §5): every key that signs, will sign, or has signed lately. Public members only.
    pub fn jwks(&self) -> Value {
        let ring = self.ring.load();
        json!({ "keys": ring.keys.iter().map(|key| &key.public_jwk).collect::<Vec<_>>() })
    }

    /// The algorithms that can sign now.
    pub fn algorithms(&self) -> Vec<SigningAlgorithm> {
        let ring = self.ring.load();
        ring.keys.iter().filter(|key| key.status == KeyStatus::Active).map(|key| key.algorithm).collect()
    }

    /// A JWS in compact form (RFC 7515 §3.1) by the newest active key of the algorithm.
    ///
    /// # Errors
    /// If there is no such key.
    pub fn sign(
        &self,
        algorithm: SigningAlgorithm,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, SigningError> {
        self.ring.load().sign(algorithm, typ, claims)
    }

    /// [`Keyring::sign`], for a token that will soon be presented here: it need not be verified then.
    ///
    /// # Errors
    /// If there is no such key.
    pub fn sign_and_remember(
        &self,
        algorithm: SigningAlgorithm,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, SigningError> {
        // With the ring that the key is in: where that is replaced meanwhile, the token is verified, and perhaps refused.
        let ring = self.ring.load();
        let token = ring.sign(algorithm, typ, claims)?;
        let claims = serde_json::to_value(claims).map_err(|_| SigningError::Failed)?;
        ring.verified.insert(digest(&token), Arc::new(Verified { typ: typ.to_owned(), claims }));
        Ok(token)
    }

    /// Verifies a token of our own: type, key, algorithm, signature, issuer, times. The claims are checked for shape: no
    /// member twice, times are whole numbers (attacks JK-06).
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self, token: &str, expected: Expected<'_>) -> Result<Value, TokenInvalid> {
        if token.len() > 16_384 {
            return Err(TokenInvalid::Malformed);
        }
        let verified = self.ring.load().verify(token)?;
        if verified.typ != expected.typ {
            return Err(TokenInvalid::WrongType);
        }
        let claims = verified.claims.clone();
        if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
            return Err(TokenInvalid::WrongIssuer);
        }
        let expires_at = claims.get("exp").and_then(Value::as_i64).ok_or(TokenInvalid::Malformed)?;
        if !expected.allow_expired && expected.now >= expires_at {
            return Err(TokenInvalid::Expired);
        }
        Ok(claims)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn jose(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::RS256 => Algorithm::RS256,
        SigningAlgorithm::ES256 => Algorithm::ES256,
        SigningAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}
