//! Key pairs: made, stored as PKCS #8, kept parsed.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::secret::Secret;
use chancery_domain::signing_algorithm::SigningAlgorithm;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A parsed private key.
pub enum SigningPair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A new key, to be recorded.
pub struct GeneratedKey {
    /// The JWK thumbprint (RFC 7638).
    pub kid: String,
    /// With `kid`, `alg` and `use`; public members only.
    pub public_jwk: Value,
    pub pkcs8: Secret<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a key could not be made")]
    Generation,
    #[error("a key cannot be read")]
    Malformed,
}

/// Makes a key pair: RSA of 2048 bits, P-256, or Ed25519.
///
/// # Errors
/// If the library or its source of randomness fails.
pub fn generate(algorithm: SigningAlgorithm) -> Result<GeneratedKey, KeyError> {
    let failed = |_| KeyError::Generation;
    let pkcs8 = match algorithm {
        SigningAlgorithm::RS256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).map_err(failed)?.as_ref().to_vec()
        }
        SigningAlgorithm::ES256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
            pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
        }
        SigningAlgorithm::EdDSA => {
            Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(failed)?.as_ref().to_vec()
        }
    };
    let pkcs8 = Secret::new(pkcs8);
    let members = SigningPair::parse(algorithm, pkcs8.expose())?.public_members();
    let kid = thumbprint(&members);
    let mut public_jwk = members;
    public_jwk["kid"] = json!(kid);
    public_jwk["use"] = json!("sig");
    public_jwk["alg"] = json!(algorithm.as_str());
    Ok(GeneratedKey { kid, public_jwk, pkcs8 })
}

impl SigningPair {
    /// # Errors
    /// [`KeyError::Malformed`] for anything but PKCS #8 of this kind of key.
    pub fn parse(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let malformed = |_| KeyError::Malformed;
        Ok(match algorithm {
            SigningAlgorithm::RS256 => Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(pkcs8).map_err(malformed)?)),
            SigningAlgorithm::ES256 => {
                Self::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(malformed)?)
            }
            SigningAlgorithm::EdDSA => Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(malformed)?),
        })
    }

    /// The signature in the form that JWS wants (RFC 7518 §3.3, §3.4, RFC 8037 §3.1).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(|_| KeyError::Generation)?;
                Ok(signature)
            }
            Self::P256(pair) => Ok(pair.sign(&random, message).map_err(|_| KeyError::Generation)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }

    /// The members that a thumbprint covers (RFC 7638 §3.2).
    fn public_members(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "e": encode(&e), "n": encode(&n) })
            }
            Self::P256(pair) => {
                // Uncompressed point: 0x04, x, y (SEC 1 §2.3.3).
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..65]) })
            }
            Self::Ed25519(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) }),
        }
    }
}

/// RFC 7638 §3: the digest of the required members in lexicographic order without white space, which is how serde_json
/// writes an object.
fn thumbprint(members: &Value) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(members.to_string()))
}
