//! A configured `ENCRYPTION_KEY` and what follows from it (HKDF-SHA-256, RFC 5869); it is never used itself.

use aes_gcm::Aes256Gcm;
use chancery_domain::secret::Secret;
use sha2::Sha256;

use super::{VaultError, cipher};

#[derive(Clone)]
pub(super) struct Master {
    /// Its fingerprint, by which the database and people name it.
    pub id: String,
    /// Wraps data keys.
    pub wrapping: Aes256Gcm,
    pub claims: Secret<[u8; 32]>,
    pub refresh_tokens: Secret<[u8; 32]>,
    pub links: Secret<[u8; 32]>,
}

impl Master {
    pub fn new(encryption_key: &Secret<Vec<u8>>) -> Result<Self, VaultError> {
        if encryption_key.expose().len() < 16 {
            return Err(VaultError::ShortKey);
        }
        let fingerprint = derive(encryption_key, "chancery encryption key fingerprint v1");
        Ok(Self {
            id: fingerprint.expose()[..8].iter().map(|byte| format!("{byte:02x}")).collect(),
            wrapping: cipher(&derive(encryption_key, "chancery subject key wrapping v1")),
            claims: derive(encryption_key, "chancery claims index v1"),
            refresh_tokens: derive(encryption_key, "chancery refresh tokens v1"),
            links: derive(encryption_key, "chancery mailed links v1"),
        })
    }
}

fn derive(secret: &Secret<Vec<u8>>, purpose: &str) -> Secret<[u8; 32]> {
    let mut key = [0; 32];
    // 32 bytes are far below HKDF's limit of 255 digests (RFC 5869 §2.3).
    #[expect(clippy::expect_used, reason = "32 bytes are within HKDF's limit")]
    hkdf::Hkdf::<Sha256>::new(None, secret.expose()).expand(purpose.as_bytes(), &mut key).expect("within the limit");
    Secret::new(key)
}
