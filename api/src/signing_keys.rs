//! The signing keys' life: one active key for each algorithm, a staged successor published in advance, old ones kept for
//! verifying until nothing they signed can still count (OpenID Connect Core §10.1.1).

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chancery_adapters::event_store::{EventStore, ExecuteError, StoreError, Unit};
use chancery_adapters::signing::{Keyring, KeyringKey, SigningPair, generate};
use chancery_domain::Subject;
use chancery_domain::context::Context;
use chancery_domain::personal::Personal;
use chancery_domain::signing_algorithm::SigningAlgorithm;
use chancery_domain::signing_key::{KeyStatus, SigningKey, SigningKeyCommand, SigningKeyRefusal};
use chancery_projections::signing_keys::{self, SigningKeyRow};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

/// How long a key signs.
const ACTIVE: Duration = Duration::days(90);
/// How long a successor is published before it signs: much longer than anybody caches the key set.
const STAGED: Duration = Duration::days(7);
/// How long a retired key verifies: longer than the longest access token, which lives a year at most.
const RETIRED: Duration = Duration::days(366);
/// Serializes rotation between nodes.
const ROTATION_LOCK: i64 = 4_207_849_485;

#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refused(#[from] SigningKeyRefusal),
    #[error(transparent)]
    Key(#[from] chancery_adapters::signing::KeyError),
    /// The private key of a published key does not open: never replaced silently (attacks JK-07).
    #[error("the private key of {0} cannot be read")]
    Unreadable(String),
}

impl From<ExecuteError<SigningKeyRefusal>> for RotationError {
    fn from(error: ExecuteError<SigningKeyRefusal>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => refusal.into(),
            ExecuteError::Store(error) => error.into(),
        }
    }
}

/// Does what is due: makes missing keys, stages successors, activates, retires and removes. What is due to a key that
/// cannot be read waits, and is told of each time (attacks EV-08).
///
/// # Errors
/// Those of the store; what was done until then is recorded.
pub async fn rotate(
    store: &EventStore,
    pool: &PgPool,
    context: &Context,
    now: OffsetDateTime,
) -> Result<(), RotationError> {
    let mut lock = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ROTATION_LOCK).execute(&mut *lock).await?;
    let rows = signing_keys::all(pool).await?;
    for algorithm in SigningAlgorithm::ALL {
        let own: Vec<&SigningKeyRow> = rows.iter().filter(|row| row.algorithm == algorithm.as_str()).collect();
        readable(algorithm.as_str(), rotate_algorithm(store, context, algorithm, &own, now).await)?;
    }
    for row in rows.iter().filter(|row| row.retired_at.is_some_and(|at| now >= at + RETIRED)) {
        let removed = store.execute::<SigningKey>(&row.kid, SigningKeyCommand::Remove { now }, context).await;
        if readable(&row.kid, removed.map_err(RotationError::from))?.is_none() {
            continue;
        }
        store.vault().destroy(&Subject::signing_key(&row.kid), &mut lock).await.map_err(StoreError::from)?;
    }
    lock.commit().await?;
    Ok(())
}

/// Nothing, and a line in the log, where the events of a key cannot be read: the other keys go on.
fn readable<T>(key: &str, done: Result<T, RotationError>) -> Result<Option<T>, RotationError> {
    match done {
        Err(RotationError::Store(error @ StoreError::Unreadable(_))) => {
            tracing::error!(key, %error, "a signing key cannot be read");
            Ok(None)
        }
        done => done.map(Some),
    }
}

/// What [`replace`] did to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// It signs from now on.
    Signs(SigningAlgorithm, String),
    /// What it signed still counts.
    Verifies(SigningAlgorithm, String),
    /// What it signed counts nowhere any more, within a second (attacks JK-04).
    Withdrawn(SigningAlgorithm, String),
    /// It cannot be read, so nothing can be recorded of it: what it signed counts, and another signs.
    Unread(SigningAlgorithm, String),
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signs(algorithm, kid) => write!(f, "{algorithm} {kid} signs"),
            Self::Verifies(algorithm, kid) => write!(f, "{algorithm} {kid} signs no more; what it signed counts"),
            Self::Withdrawn(algorithm, kid) => write!(f, "{algorithm} {kid} is withdrawn; nothing it signed counts"),
            Self::Unread(algorithm, kid) => write!(f, "{algorithm} {kid} cannot be read; what it signed counts"),
        }
    }
}

/// Lets another key of these algorithms sign at once, in one append. With `withdraw`, that is a new one, and every key
/// from before is removed.
///
/// # Errors
/// Those of the store, one that cannot be read and is to be withdrawn among them; then nothing changed.
pub async fn replace(
    store: &EventStore,
    pool: &PgPool,
    context: &Context,
    algorithms: &[SigningAlgorithm],
    withdraw: bool,
    now: OffsetDateTime,
) -> Result<Vec<Replaced>, RotationError> {
    let mut lock = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ROTATION_LOCK).execute(&mut *lock).await?;
    let rows = signing_keys::all(pool).await?;
    let (mut unit, mut replaced) = (store.unit(context), Vec::new());
    for algorithm in algorithms.iter().copied() {
        let own: Vec<&SigningKeyRow> = rows.iter().filter(|row| row.algorithm == algorithm.as_str()).collect();
        // A staged key is known to whoever keeps the key set.
        let staged = own.iter().find(|row| row.status == "staged" && !withdraw).map(|row| row.kid.clone());
        let next = match staged {
            Some(staged) => staged,
            None => stage_in(&mut unit, algorithm, now).await?,
        };
        unit.execute::<SigningKey>(&next, SigningKeyCommand::Activate { now }).await?;
        for SigningKeyRow { kid, status, .. } in own {
            if status == "active" || (withdraw && status == "staged") {
                let retired = unit.execute::<SigningKey>(kid, SigningKeyCommand::Retire { now }).await;
                if withdraw {
                    retired?;
                } else if readable(kid, retired.map_err(RotationError::from))?.is_none() {
                    replaced.push(Replaced::Unread(algorithm, kid.clone()));
                    continue;
                }
            }
            if withdraw {
                unit.execute::<SigningKey>(kid, SigningKeyCommand::Remove { now }).await?;
                replaced.push(Replaced::Withdrawn(algorithm, kid.clone()));
            } else if status == "active" {
                replaced.push(Replaced::Verifies(algorithm, kid.clone()));
            }
        }
        replaced.push(Replaced::Signs(algorithm, next));
    }
    unit.commit().await?;
    for replaced in &replaced {
        if let Replaced::Withdrawn(_, kid) = replaced {
            store.vault().destroy(&Subject::signing_key(kid), &mut lock).await.map_err(StoreError::from)?;
        }
    }
    lock.commit().await?;
    Ok(replaced)
}

async fn rotate_algorithm(
    store: &EventStore,
    context: &Context,
    algorithm: SigningAlgorithm,
    rows: &[&SigningKeyRow],
    now: OffsetDateTime,
) -> Result<(), RotationError> {
    // One that could not be read may still be there beside its successor.
    let active = || rows.iter().filter(|row| row.status == "active");
    let staged = rows.iter().find(|row| row.status == "staged");
    let Some(newest) = active().next_back() else {
        // The first key signs at once: there is nobody yet who could have cached a set without it.
        let kid = match staged {
            Some(staged) => staged.kid.clone(),
            None => stage(store, context, algorithm, now).await?,
        };
        store.execute::<SigningKey>(kid, SigningKeyCommand::Activate { now }, context).await?;
        return Ok(());
    };
    let signs_until = newest.activated_at.unwrap_or(newest.staged_at) + ACTIVE;
    match staged {
        None if now >= signs_until - STAGED => {
            stage(store, context, algorithm, now).await?;
        }
        Some(staged) if now >= signs_until && now >= staged.staged_at + STAGED => {
            store.execute::<SigningKey>(&staged.kid, SigningKeyCommand::Activate { now }, context).await?;
            for active in active() {
                let retired =
                    store.execute::<SigningKey>(&active.kid, SigningKeyCommand::Retire { now }, context).await;
                readable(&active.kid, retired.map_err(RotationError::from))?;
            }
        }
        _ => {}
    }
    Ok(())
}

async fn stage(
    store: &EventStore,
    context: &Context,
    algorithm: SigningAlgorithm,
    now: OffsetDateTime,
) -> Result<String, RotationError> {
    let mut unit = store.unit(context);
    let kid = stage_in(&mut unit, algorithm, now).await?;
    unit.commit().await?;
    Ok(kid)
}

async fn stage_in(unit: &mut Unit, algorithm: SigningAlgorithm, now: OffsetDateTime) -> Result<String, RotationError> {
    let made = generate(algorithm)?;
    let private_key = STANDARD.encode(made.pkcs8.expose());
    let (kid, public_jwk) = (made.kid.clone(), made.public_jwk);
    let stage = SigningKeyCommand::Stage { kid, algorithm, public_jwk, private_key, now };
    unit.create::<SigningKey>(&made.kid, stage).await?;
    Ok(made.kid)
}

/// Loads the published keys into the ring. One whose events cannot be read verifies as the view has it; it signs only
/// where it did before, and nothing takes its place by itself (attacks EV-08).
///
/// # Errors
/// A key that signs or will sign and cannot be opened.
pub async fn load(store: &EventStore, pool: &PgPool, keyring: &Keyring) -> Result<(), RotationError> {
    let mut keys = Vec::new();
    for row in signing_keys::all(pool).await? {
        let read = store.load::<SigningKey>(&row.kid).await.map_err(RotationError::from);
        let key = match readable(&row.kid, read)? {
            Some(read) => key_of(row.kid, read.into_state())?,
            None => Some(as_published(row, keyring)?),
        };
        keys.extend(key);
    }
    Ok(keyring.replace(keys)?)
}

fn key_of(kid: String, key: SigningKey) -> Result<Option<KeyringKey>, RotationError> {
    let SigningKey::Held { algorithm, status, public_jwk, private_key } = key else { return Ok(None) };
    let pair = match (status, private_key) {
        (KeyStatus::Retired, _) => None,
        (_, Personal::Known { value, .. }) => {
            let pkcs8 = STANDARD.decode(value).map_err(|_| RotationError::Unreadable(kid.clone()))?;
            Some(Arc::new(SigningPair::parse(algorithm, &pkcs8)?))
        }
        (_, Personal::Erased { .. }) => return Err(RotationError::Unreadable(kid)),
    };
    Ok(Some(KeyringKey { kid, algorithm, status, public_jwk, pair }))
}

fn as_published(row: SigningKeyRow, keyring: &Keyring) -> Result<KeyringKey, RotationError> {
    let unreadable = || RotationError::Unreadable(row.kid.clone());
    let algorithm = row.algorithm.parse().map_err(|_| unreadable())?;
    let status = KeyStatus::deserialize(row.status.as_str().into_deserializer());
    let status = status.map_err(|_: serde::de::value::Error| unreadable())?;
    let pair = keyring.pair(&row.kid).filter(|_| status != KeyStatus::Retired);
    Ok(KeyringKey { kid: row.kid, algorithm, status, public_jwk: row.public_jwk.0, pair })
}
