//! A fresh log, and a session's commands to fill it with.

use std::sync::Arc;

use chancery_adapters::event_store::{EventStore, Projection};
use chancery_adapters::postgres;
use chancery_adapters::vault::Vault;
use chancery_domain::actor::Actor;
use chancery_domain::context::Context;
use chancery_domain::digest::Digest;
use chancery_domain::ids::{PasskeyId, UserId};
use chancery_domain::secret::Secret;
use chancery_domain::session::{PasskeyProof, SessionCommand};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use time::macros::datetime;
use uuid::Uuid;

pub struct Log {
    pub options: PgConnectOptions,
    pub pool: PgPool,
}

impl Log {
    pub async fn new() -> Self {
        Self::on(chancery_tests::postgres::fresh_database().await).await
    }

    /// On an empty database.
    pub async fn on(options: PgConnectOptions) -> Self {
        postgres::migrate(&options).await.unwrap();
        let pool = postgres::pool(options.clone(), 8);
        Self { options, pool }
    }

    pub fn vault(&self) -> Vault {
        Vault::new(self.pool.clone(), &Secret::new(b"an encryption key for tests".to_vec())).unwrap()
    }

    /// One node of Chancery on this log.
    pub fn node(&self) -> EventStore {
        self.node_with(Vec::new())
    }

    pub fn node_with(&self, projections: Vec<Arc<dyn Projection>>) -> EventStore {
        EventStore::start(self.pool.clone(), self.options.clone(), self.vault(), projections)
    }

    pub fn node_of(&self, vault: Vault) -> EventStore {
        EventStore::start(self.pool.clone(), self.options.clone(), vault, Vec::new())
    }
}

pub fn context() -> Context {
    Context::internal(Actor::System, Uuid::new_v4())
}

pub fn start_session() -> SessionCommand {
    SessionCommand::Start {
        user_id: UserId(Uuid::new_v4()),
        secret: Digest::of("secret"),
        proof: PasskeyProof {
            passkey_id: PasskeyId(Uuid::new_v4()),
            counter: 0,
            backed_up: true,
            attachment: None,
            acr: "phr".into(),
            amr: vec!["pop".into()],
        },
        now: datetime!(2026-11-23 12:00 UTC),
        idle_seconds: 3600,
        lifetime_seconds: 86_400,
    }
}

/// A role that serves and no more, as a deployment has it.
pub async fn serving_role(database: &PgConnectOptions) -> PgConnectOptions {
    let role = format!("serving_{}", Uuid::new_v4().simple());
    let mut owner = postgres::connect(database).await.unwrap();
    sqlx::query(&format!("CREATE ROLE {role} LOGIN")).execute(&mut owner).await.unwrap();
    postgres::grant(&mut owner, &role).await.unwrap();
    database.clone().username(&role)
}
