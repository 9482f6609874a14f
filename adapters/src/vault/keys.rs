//! The table of data keys: made on first use, unwrapped into memory, destroyed for good.

use std::collections::HashMap;
use std::sync::Arc;

use aes_gcm::Aes256Gcm;
use chancery_domain::Subject;
use chancery_domain::secret::Secret;
use sqlx::PgConnection;

use super::{DataKey, Vault, cipher, decrypt, encrypt};

/// There is one version of each subject's key so far; a later one would be used for new events only.
const KEY_VERSION: i32 = 1;
const CHECK_TEXT: &[u8] = b"chancery vault check";

/// Why something could not be sealed, unsealed or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("ENCRYPTION_KEY needs at least 16 bytes; `openssl rand -base64 32` makes a good one")]
    ShortKey,
    #[error("ENCRYPTION_KEY is not the key that this database was set up with")]
    WrongKey,
    #[error("the operating system gave no randomness")]
    Randomness,
    #[error("sealing failed")]
    Sealing,
    #[error("a sealed value does not open: it was altered, or belongs elsewhere")]
    Unsealing,
    #[error("{0} has been erased; nothing more can be recorded about it")]
    Erased(Subject),
    #[error("an event holds two personal values of {0}")]
    TwoValues(Subject),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Vault {
    /// Compares `ENCRYPTION_KEY` with the one that the database was set up with, and notes it on a new database.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`] if it is another.
    pub async fn check(&self) -> Result<(), VaultError> {
        let sealed = encrypt(&self.master.wrapping, b"check", CHECK_TEXT)?;
        sqlx::query("INSERT INTO vault_check (sealed) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(sealed)
            .execute(&self.pool)
            .await?;
        let kept: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM vault_check").fetch_one(&self.pool).await?;
        match decrypt(&self.master.wrapping, b"check", &kept) {
            Ok(text) if text == CHECK_TEXT => Ok(()),
            _ => Err(VaultError::WrongKey),
        }
    }

    /// The data key to seal with, made if the subject has none.
    pub(super) async fn sealing_key(&self, subject: &Subject) -> Result<DataKey, VaultError> {
        if let Some(key) = self.cached(subject) {
            return Ok(key);
        }
        let mut fresh = [0; 32];
        getrandom::fill(&mut fresh).map_err(|_| VaultError::Randomness)?;
        let wrapped = encrypt(&self.master.wrapping, &wrapping_aad(subject, KEY_VERSION), &fresh)?;
        // Of two nodes that make the same key, the first wins and both use it.
        sqlx::query(
            "INSERT INTO subject_keys (subject, key_version, wrapped) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(subject.as_str())
        .bind(KEY_VERSION)
        .bind(wrapped)
        .execute(&self.pool)
        .await?;
        let mut found = self.opening_keys(std::slice::from_ref(subject)).await?;
        found.remove(subject).ok_or_else(|| VaultError::Erased(subject.clone()))
    }

    /// The data keys of these subjects; the erased ones have none.
    pub(super) async fn opening_keys(&self, subjects: &[Subject]) -> Result<HashMap<Subject, DataKey>, VaultError> {
        let mut keys = HashMap::new();
        let mut missing = Vec::new();
        for subject in subjects {
            match self.cached(subject) {
                Some(key) => drop(keys.insert(subject.clone(), key)),
                None => missing.push(subject.as_str()),
            }
        }
        if missing.is_empty() {
            return Ok(keys);
        }
        let rows: Vec<(String, i32, Vec<u8>)> = sqlx::query_as(
            "SELECT subject, key_version, wrapped FROM subject_keys WHERE subject = ANY($1) AND wrapped IS NOT NULL",
        )
        .bind(&missing)
        .fetch_all(&self.pool)
        .await?;
        for (subject, version, wrapped) in rows {
            let subject = Subject::from(subject);
            let key = DataKey { version, cipher: Arc::new(self.unwrap(&subject, version, &wrapped)?) };
            self.remember(subject.clone(), key.clone());
            keys.insert(subject, key);
        }
        Ok(keys)
    }

    fn unwrap(&self, subject: &Subject, version: i32, wrapped: &[u8]) -> Result<Aes256Gcm, VaultError> {
        let plain = decrypt(&self.master.wrapping, &wrapping_aad(subject, version), wrapped)?;
        let key: [u8; 32] = plain.try_into().map_err(|_| VaultError::Unsealing)?;
        Ok(cipher(&Secret::new(key)))
    }

    /// Destroys a subject's data key: what was sealed under it is gone for everyone, for ever.
    ///
    /// # Errors
    /// Those of the database; then nothing was destroyed.
    pub async fn destroy(&self, subject: &Subject, connection: &mut PgConnection) -> Result<(), VaultError> {
        sqlx::query(
            "INSERT INTO subject_keys (subject, key_version, wrapped, destroyed_at) VALUES ($1, $2, NULL, now())
             ON CONFLICT (subject, key_version) DO UPDATE SET wrapped = NULL, destroyed_at = now()
             WHERE subject_keys.destroyed_at IS NULL",
        )
        .bind(subject.as_str())
        .bind(KEY_VERSION)
        .execute(connection)
        .await?;
        self.evict(subject);
        Ok(())
    }
}

fn wrapping_aad(subject: &Subject, version: i32) -> Vec<u8> {
    format!("subject key|{subject}|{version}").into_bytes()
}
