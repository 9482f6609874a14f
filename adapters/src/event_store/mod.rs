//! The event store: cqrs-es drives the aggregates, postgres-es reads their streams, appending is ours.
//!
//! A [`Unit`] gathers the events of one or several commands; its commit is one append, all or nothing. The writer takes
//! the units that have queued and commits them together (`append`); they are acknowledged once they are kept (`flush`). `feed`
//! reads the log back in order, and hands over what this node recorded last without reading it (`recent`).

mod append;
mod batch;
mod begin;
mod claims;
mod connection;
mod copy;
mod feed;
mod flush;
mod follower;
mod gathered;
mod horizon;
mod leaf;
mod measures;
mod memory;
mod projection;
mod recent;
mod rivals;
mod row;
mod together;
mod unit;
mod wakeup;

use std::fmt::Display;
use std::sync::Arc;

use chancery_domain::Decider;
use chancery_domain::claim::ClaimKind;
use chancery_domain::context::Context;
use cqrs_es::persist::PersistenceError;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;

pub use append::Appender;
pub use claims::Claims;
pub use copy::CopyRows;
pub use feed::{Feed, FeedError, StoredRow, StreamNews};
pub use follower::{Follower, News};
pub use gathered::Loaded;
pub use horizon::Horizon;
pub use projection::{Projection, ProjectionError, ProjectionFuture, Tables, project};
pub use together::Together;
pub use unit::Unit;
pub use wakeup::{Heard, listen};

use crate::vault::{Vault, VaultError};
use memory::{Memory, StreamKey};
use recent::Recent;

/// How often a command that lost a race is decided again before the caller is told.
const ATTEMPTS: usize = 64;

/// The log, as commands see it.
#[derive(Clone)]
pub struct EventStore {
    pool: PgPool,
    vault: Vault,
    appender: Appender,
    head: watch::Receiver<i64>,
    horizon: Arc<Horizon>,
    memory: Arc<Memory>,
    recent: Arc<Recent>,
}

/// What was committed.
#[derive(Clone, Debug)]
pub struct Receipt<E> {
    /// The position of the last event; of the log's head as last seen, if there was nothing to record.
    pub position: i64,
    pub events: Vec<E>,
}

/// Why a command did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<R: std::error::Error + 'static> {
    /// The domain said no.
    #[error(transparent)]
    Refused(R),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the store did not record something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Others kept changing the same stream; asking again may succeed.
    #[error("others changed the same thing at the same time")]
    Conflict,
    /// Another stream holds what this one claims.
    #[error("the {} is taken", .0.as_str())]
    Claimed(ClaimKind),
    /// The queue is full or the database cannot be reached; nothing was recorded.
    #[error("the event store is unavailable: {0}")]
    Unavailable(String),
    /// Not of a shape that this release knows, or sealed with another key.
    #[error("a stored event cannot be read: {0}")]
    Unreadable(String),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl StoreError {
    /// cqrs-es has one error for what does not decode and what does not open.
    fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        match error.downcast::<VaultError>() {
            Ok(error) => Self::Vault(*error),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

impl EventStore {
    /// Starts the writer of this node. `projections` are the transactional views, in the order they are written.
    ///
    /// # Errors
    /// None at start: the writer connects, and reconnects, as it is used.
    pub fn start(pool: PgPool, options: PgConnectOptions, vault: Vault, projections: Vec<Arc<dyn Projection>>) -> Self {
        let claims: Arc<dyn Projection> = Arc::new(Claims::new(vault.clone()));
        let projections = std::iter::once(claims).chain(projections).collect();
        let memory = Arc::new(Memory::new());
        let horizon = Arc::new(Horizon::new(pool.clone(), memory.clone()));
        horizon.follow(Arc::new(DataKeys(vault.clone())));
        let recent = Arc::new(Recent::default());
        horizon.follow(recent.clone());
        let (appender, head) = Appender::start(options, projections, horizon.clone(), recent.clone());
        Self { pool, vault, appender, head, horizon, memory, recent }
    }

    /// A unit of work under these circumstances.
    pub fn unit(&self, context: &Context) -> Unit {
        Unit::new(self.pool.clone(), self.vault.clone(), self.appender.clone(), context.clone())
    }

    /// Decides one command and records what follows. Loses no race: it decides again until it wins or is refused.
    ///
    /// # Errors
    /// The domain's refusal, or the store's.
    pub async fn execute<D: Decider>(
        &self,
        id: impl Display,
        command: D::Command,
        context: &Context,
    ) -> Result<Receipt<D::Event>, ExecuteError<D::Refusal>> {
        self.execute_all::<D>(id, vec![command], None, context).await
    }

    /// The same for several commands in one append. Given the stream as it was seen, it is decided on only so.
    ///
    /// # Errors
    /// The domain's refusal, or the store's; [`StoreError::Conflict`] if the stream is not any more as it was seen.
    pub async fn execute_all<D: Decider>(
        &self,
        id: impl Display,
        commands: Vec<D::Command>,
        seen: Option<&Loaded<D>>,
        context: &Context,
    ) -> Result<Receipt<D::Event>, ExecuteError<D::Refusal>> {
        let id = id.to_string();
        for _ in 0..ATTEMPTS {
            let mut unit = self.unit(context);
            seen.into_iter().for_each(|seen| unit.keep(seen));
            let mut events = Vec::new();
            for command in commands.clone() {
                events.extend(unit.execute::<D>(&id, command).await?);
            }
            match unit.commit().await {
                Ok(position) => return Ok(Receipt { position: position.max(self.head()), events }),
                Err(StoreError::Conflict) if seen.is_none() => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Like [`EventStore::execute`], first on the stream as it was read, or remembered, for the facts of the decision. If it
    /// has moved on, and before anybody is refused, the command is decided again on the stream as it is.
    ///
    /// # Errors
    /// The domain's refusal, or the store's.
    pub async fn execute_on<D: Decider>(
        &self,
        loaded: &Loaded<D>,
        command: D::Command,
        context: &Context,
    ) -> Result<Receipt<D::Event>, ExecuteError<D::Refusal>> {
        let mut unit = self.unit(context);
        let events = match unit.execute_on(loaded, command.clone()).await {
            Ok(events) => events,
            Err(ExecuteError::Refused(_)) => return self.execute::<D>(loaded.id(), command, context).await,
            Err(error) => return Err(error),
        };
        match unit.commit().await {
            Ok(position) => Ok(Receipt { position: position.max(self.head()), events }),
            Err(StoreError::Conflict) => self.execute::<D>(loaded.id(), command, context).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Like [`EventStore::execute`] for a stream whose id was drawn at random just now: it is not read first.
    ///
    /// # Errors
    /// The domain's refusal, or the store's; [`StoreError::Conflict`] if the stream exists after all.
    pub async fn create<D: Decider>(
        &self,
        id: impl Display,
        command: D::Command,
        context: &Context,
    ) -> Result<Receipt<D::Event>, ExecuteError<D::Refusal>> {
        let mut unit = self.unit(context);
        let events = unit.create::<D>(&id.to_string(), command).await?;
        let position = unit.commit().await?;
        Ok(Receipt { position, events })
    }

    /// The present state of a stream; the default state if it has no events.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load<D: Decider>(&self, id: impl Display) -> Result<Loaded<D>, StoreError> {
        let loaded = Loaded::read(&self.pool, &self.vault, &id.to_string()).await;
        loaded.map_err(|error| match error {
            PersistenceError::DeserializationError(error) => StoreError::unreadable(error),
            error => StoreError::Unavailable(error.to_string()),
        })
    }

    /// The state of a stream as this node knows it: of another node's appends it may miss the last half second. To be
    /// decided on with [`EventStore::execute_on`]; whoever would say no for what it holds asks [`EventStore::load`] first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn recall<D: Decider>(&self, id: impl Display) -> Result<Loaded<D>, StoreError> {
        let key = StreamKey::of::<D>(&id.to_string());
        self.horizon.confirm().await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let place = match self.memory.look(&key).await {
            Ok(state) => match state.downcast_ref::<Loaded<D>>() {
                Some(loaded) => return Ok(loaded.clone()),
                None => return self.load(id).await,
            },
            Err(place) => place,
        };
        let loaded = self.load::<D>(id).await?;
        if loaded.sequence() > 0 {
            // Refused where there was news meanwhile.
            drop(place.insert(Arc::new(loaded.clone())));
        }
        Ok(loaded)
    }

    /// How far this node knows the log; what is kept in memory follows it.
    pub fn horizon(&self) -> &Arc<Horizon> {
        &self.horizon
    }

    /// The last position that this node committed or heard of.
    pub fn head(&self) -> i64 {
        *self.head.borrow()
    }

    /// Tells of every batch that this node commits.
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        self.head.clone()
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Reads the log in order.
    pub fn feed(&self) -> Feed {
        Feed::new(self.pool.clone(), self.vault.clone(), self.recent.clone())
    }
}

/// Data keys in memory: a log restored from a backup has the keys of that backup.
struct DataKeys(Vault);

impl Follower for DataKeys {
    fn changed(&self, _news: News<'_>) {}

    fn forget(&self) {
        self.0.evict_all();
    }
}
