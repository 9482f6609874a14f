//! The table of data keys: made on first use, unwrapped into memory, destroyed for good.

use std::collections::HashMap;
use std::sync::Arc;

use chancery_domain::Subject;
use chancery_domain::secret::Secret;
use sqlx::PgConnection;

use super::{DataKey, Vault, cipher, decrypt, encrypt, fresh_key};

/// There is one version of each subject's key so far; a later one would be used for new events only.
const KEY_VERSION: i32 = 1;

/// Why something could not be sealed, unsealed or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("ENCRYPTION_KEY needs at least 16 bytes; `openssl rand -base64 32` makes a good one")]
    ShortKey,
    #[error(
        "ENCRYPTION_KEY is not the key that this database is sealed under. To change it, give the present one in \
         ENCRYPTION_KEY_PREVIOUS"
    )]
    WrongKey,
    #[error(
        "keys of this database are still sealed under the encryption key {0}: give it in ENCRYPTION_KEY_PREVIOUS, and \
         run `chancery encryption-key-rotate` to its end"
    )]
    PreviousNeeded(String),
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
    /// The data key to seal with, made if the subject has none.
    pub(super) async fn sealing_key(&self, subject: &Subject) -> Result<DataKey, VaultError> {
        let subjects = std::slice::from_ref(subject);
        if let Some(key) = self.opening_keys(subjects).await?.remove(subject) {
            return Ok(key);
        }
        let fresh = Secret::new(fresh_key()?);
        // A database that has not noted yet under which key it is sealed takes none: it is told, and asked again.
        for _ in 0..2 {
            self.keep(subject, &fresh, &mut *self.pool.acquire().await?).await?;
            // Of two nodes that make the same key, the first wins and both use it.
            if let Some(key) = self.opening_keys(subjects).await?.remove(subject) {
                return Ok(key);
            }
            self.check().await?;
        }
        Err(VaultError::Erased(subject.clone()))
    }

    /// Stores a first key for a subject that has none, sealed under the key in use.
    ///
    /// The lock on the note keeps a rotation from counting what is still to be sealed anew before this is committed.
    pub(super) async fn keep(
        &self,
        subject: &Subject,
        key: &Secret<[u8; 32]>,
        connection: &mut PgConnection,
    ) -> Result<(), VaultError> {
        let aad = wrapping_aad(subject, KEY_VERSION);
        let wrapped = self.masters.iter().map(|master| encrypt(&master.wrapping, &aad, key.expose()));
        sqlx::query(
            "WITH in_use AS MATERIALIZED (SELECT key_id FROM vault_check FOR SHARE)
             INSERT INTO subject_keys (subject, key_version, wrapped, sealed_under)
             SELECT $1, $2, wrapped, key_id FROM in_use JOIN unnest($3::bytea[], $4::text[]) AS own (wrapped, key_id)
                    USING (key_id)
             ON CONFLICT DO NOTHING",
        )
        .bind(subject.as_str())
        .bind(KEY_VERSION)
        .bind(wrapped.collect::<Result<Vec<_>, _>>()?)
        .bind(self.masters.iter().map(|master| master.id.as_str()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
        Ok(())
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
        let evictions = self.evictions();
        let rows: Vec<(String, i32, Vec<u8>)> = sqlx::query_as(
            "SELECT subject, key_version, wrapped FROM subject_keys WHERE subject = ANY($1) AND wrapped IS NOT NULL",
        )
        .bind(&missing)
        .fetch_all(&self.pool)
        .await?;
        for (subject, version, wrapped) in rows {
            let subject = Subject::from(subject);
            let key = cipher(&self.unwrap_key(&subject, version, &wrapped)?);
            let key = DataKey { version, cipher: Arc::new(key) };
            self.remember(subject.clone(), key.clone(), evictions);
            keys.insert(subject, key);
        }
        Ok(keys)
    }

    /// Opens a wrapped key with whichever of the configured keys it is sealed under.
    pub(super) fn unwrap_key(
        &self,
        subject: &Subject,
        version: i32,
        wrapped: &[u8],
    ) -> Result<Secret<[u8; 32]>, VaultError> {
        let aad = wrapping_aad(subject, version);
        let plain = self.masters.iter().find_map(|master| decrypt(&master.wrapping, &aad, wrapped).ok());
        let key = plain.and_then(|plain| plain.try_into().ok()).ok_or(VaultError::Unsealing)?;
        Ok(Secret::new(key))
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

pub(super) fn wrapping_aad(subject: &Subject, version: i32) -> Vec<u8> {
    format!("subject key|{subject}|{version}").into_bytes()
}
