//! Sealing of personal data: one data key a subject, wrapped by a key derived from `ENCRYPTION_KEY`.
//!
//! AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces; HKDF-SHA-256 (RFC 5869) separates the purposes of the one
//! configured secret. Destroying a subject's data key erases the subject in every event at once. `rotation` puts another
//! `ENCRYPTION_KEY` in the place of the one that is in use.

mod bytes;
mod derived;
mod keys;
mod master;
mod rotation;
mod seal;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use arc_swap::ArcSwap;
use chancery_domain::Subject;
use chancery_domain::secret::Secret;
use sqlx::PgPool;

use derived::DerivedKeys;
use master::Master;

pub use keys::VaultError;
pub use rotation::{Resealed, Rotation};
pub use seal::Binding;
pub use standing::Standing;

/// Data keys kept in memory; when there are more, the cache starts over.
const CACHED_KEYS: usize = 20_000;
const NONCE_LENGTH: usize = 12;

/// Seals, unseals and forgets.
#[derive(Clone)]
pub struct Vault {
    pool: PgPool,
    /// `ENCRYPTION_KEY` and, if it is set, `ENCRYPTION_KEY_PREVIOUS`. Which of them seals is noted in the database.
    masters: Arc<Vec<Master>>,
    derived: Arc<ArcSwap<DerivedKeys>>,
    cache: Arc<Mutex<Cache>>,
}

/// Data keys in memory.
#[derive(Default)]
struct Cache {
    keys: HashMap<Subject, DataKey>,
    /// Counts what was dropped, so that a key which was read before its destruction is not kept after it.
    evictions: u64,
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
        let master = Master::new(encryption_key)?;
        let derived = DerivedKeys::first(&master);
        Ok(Self {
            pool,
            masters: Arc::new(vec![master]),
            derived: Arc::new(ArcSwap::from_pointee(derived)),
            cache: Arc::default(),
        })
    }

    /// Also opens what is still sealed under this key (`ENCRYPTION_KEY_PREVIOUS`).
    ///
    /// # Errors
    /// [`VaultError::ShortKey`] below 16 bytes.
    pub fn with_previous(self, previous: &Secret<Vec<u8>>) -> Result<Self, VaultError> {
        let [own] = &self.masters[..] else { return Ok(self) };
        let masters = Arc::new(vec![own.clone(), Master::new(previous)?]);
        Ok(Self { masters, ..self })
    }

    fn cached(&self, subject: &Subject) -> Option<DataKey> {
        self.cache().keys.get(subject).cloned()
    }

    /// To be asked for before keys are read that shall be remembered.
    fn evictions(&self) -> u64 {
        self.cache().evictions
    }

    /// Keeps a key, unless any was dropped since `evictions`: it may be that one.
    fn remember(&self, subject: Subject, key: DataKey, evictions: u64) {
        let mut cache = self.cache();
        if cache.evictions != evictions {
            return;
        }
        if cache.keys.len() >= CACHED_KEYS {
            cache.keys.clear();
        }
        cache.keys.insert(subject, key);
    }

    /// Drops a data key from memory; another node destroyed it.
    pub fn evict(&self, subject: &Subject) {
        let mut cache = self.cache();
        cache.evictions += 1;
        cache.keys.remove(subject);
    }

    /// Drops all data keys from memory; the database may hold others now.
    pub fn evict_all(&self) {
        let mut cache = self.cache();
        cache.evictions += 1;
        cache.keys.clear();
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cipher(key: &Secret<[u8; 32]>) -> Aes256Gcm {
    Aes256Gcm::new(key.expose().into())
}

fn fresh_key() -> Result<[u8; 32], VaultError> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(|_| VaultError::Randomness)?;
    Ok(fresh)
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
