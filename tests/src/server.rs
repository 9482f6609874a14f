//! Chancery in this process, wired as in production, on a database of its own and a clock that tests set.

use std::sync::Arc;

use chancery_adapters::clock::FixedClock;
use chancery_adapters::postgres;
use chancery_api::admin::static_api_key;
use chancery_api::app::App;
use chancery_api::config::Config;
use chancery_api::http::caller::Caller;
use chancery_api::http::connections::Connections;
use chancery_api::http::server;
use chancery_api::wiring::{self, Doubles};
use chancery_api::{accounts, router};
use chancery_domain::ports::clock::Clock;
use chancery_domain::secret::Secret;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;

use crate::authenticator::SoftAuthenticator;
use crate::node::{ENCRYPTION_KEY, Node, Person, STATIC_API_KEY};

pub const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

/// A node in this process.
pub struct Server {
    node: Node,
    pub app: App,
    pub clock: Arc<FixedClock>,
    pub database: PgConnectOptions,
}

impl std::ops::Deref for Server {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these settings beside the usual ones, or in their place.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let database = crate::postgres::fresh_database().await;
        postgres::migrate(&database).await.unwrap();
        Self::on(database, None, settings, false).await
    }

    /// On a database that is there already.
    pub async fn at(database: PgConnectOptions, settings: &[(&str, &str)]) -> Self {
        postgres::migrate(&database).await.unwrap();
        Self::on(database, None, settings, false).await
    }

    /// With the real time, for programs that look at the clock themselves.
    pub async fn live() -> Self {
        let database = crate::postgres::fresh_database().await;
        postgres::migrate(&database).await.unwrap();
        Self::on(database, None, &[], true).await
    }

    /// Another node on the same database, with the same issuer and clock.
    pub async fn second(&self) -> Self {
        self.second_with(&[]).await
    }

    pub async fn second_with(&self, settings: &[(&str, &str)]) -> Self {
        Self::on(self.database.clone(), Some(self), settings, false).await
    }

    async fn on(database: PgConnectOptions, first: Option<&Self>, settings: &[(&str, &str)], live: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = format!("http://localhost:{port}");
        let node = Node::new(&own, first.map_or(&own, |first| first.issuer()));
        let clock = first.map_or_else(|| Arc::new(FixedClock::at(NOON)), |first| first.clock.clone());
        // Time stands still here, so no allowance would ever come back.
        let usual = [("APP_URL", node.issuer()), ("STATIC_API_KEY", STATIC_API_KEY), ("DISABLE_RATE_LIMITING", "true")];
        let variables = usual.iter().chain(settings);
        let config = Config::read(variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        let config = config.unwrap();
        let key = config.encryption_key.clone();
        let key = key.unwrap_or_else(|| Secret::new(ENCRYPTION_KEY.as_bytes().to_vec()));
        let fixed: Arc<dyn Clock> = clock.clone();
        let doubles = Doubles { clock: Some(fixed).filter(|_| !live), ..Doubles::default() };
        let app = wiring::application(config, &key, database.clone(), doubles).await.unwrap();
        wiring::start_mail(&app).unwrap();
        static_api_key::settle(&app).await.unwrap();
        let connections = Connections::on_tcp(listener, &app.config);
        tokio::spawn(server::serve(connections, router::router(app.clone()), std::future::pending()));
        Self { node, app, clock, database }
    }

    pub fn later(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// The first administrator, through a set-up link.
    pub async fn first_admin(&self) -> Person {
        let link =
            accounts::issue_setup_link(&self.app, &Caller::trusted(self.app.system()), Duration::DAY).await.unwrap();
        let mut person = Person {
            id: String::new(),
            visitor: self.visitor(),
            authenticator: SoftAuthenticator::new(),
            issuer: self.issuer().to_owned(),
        };
        let profile = json!({ "username": "root", "firstName": "Root", "email": "root@example.org" });
        person.redeem(&link.code, &profile).await.expect(204);
        let me = person.visitor.get("/api/users/me").await.expect(200).json();
        person.id = me["id"].as_str().unwrap().to_owned();
        person
    }
}
