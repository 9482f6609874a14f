//! Figures that are looked up when somebody asks for them, and at no other time.
//!
//! Collecting is synchronous and runs on a thread that may wait; one look-up serves all gauges of a collection. While
//! the database does not answer, its figures are left out rather than made up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chancery_adapters::geo_locator::MaxmindGeoLocator;
use chancery_domain::ports::clock::Clock;
use chancery_projections::figures::{self, Figures};
use opentelemetry::metrics::AsyncInstrument;
use opentelemetry::{KeyValue, global};
use sqlx::PgPool;
use tokio::runtime::Handle;

use super::SCOPE;

/// No collection waits longer for the database.
const PATIENCE: Duration = Duration::from_secs(1);
/// Gauges are asked one after the other; within this time they are one collection.
const ONE_COLLECTION: Duration = Duration::from_millis(500);

/// Where figures come from.
pub struct Sources {
    pub pool: PgPool,
    pub clock: Arc<dyn Clock>,
    pub geo: Arc<MaxmindGeoLocator>,
}

/// Registers the gauges with the meter provider that is in place.
pub fn register(sources: Sources) {
    let readings = Arc::new(Readings { sources, runtime: Handle::current(), last: Mutex::default() });
    of_the_database(&readings);
    of_this_node(&readings);
}

fn of_the_database(readings: &Arc<Readings>) {
    gauge(readings, "chancery.sessions.active", "{session}", "Sessions that are live", |readings, gauge| {
        let Some(figures) = readings.figures() else { return };
        gauge.observe(figures.sessions as f64, &[]);
    });
    gauge(readings, "chancery.log.position", "{event}", "Position of the last event", |readings, gauge| {
        let Some(figures) = readings.figures() else { return };
        gauge.observe(figures.head as f64, &[]);
    });
    gauge(readings, "chancery.mails.waiting", "{mail}", "Mails to be sent or tried again", |readings, gauge| {
        let Some(figures) = readings.figures() else { return };
        gauge.observe(figures.mails_waiting as f64, &[]);
    });
    let says = "Events that a projection has not taken yet";
    gauge(readings, "chancery.projection.lag.events", "{event}", says, |readings, gauge| {
        for lag in readings.figures().iter().flat_map(|figures| &figures.projections) {
            gauge.observe(lag.events as f64, &[projection(&lag.projection)]);
        }
    });
    let says = "Age of the first event that a projection has not taken yet";
    gauge(readings, "chancery.projection.lag.time", "s", says, |readings, gauge| {
        for lag in readings.figures().iter().flat_map(|figures| &figures.projections) {
            gauge.observe(lag.seconds, &[projection(&lag.projection)]);
        }
    });
    let says = "1 where a projection stopped at an event that it cannot take";
    gauge(readings, "chancery.projection.stopped", "", says, |readings, gauge| {
        for lag in readings.figures().iter().flat_map(|figures| &figures.projections) {
            gauge.observe(f64::from(u8::from(lag.stopped)), &[projection(&lag.projection)]);
        }
    });
    let says = "How long the active key of an algorithm has been signing";
    gauge(readings, "chancery.signing_key.age", "s", says, |readings, gauge| {
        let now = readings.sources.clock.now();
        for key in readings.figures().iter().flat_map(|figures| &figures.signing_keys) {
            let age = (now - key.activated_at).as_seconds_f64();
            gauge.observe(age, &[KeyValue::new("algorithm", key.algorithm.clone())]);
        }
    });
}

fn of_this_node(readings: &Arc<Readings>) {
    let says = "Age of the geo-location database";
    gauge(readings, "chancery.geo.database.age", "s", says, |readings, gauge| {
        let Some(built_at) = readings.sources.geo.built_at() else { return };
        let now = readings.sources.clock.now().unix_timestamp() as f64;
        gauge.observe(now - built_at as f64, &[]);
    });
    let says = "Connections of the pool for reading";
    gauge(readings, "db.client.connection.count", "{connection}", says, |readings, gauge| {
        let (all, idle) = (readings.sources.pool.size(), readings.sources.pool.num_idle());
        let state = |state| [pool(), KeyValue::new("db.client.connection.state", state)];
        gauge.observe(idle as f64, &state("idle"));
        gauge.observe(f64::from(all) - idle as f64, &state("used"));
    });
    let says = "The most connections that the pool may have";
    gauge(readings, "db.client.connection.max", "{connection}", says, |readings, gauge| {
        gauge.observe(f64::from(readings.sources.pool.options().get_max_connections()), &[pool()]);
    });
}

fn gauge(
    readings: &Arc<Readings>,
    name: &'static str,
    unit: &'static str,
    says: &'static str,
    observe: fn(&Readings, &dyn AsyncInstrument<f64>),
) {
    let readings = readings.clone();
    let meter = global::meter(SCOPE);
    let gauge = meter.f64_observable_gauge(name).with_unit(unit).with_description(says);
    // The provider keeps the callback; the handle is of no use.
    _ = gauge.with_callback(move |gauge| observe(&readings, gauge)).build();
}

/// The conventions ask for the pool's name.
fn pool() -> KeyValue {
    KeyValue::new("db.client.connection.pool.name", "readers")
}

fn projection(name: &str) -> KeyValue {
    KeyValue::new("projection", name.to_owned())
}

/// The last look-up.
struct Readings {
    sources: Sources,
    runtime: Handle,
    last: Mutex<Option<(Instant, Option<Arc<Figures>>)>>,
}

impl Readings {
    fn figures(&self) -> Option<Arc<Figures>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, figures)) = &*last
            && at.elapsed() < ONE_COLLECTION
        {
            return figures.clone();
        }
        let read = figures::read(&self.sources.pool, self.sources.clock.now());
        let read = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, read).await });
        let figures = match read {
            Ok(Ok(figures)) => Some(Arc::new(figures)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the figures could not be read");
                None
            }
            Err(_) => None,
        };
        *last = Some((Instant::now(), figures.clone()));
        figures
    }
}
