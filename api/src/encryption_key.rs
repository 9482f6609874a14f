//! Puts `ENCRYPTION_KEY` in the place of the key that is in use, while nodes run with both.
//!
//! The record says first that it began; then all nodes switch at once, and the data keys are sealed anew. A run that is
//! killed at any point is taken up by the next one.

use chancery_adapters::event_store::{EventStore, ExecuteError, StoreError};
use chancery_adapters::vault::{Rotation, VaultError};
use chancery_domain::context::Context;
use chancery_domain::encryption_key::{EncryptionKey, EncryptionKeyCommand, EncryptionKeyRefusal};
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

/// Held by whoever rotates: a second run would only get in the way.
const ROTATION_LOCK: i64 = 4_207_849_486;

#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error("another run is under way")]
    UnderWay,
    /// A node holds only the former key and could open nothing that is sealed anew.
    #[error("running nodes that do not hold this ENCRYPTION_KEY: {0}. Restart them with both keys first")]
    NodesWithoutKey(i64),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refused(#[from] EncryptionKeyRefusal),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<ExecuteError<EncryptionKeyRefusal>> for RotationError {
    fn from(error: ExecuteError<EncryptionKeyRefusal>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => refusal.into(),
            ExecuteError::Store(error) => error.into(),
        }
    }
}

/// Rotates, if there is a key to rotate from, and tells `progress` how many keys of how many are sealed anew. `connection`
/// holds the lock meanwhile.
///
/// # Errors
/// What stood in the way; the same call goes on where this one stopped.
pub async fn rotate(
    store: &EventStore,
    connection: &mut PgConnection,
    context: &Context,
    now: OffsetDateTime,
    mut progress: impl FnMut(i64, i64),
) -> Result<Option<Rotation>, RotationError> {
    let mut lock = connection.begin().await?;
    let alone: bool =
        sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)").bind(ROTATION_LOCK).fetch_one(&mut *lock).await?;
    if !alone {
        return Err(RotationError::UnderWay);
    }
    let vault = store.vault();
    let Some(rotation) = vault.rotation().await? else { return Ok(None) };
    if !rotation.begun {
        match vault.nodes_without(&rotation.key).await? {
            0 => {}
            nodes => return Err(RotationError::NodesWithoutKey(nodes)),
        }
        let start = EncryptionKeyCommand::StartRotation { replaces: rotation.replaces.clone() };
        store.execute::<EncryptionKey>(&rotation.key, start, context).await?;
        vault.take_into_use(&rotation, now).await?;
    }
    let (total, mut remaining) = (vault.sealed().await?, vault.remaining(&rotation.key).await?);
    while remaining > 0 {
        let mut after = String::new();
        while let Some(resealed) = vault.reseal(&rotation, &after).await? {
            (after, remaining) = (resealed.last, remaining - resealed.count);
            progress(total - remaining, total);
        }
        remaining = vault.remaining(&rotation.key).await?;
    }
    let finish = EncryptionKeyCommand::FinishRotation { sealed: vault.sealed().await?.unsigned_abs() };
    match store.execute::<EncryptionKey>(&rotation.key, finish, context).await {
        // A run that was killed after this had been recorded.
        Ok(_) | Err(ExecuteError::Refused(EncryptionKeyRefusal::NotRotating)) => {}
        Err(error) => return Err(error.into()),
    }
    vault.settle(&rotation).await?;
    lock.rollback().await?;
    Ok(Some(rotation))
}
