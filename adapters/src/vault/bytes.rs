//! Personal data that is too large for an event, sealed as it is under the key of its subject.

use chancery_domain::Subject;

use super::{Vault, VaultError, decrypt, encrypt};

impl Vault {
    /// Seals bytes of a subject; `purpose` says what they are, and they open for nothing else.
    ///
    /// # Errors
    /// [`VaultError::Erased`] for a subject that has been erased.
    pub async fn seal_bytes(&self, subject: &Subject, purpose: &str, bytes: &[u8]) -> Result<Vec<u8>, VaultError> {
        let key = self.sealing_key(subject).await?;
        encrypt(&key.cipher, &aad(subject, purpose, key.version), bytes)
    }

    /// Opens them again; None once the subject has been erased.
    ///
    /// # Errors
    /// [`VaultError::Unsealing`] for bytes that were altered, or are another subject's.
    pub async fn open_bytes(
        &self,
        subject: &Subject,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        let keys = self.opening_keys(std::slice::from_ref(subject)).await?;
        let Some(key) = keys.get(subject) else { return Ok(None) };
        decrypt(&key.cipher, &aad(subject, purpose, key.version), sealed).map(Some)
    }
}

fn aad(subject: &Subject, purpose: &str, key_version: i32) -> Vec<u8> {
    format!("{purpose}|{subject}|{key_version}").into_bytes()
}
