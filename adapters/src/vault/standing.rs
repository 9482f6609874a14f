//! How the configured keys stand to what the database notes of the key in use.

use super::master::Master;
use super::{Vault, VaultError, decrypt, encrypt};

const CHECK_TEXT: &[u8] = b"chancery vault check";
const CHECK_AAD: &[u8] = b"check";

/// What is to be done about the encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing has been sealed yet.
    New,
    /// Everything is sealed under `ENCRYPTION_KEY`; `previous` if another is still configured beside it.
    Settled { key: String, previous: Option<String> },
    /// `ENCRYPTION_KEY_PREVIOUS` is in use, and `ENCRYPTION_KEY` may take its place.
    Waiting { key: String, in_use: String },
    /// `key` is in use, and so many keys are still sealed under the one that it replaces.
    Rotating { key: String, replaces: String, remaining: i64 },
}

/// What the database notes.
#[derive(sqlx::FromRow)]
pub(super) struct Note {
    sealed: Vec<u8>,
    key_id: Option<String>,
    pub replaces: Option<String>,
}

impl Vault {
    /// Compares `ENCRYPTION_KEY` with the one that the database is sealed under, notes it on a new database, and reads the
    /// keys of derived secrets.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`] if it is another, [`VaultError::PreviousNeeded`] if a rotation from a key that is not
    /// configured has not come to its end.
    pub async fn check(&self) -> Result<(), VaultError> {
        let [own, ..] = &self.masters[..] else { return Err(VaultError::WrongKey) };
        sqlx::query("INSERT INTO vault_check (sealed, key_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(seal_check(own)?)
            .bind(&own.id)
            .execute(&self.pool)
            .await?;
        let note = self.note().await?.ok_or(VaultError::WrongKey)?;
        let in_use = self.in_use(&note)?;
        if note.key_id.is_none() {
            // Releases before this one noted no fingerprint.
            sqlx::query("UPDATE vault_check SET key_id = $1 WHERE key_id IS NULL")
                .bind(&in_use.id)
                .execute(&self.pool)
                .await?;
        }
        self.load_derived(in_use).await
    }

    /// Looks, and changes nothing.
    ///
    /// # Errors
    /// As [`Vault::check`].
    pub async fn standing(&self) -> Result<Standing, VaultError> {
        let [own, others @ ..] = &self.masters[..] else { return Err(VaultError::WrongKey) };
        let Some(note) = self.note().await? else { return Ok(Standing::New) };
        let in_use = self.in_use(&note)?;
        let key = in_use.id.clone();
        if let Some(replaces) = note.replaces {
            return Ok(Standing::Rotating { remaining: self.remaining(&key).await?, key, replaces });
        }
        if in_use.id != own.id {
            return Ok(Standing::Waiting { key: own.id.clone(), in_use: key });
        }
        Ok(Standing::Settled { key, previous: others.first().map(|other| other.id.clone()) })
    }

    /// How many keys are not sealed under this one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn remaining(&self, key: &str) -> Result<i64, VaultError> {
        let count = sqlx::query_scalar(
            "SELECT count(*) FROM subject_keys WHERE wrapped IS NOT NULL AND sealed_under IS DISTINCT FROM $1",
        );
        Ok(count.bind(key).fetch_one(&self.pool).await?)
    }

    pub(super) async fn note(&self) -> Result<Option<Note>, sqlx::Error> {
        sqlx::query_as("SELECT sealed, key_id, replaces FROM vault_check").fetch_optional(&self.pool).await
    }

    /// The configured key that the database is sealed under.
    pub(super) fn in_use(&self, note: &Note) -> Result<&Master, VaultError> {
        let opens =
            |master: &&Master| decrypt(&master.wrapping, CHECK_AAD, &note.sealed).is_ok_and(|text| text == CHECK_TEXT);
        let in_use = self.masters.iter().find(opens).ok_or(VaultError::WrongKey)?;
        match &note.replaces {
            Some(replaces) if self.masters.iter().all(|master| master.id != *replaces) => {
                Err(VaultError::PreviousNeeded(replaces.clone()))
            }
            _ => Ok(in_use),
        }
    }
}

pub(super) fn seal_check(master: &Master) -> Result<Vec<u8>, VaultError> {
    encrypt(&master.wrapping, CHECK_AAD, CHECK_TEXT)
}
