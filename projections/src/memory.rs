//! Rows of views that decisions read, kept in memory until the log says that they changed (decision 12).
//!
//! What comes from memory may be half a second old where another node wrote; of this node's own appends it misses nothing.
//! So memory may say yes. Before anybody says no, they forget what they looked at, so that the next look is one at the
//! database.

use std::hash::Hash;
use std::str::FromStr;
use std::sync::Arc;

use chancery_adapters::event_store::{Follower, Horizon, News};
use chancery_domain::grant::GrantEvent;
use chancery_domain::ids::{ClientId, GrantId, SessionId, UserId};
use chancery_domain::session::SessionEvent;
use chancery_domain::{Event, Recorded};
use quick_cache::sync::Cache;
use sqlx::PgPool;

use crate::clients::{self, RememberedClient};
use crate::grants::{self, GrantRow};
use crate::sessions::{self, SessionRow};
use crate::users::{self, Person};

/// Entries of each kind; those not used lately go first.
const CAPACITY: usize = 8_192;

/// What decisions ask about clients, people, sessions and grants. Cheap to clone.
#[derive(Clone)]
pub struct ViewMemory {
    pool: PgPool,
    horizon: Arc<Horizon>,
    rows: Arc<Rows>,
}

struct Rows {
    clients: Cache<ClientId, Arc<RememberedClient>>,
    people: Cache<UserId, Arc<Person>>,
    sessions: Cache<SessionId, Arc<SessionRow>>,
    grants: Cache<GrantId, Arc<GrantRow>>,
}

impl ViewMemory {
    pub fn new(pool: PgPool, horizon: Arc<Horizon>) -> Self {
        let rows = Arc::new(Rows {
            clients: Cache::new(CAPACITY),
            people: Cache::new(CAPACITY),
            sessions: Cache::new(CAPACITY),
            grants: Cache::new(CAPACITY),
        });
        horizon.follow(rows.clone());
        Self { pool, horizon, rows }
    }

    /// An app with its secrets, the groups that may use it, and since when its grants count.
    ///
    /// # Errors
    /// Those of the database, here and below: then nothing is known, and nothing may be allowed.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Arc<RememberedClient>>, sqlx::Error> {
        self.recall(&self.rows.clients, id, clients::find_remembered(&self.pool, id)).await
    }

    /// The same only if it is in memory.
    pub async fn known_client(&self, id: &ClientId) -> Result<Option<Arc<RememberedClient>>, sqlx::Error> {
        self.horizon.confirm().await?;
        Ok(self.rows.clients.get(id))
    }

    /// A person with their groups and consents, and since when their grants count.
    pub async fn person(&self, id: UserId) -> Result<Option<Arc<Person>>, sqlx::Error> {
        self.recall(&self.rows.people, &id, users::find_person(&self.pool, id)).await
    }

    pub async fn session(&self, id: SessionId) -> Result<Option<Arc<SessionRow>>, sqlx::Error> {
        self.recall(&self.rows.sessions, &id, sessions::find(&self.pool, id)).await
    }

    pub async fn grant(&self, id: GrantId) -> Result<Option<Arc<GrantRow>>, sqlx::Error> {
        self.recall(&self.rows.grants, &id, grants::find(&self.pool, id)).await
    }

    pub fn forget_client(&self, id: &ClientId) {
        self.rows.clients.remove(id);
    }

    pub fn forget_person(&self, id: UserId) {
        self.rows.people.remove(&id);
    }

    pub fn forget_session(&self, id: SessionId) {
        self.rows.sessions.remove(&id);
    }

    pub fn forget_grant(&self, id: GrantId) {
        self.rows.grants.remove(&id);
    }

    /// What is there is kept; what is not there is asked for again next time.
    async fn recall<K: Clone + Eq + Hash, V>(
        &self,
        cache: &Cache<K, Arc<V>>,
        key: &K,
        load: impl Future<Output = Result<Option<V>, sqlx::Error>>,
    ) -> Result<Option<Arc<V>>, sqlx::Error> {
        self.horizon.confirm().await?;
        let place = match cache.get_value_or_guard_async(key).await {
            Ok(row) => return Ok(Some(row)),
            Err(place) => place,
        };
        let Some(row) = load.await?.map(Arc::new) else { return Ok(None) };
        // Refused where there was news of it while it was read.
        drop(place.insert(row.clone()));
        Ok(Some(row))
    }
}

fn remove<K: FromStr + Eq + Hash, V>(cache: &Cache<K, Arc<V>>, id: &str) {
    // What is no id was never asked for.
    if let Ok(key) = id.parse::<K>() {
        cache.remove(&key);
    }
}

impl Follower for Rows {
    fn changed(&self, News { aggregate_type, aggregate_id, event_type }: News<'_>) {
        match aggregate_type {
            // That tokens were issued is not in the view.
            "grant" if matches!(event_type, "grant.tokens_issued" | "grant.refreshed") => {}
            "grant" => remove(&self.grants, aggregate_id),
            "session" => remove(&self.sessions, aggregate_id),
            "client" => remove(&self.clients, aggregate_id),
            // What happens to a person may end all their sessions.
            "user" => {
                remove(&self.people, aggregate_id);
                self.sessions.clear();
            }
            // The stream of a consent is named `user:client`.
            "consent" => remove(&self.people, aggregate_id.split(':').next().unwrap_or_default()),
            "group" => {
                self.people.clear();
                self.clients.clear();
            }
            "enrollment" | "encryption_key" | "api_key" | "signing_key" | "sign_in_attempt" => {}
            _ => self.forget(),
        }
    }

    /// Sessions and grants are asked for as soon as they are there.
    fn recorded(&self, recorded: &Recorded) {
        match &recorded.event {
            Event::Session(SessionEvent::Started { .. }) => {
                if let Ok(Some(row)) = SessionRow::started(recorded) {
                    self.sessions.insert(row.id(), Arc::new(row));
                }
            }
            Event::Grant(GrantEvent::Authorized(_) | GrantEvent::ClientTokensIssued { .. }) => {
                if let Ok(id) = recorded.aggregate_id.parse() {
                    self.grants.insert(id, Arc::new(GrantRow::new(recorded.position)));
                }
            }
            _ => self.changed(News::of(recorded)),
        }
    }

    fn forget(&self) {
        self.clients.clear();
        self.people.clear();
        self.sessions.clear();
        self.grants.clear();
    }
}
