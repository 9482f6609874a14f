//! Sealing of personal data: one data key a subject, wrapped by a key derived from `ENCRYPTION_KEY`.
//!
//! AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces; HKDF-SHA-256 (RFC 5869) separates the purposes of the one
//! configured secret. Destroying a subject's data key erases the subject in every event at once.

mod bytes;
mod keys;
mod seal;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use chancery_domain::Subject;
use chancery_domain::claim::Claim;
use chancery_domain::secret::Secret;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sqlx::PgPool;

pub use keys::VaultError;
pub use seal::Binding;

/// Data keys kept in memory; when there are more, the cache starts over.
const CACHED_KEYS: usize = 20_000;
const NONCE_LENGTH: usize = 12;

/// Seals, unseals and forgets.
#[derive(Clone)]
pub struct Vault {
    pool: PgPool,
    master: Arc<Master>,
    cache: Arc<Mutex<HashMap<Subject, DataKey>>>,
}

/// The keys derived from `ENCRYPTION_KEY`; it is never used itself.
struct Master {
    wrapping: Aes256Gcm,
    claims: Secret<[u8; 32]>,
    refresh_tokens: Secret<[u8; 32]>,
    links: Secret<[u8; 32]>,
}

/// A subject's data key, ready for use.
#[derive(Clone)]
pub(crate) struct DataKey {
    version: i32,
    cipher: Arc<Aes256Gcm>,
}

impl Vault {
    /// # Errors
    /// [`VaultError::ShortKey`] below 16 bytes.
    pub fn new(pool: PgPool, encryption_key: &Secret<Vec<u8>>) -> Result<Self, VaultError> {
        if encryption_key.expose().len() < 16 {
            return Err(VaultError::ShortKey);
        }
        let master = Master {
            wrapping: cipher(&derive(encryption_key, "chancery subject key wrapping v1")),
            claims: derive(encryption_key, "chancery claims index v1"),
            refresh_tokens: derive(encryption_key, "chancery refresh tokens v1"),
            links: derive(encryption_key, "chancery mailed links v1"),
        };
        Ok(Self { pool, master: Arc::new(master), cache: Arc::default() })
    }

    /// The keyed digest under which a claim is kept, so that the claims table names nobody.
    pub fn claim_digest(&self, claim: &Claim) -> [u8; 32] {
        self.keyed_digest(&self.master.claims, &[claim.kind.as_str().as_bytes(), claim.value.as_bytes()])
    }

    /// The secret half of a refresh token. It follows from its place in the grant, so that a retry within the grace gets
    /// the same successor; only its digest is stored.
    pub fn refresh_token_secret(&self, grant: &[u8; 16], generation: u32) -> [u8; 32] {
        self.keyed_digest(&self.master.refresh_tokens, &[grant, &generation.to_be_bytes()])
    }

    /// The secret of a link that is mailed. It follows from what the link is for, so that whoever sends the mail can make
    /// it again; only its digest is stored.
    pub fn link_secret(&self, purpose: &str, id: &[u8; 16]) -> [u8; 32] {
        self.keyed_digest(&self.master.links, &[purpose.as_bytes(), id])
    }

    fn keyed_digest(&self, key: &Secret<[u8; 32]>, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = new_mac(key);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn cached(&self, subject: &Subject) -> Option<DataKey> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(subject).cloned()
    }

    fn remember(&self, subject: Subject, key: DataKey) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_KEYS {
            cache.clear();
        }
        cache.insert(subject, key);
    }

    /// Drops a data key from memory; another node destroyed it.
    pub fn evict(&self, subject: &Subject) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).remove(subject);
    }
}

fn new_mac(key: &Secret<[u8; 32]>) -> Hmac<Sha256> {
    // HMAC takes keys of any length (RFC 2104 §2), so 32 bytes cannot be refused.
    #[expect(clippy::expect_used, reason = "a 32-byte key is always accepted")]
    Hmac::<Sha256>::new_from_slice(key.expose()).expect("any key length")
}

fn derive(secret: &Secret<Vec<u8>>, purpose: &str) -> Secret<[u8; 32]> {
    let mut key = [0; 32];
    // 32 bytes are far below HKDF's limit of 255 digests (RFC 5869 §2.3).
    #[expect(clippy::expect_used, reason = "32 bytes are within HKDF's limit")]
    hkdf::Hkdf::<Sha256>::new(None, secret.expose()).expand(purpose.as_bytes(), &mut key).expect("within the limit");
    Secret::new(key)
}

fn cipher(key: &Secret<[u8; 32]>) -> Aes256Gcm {
    Aes256Gcm::new(key.expose().into())
}

/// `nonce ‖ ciphertext ‖ tag` under a fresh random nonce.
fn encrypt(cipher: &Aes256Gcm, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE_LENGTH];
    getrandom::fill(&mut nonce).map_err(|_| VaultError::Randomness)?;
    let sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg: plain, aad }).map_err(|_| VaultError::Sealing)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(cipher: &Aes256Gcm, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_LENGTH).ok_or(VaultError::Unsealing)?;
    let nonce = Nonce::try_from(nonce).map_err(|_| VaultError::Unsealing)?;
    cipher.decrypt(&nonce, Payload { msg: sealed, aad }).map_err(|_| VaultError::Unsealing)
}
