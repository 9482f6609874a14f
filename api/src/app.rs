//! What every handler shares.

use std::ops::Deref;
use std::sync::Arc;

use chancery_adapters::batched::Batched;
use chancery_adapters::event_store::EventStore;
use chancery_adapters::geo_updates::GeoUpdates;
use chancery_adapters::passkeys::Passkeys;
use chancery_adapters::short_lived::ShortLived;
use chancery_adapters::signing::Keyring;
use chancery_domain::actor::Actor;
use chancery_domain::context::Context;
use chancery_domain::ports::clock::Clock;
use chancery_domain::ports::entropy::Entropy;
use chancery_domain::ports::geo_locator::GeoLocator;
use chancery_projections::memory::ViewMemory;
use chancery_projections::passkeys::ByCredential;
use chancery_projections::runner;
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::http::failures::Failures;
use crate::http::key_uses::KeyUses;
use crate::http::readiness::Readiness;
use crate::limits::Limits;
use crate::telemetry::requests::Requests;

/// The application: cheap to clone, the same on every node.
#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub config: Config,
    /// The issuer identifier, byte for byte as in every token.
    pub issuer: String,
    pub store: EventStore,
    /// For reading views.
    pub pool: PgPool,
    /// What decisions read of them.
    pub memory: ViewMemory,
    /// The passkeys that sign-ins present.
    pub credentials: Batched<ByCredential>,
    pub short_lived: ShortLived,
    pub keyring: Arc<Keyring>,
    pub passkeys: Arc<dyn Passkeys>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub geo: Arc<dyn GeoLocator>,
    /// What fetches the geo-location database, where that is configured.
    pub geo_updates: Option<Arc<GeoUpdates>>,
    pub failures: Failures,
    pub key_uses: KeyUses,
    pub limits: Limits,
    pub readiness: Readiness,
    pub requests: Requests,
    /// Making a picture takes much memory: one at a time.
    pub portraits: Semaphore,
    /// What depends on more than one stream (`accounts`): one at a time.
    pub turn: Semaphore,
    /// How far the audit view has come.
    pub audit: watch::Receiver<i64>,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// A context for what Chancery does by itself.
    pub fn system(&self) -> Context {
        Context::internal(Actor::System, self.entropy.uuid_v4())
    }

    /// Waits for the history to show what was just recorded, but not for long.
    pub async fn history_reached(&self, position: i64) -> bool {
        runner::reached(self.audit.clone(), position, std::time::Duration::from_secs(2)).await
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
