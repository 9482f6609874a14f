//! Fetches the geo-location database twice a week, from MaxMind or a mirror.
//!
//! MaxMind publishes on Tuesdays and Fridays, allows 30 downloads a day, and asks that old copies are destroyed within 30
//! days of a newer one (<https://dev.maxmind.com/geoip/updating-databases/>). Each node keeps a file of its own. Who reads
//! the file is [`MaxmindGeoLocator`]; a sign-in never waits for anything in here.

mod download;
mod error;
mod source;
mod unpack;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use chancery_domain::ports::clock::Clock;
use chancery_domain::ports::entropy::Entropy;
use chancery_domain::ports::geo_locator::GeoLocator as _;
use time::{Duration, OffsetDateTime};
use tracing::Instrument;
use tracing::field::Empty;

use crate::geo_locator::MaxmindGeoLocator;
use crate::outbound;
pub use error::UpdateError;
pub use source::Source;

/// Keeps one file as new as its source.
pub struct GeoUpdates {
    source: Source,
    file: PathBuf,
    locator: Arc<MaxmindGeoLocator>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    http: reqwest::Client,
    status: Mutex<UpdateStatus>,
}

/// How it went last, and when it goes on.
#[derive(Clone, Debug)]
pub struct UpdateStatus {
    /// When the copy in use was fetched, if there is one.
    pub fetched_at: Option<OffsetDateTime>,
    /// When and why the last try failed.
    pub failure: Option<(OffsetDateTime, String)>,
    pub next_at: OffsetDateTime,
}

impl GeoUpdates {
    /// Goes on where the process before it stopped: the file's date says when it was fetched.
    ///
    /// # Errors
    /// If no TLS can be had.
    pub fn new(
        source: Source,
        file: PathBuf,
        locator: Arc<MaxmindGeoLocator>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, UpdateError> {
        let fetched_at = date_of(&file);
        let status = UpdateStatus { fetched_at, failure: None, next_at: clock.now() };
        let http = download::client()?;
        let updates = Self { source, file, locator, clock, entropy, http, status: Mutex::new(status) };
        if let Some(at) = fetched_at {
            updates.change(|status| status.next_at = at + updates.about(INTERVAL));
        }
        Ok(updates)
    }

    pub fn status(&self) -> UpdateStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks after the file until the task is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    /// Fetches the database if it is time to, and gives up a copy that could not be renewed for too long.
    pub async fn look(&self) {
        let now = self.clock.now();
        if now >= self.status().next_at {
            let span = tracing::debug_span!(parent: None, "geo update", otel.status_code = Empty, "error.type" = Empty);
            match self.fetch(now).instrument(span.clone()).await {
                Ok(()) => self.succeeded(now),
                Err(error) => {
                    outbound::failed(&span, &error.error_type());
                    self.failed(now, &error);
                }
            }
        }
        // Whoever put it there: an operator, where nothing can be fetched, or a node that has the file in common.
        let fetched_at = date_of(&self.file);
        self.change(|status| status.fetched_at = fetched_at);
        if fetched_at.is_some_and(|at| now - at > KEPT) {
            self.give_up();
        }
    }

    async fn fetch(&self, now: OffsetDateTime) -> Result<(), UpdateError> {
        let (archive, fresh) = (self.file.with_extension("download"), self.file.with_extension("new"));
        let result = self.fetch_through(&archive, &fresh, now).await;
        for left_over in [archive, fresh] {
            fs::remove_file(left_over).ok();
        }
        result
    }

    async fn fetch_through(&self, archive: &Path, fresh: &Path, now: OffsetDateTime) -> Result<(), UpdateError> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        let digest = download::save(&self.http, &self.source, archive).await?;
        if let Some(expected) = download::checksum(&self.http, &self.source).await?
            && expected != digest
        {
            return Err(UpdateError::Checksum);
        }
        let (archive, fresh, file) = (archive.to_owned(), fresh.to_owned(), self.file.clone());
        let locator = Arc::clone(&self.locator);
        let installed = tokio::task::spawn_blocking(move || {
            unpack::database(&archive, &fresh)?;
            install(&fresh, &file, now)?;
            locator.reload_if_changed();
            Ok(())
        });
        installed.await.map_err(std::io::Error::other)?
    }

    fn succeeded(&self, now: OffsetDateTime) {
        let next_at = now + self.about(INTERVAL);
        tracing::info!(%next_at, "geo-location database fetched");
        self.change(|status| *status = UpdateStatus { fetched_at: Some(now), failure: None, next_at });
    }

    fn failed(&self, now: OffsetDateTime, error: &UpdateError) {
        let next_at = now + self.about(error.patience());
        tracing::warn!(%error, %next_at, "the geo-location database could not be fetched; one that is there stays in use");
        self.change(|status| {
            status.failure = Some((now, error.to_string()));
            status.next_at = next_at;
        });
    }

    fn give_up(&self) {
        let kind = self.locator.database().map(|database| database.kind);
        tracing::error!(kind, "the geo-location database could not be renewed for 30 days and is dropped");
        fs::remove_file(&self.file).ok();
        self.locator.forget();
        self.change(|status| status.fetched_at = None);
    }

    fn change(&self, change: impl FnOnce(&mut UpdateStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A twelfth more or less, so that not all the world asks at once.
    fn about(&self, duration: Duration) -> Duration {
        let mut bytes = [0; 4];
        self.entropy.fill(&mut bytes);
        let from_minus_one_to_one = f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX) * 2.0 - 1.0;
        duration + (duration / 12) * from_minus_one_to_one
    }
}

/// When a copy was fetched: the file's own date.
fn date_of(file: &Path) -> Option<OffsetDateTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok().map(OffsetDateTime::from)
}

/// Puts a database into its place only if every record of it can be read. The old copy is gone with that.
fn install(fresh: &Path, file: &Path, now: OffsetDateTime) -> Result<(), UpdateError> {
    let broken = |error: maxminddb::MaxMindDbError| UpdateError::NotADatabase(error.to_string());
    maxminddb::Reader::open_readfile(fresh).map_err(broken)?.verify().map_err(broken)?;
    let written = File::options().write(true).open(fresh)?;
    written.set_modified(SystemTime::from(now))?;
    written.sync_all()?;
    Ok(fs::rename(fresh, file)?)
}

const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(60);
/// Twice a week.
const INTERVAL: Duration = Duration::hours(84);
/// MaxMind's end-user license: old copies are destroyed within 30 days.
const KEPT: Duration = Duration::days(30);
