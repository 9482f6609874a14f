//! Another `ENCRYPTION_KEY` in the place of the one in use, while nodes run.
//!
//! Nodes hold both keys and open what either has sealed. [`Vault::take_into_use`] switches all of them at once: from its
//! commit on, nothing new is sealed under the former key. [`Vault::reseal`] then seals the data keys anew, some at a time;
//! [`Vault::settle`] notes the end. Each step is a transaction, and all can be repeated, so whoever is killed goes on where
//! they were. Events are sealed under data keys, which stay the same, and are not touched.

use chancery_domain::Subject;
use chancery_domain::secret::Secret;
use time::OffsetDateTime;

use super::derived::{LINKS, REFRESH_TOKENS};
use super::keys::wrapping_aad;
use super::standing::{Standing, seal_check};
use super::{Vault, VaultError, encrypt, fresh_key};

/// Rows sealed anew in one transaction; their subjects wait that long at most when they are erased.
const BATCH: i64 = 200;
const NODE_LABEL: &str = "chancery node";

/// From which key to which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub replaces: String,
    pub key: String,
    /// Whether `key` is in use already: a rotation that was interrupted.
    pub begun: bool,
}

/// What one step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    pub count: i64,
    /// Where the next step begins.
    pub last: String,
}

impl Vault {
    /// The rotation that the configured keys stand for, if there is one.
    ///
    /// # Errors
    /// As [`Vault::check`]; [`VaultError::PreviousNeeded`] too if an earlier rotation has to end first.
    pub async fn rotation(&self) -> Result<Option<Rotation>, VaultError> {
        let own = self.masters.first().map(|own| own.id.clone()).unwrap_or_default();
        Ok(match self.standing().await? {
            Standing::New | Standing::Settled { .. } => None,
            Standing::Waiting { key, in_use } => Some(Rotation { replaces: in_use, key, begun: false }),
            // Its keys are configured the other way round.
            Standing::Rotating { key, replaces, .. } if key != own => {
                return Err(VaultError::PreviousNeeded(replaces));
            }
            Standing::Rotating { key, replaces, .. } => Some(Rotation { replaces, key, begun: true }),
        })
    }

    /// A name for one connection of each node, by which [`Vault::nodes_without`] finds it.
    pub fn node_label(&self) -> String {
        self.masters.iter().fold(NODE_LABEL.to_owned(), |label, master| format!("{label} {}", master.id))
    }

    /// How many running nodes do not hold this key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn nodes_without(&self, key: &str) -> Result<i64, VaultError> {
        let nodes = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND starts_with(application_name, $1) AND strpos(application_name, $2) = 0",
        );
        Ok(nodes.bind(NODE_LABEL).bind(key).fetch_one(&self.pool).await?)
    }

    /// From now on `ENCRYPTION_KEY` seals, on every node. Makes new keys for derived secrets too, which nobody can derive
    /// from the former one.
    ///
    /// # Errors
    /// Those of the database, and [`VaultError::WrongKey`] if somebody else has switched meanwhile; nothing changed then.
    pub async fn take_into_use(&self, rotation: &Rotation, now: OffsetDateTime) -> Result<(), VaultError> {
        let own = self.masters.iter().find(|master| master.id == rotation.key).ok_or(VaultError::WrongKey)?;
        let mut transaction = self.pool.begin().await?;
        let switched = sqlx::query("UPDATE vault_check SET sealed = $1, key_id = $2, replaces = $3 WHERE key_id = $3")
            .bind(seal_check(own)?)
            .bind(&own.id)
            .bind(&rotation.replaces)
            .execute(&mut *transaction)
            .await?;
        if switched.rows_affected() == 0 {
            return Err(VaultError::WrongKey);
        }
        for purpose in [REFRESH_TOKENS, LINKS] {
            let last: i32 = sqlx::query_scalar("SELECT max(key_version) FROM subject_keys WHERE subject = $1")
                .bind(purpose)
                .fetch_one(&mut *transaction)
                .await?;
            let aad = wrapping_aad(&Subject::from(purpose.to_owned()), last + 1);
            let key = Secret::new(fresh_key()?);
            sqlx::query(
                "INSERT INTO subject_keys (subject, key_version, wrapped, sealed_under, created_at)
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(purpose)
            .bind(last + 1)
            .bind(encrypt(&own.wrapping, &aad, key.expose())?)
            .bind(&own.id)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Seals the next few data keys under `ENCRYPTION_KEY`, in the order of their subjects; none when there are no more.
    ///
    /// # Errors
    /// Those of the database, and [`VaultError::Unsealing`] for a key that neither key opens; none of these few changed.
    pub async fn reseal(&self, rotation: &Rotation, after: &str) -> Result<Option<Resealed>, VaultError> {
        let own = self.masters.iter().find(|master| master.id == rotation.key).ok_or(VaultError::WrongKey)?;
        let mut transaction = self.pool.begin().await?;
        let rows: Vec<(String, i32, Vec<u8>)> = sqlx::query_as(
            "SELECT subject, key_version, wrapped FROM subject_keys
             WHERE subject > $1 AND wrapped IS NOT NULL AND sealed_under IS DISTINCT FROM $2
             ORDER BY subject, key_version LIMIT $3 FOR UPDATE",
        )
        .bind(after)
        .bind(&own.id)
        .bind(BATCH)
        .fetch_all(&mut *transaction)
        .await?;
        let Some((last, ..)) = rows.last().cloned() else { return Ok(None) };
        let mut sealed = Vec::with_capacity(rows.len());
        for (subject, version, wrapped) in &rows {
            let subject = Subject::from(subject.clone());
            let key = self.unwrap_key(&subject, *version, wrapped)?;
            sealed.push(encrypt(&own.wrapping, &wrapping_aad(&subject, *version), key.expose())?);
        }
        sqlx::query(
            "UPDATE subject_keys AS k SET wrapped = n.wrapped, sealed_under = $4
             FROM unnest($1::text[], $2::int[], $3::bytea[]) AS n (subject, key_version, wrapped)
             WHERE k.subject = n.subject AND k.key_version = n.key_version",
        )
        .bind(rows.iter().map(|(subject, ..)| subject.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, version, _)| *version).collect::<Vec<_>>())
        .bind(sealed)
        .bind(&own.id)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Some(Resealed { count: rows.len() as i64, last }))
    }

    /// Notes that nothing is left under the former key, if that is so. Says how many keys are.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn settle(&self, rotation: &Rotation) -> Result<i64, VaultError> {
        let remaining = self.remaining(&rotation.key).await?;
        if remaining == 0 {
            sqlx::query("UPDATE vault_check SET replaces = NULL WHERE key_id = $1")
                .bind(&rotation.key)
                .execute(&self.pool)
                .await?;
        }
        Ok(remaining)
    }

    /// How many keys are sealed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sealed(&self) -> Result<i64, VaultError> {
        let count = sqlx::query_scalar("SELECT count(*) FROM subject_keys WHERE wrapped IS NOT NULL");
        Ok(count.fetch_one(&self.pool).await?)
    }
}
