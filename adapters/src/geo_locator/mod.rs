//! Places by a MaxMind database file: <https://maxmind.github.io/MaxMind-DB/>.
//!
//! The file may be missing, replaced or broken at any time; a sign-in never notices. Internal ranges are named without
//! a look-up. Who fetches the file, and when, is told by [`crate::geo_updates`].

mod internal;
mod record;
#[cfg(test)]
mod tests;

use std::fs::{self, Metadata};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use chancery_domain::context::Place;
use chancery_domain::ports::geo_locator::{GeoDatabase, GeoLocator};
use ipnet::IpNet;
use maxminddb::{MaxMindDbError, Reader};
use time::OffsetDateTime;

use record::Record;

/// The database in memory, read anew when its file changes.
pub struct MaxmindGeoLocator {
    file: Option<PathBuf>,
    /// Ranges that the operator calls internal, beside those that are so for everyone.
    operator_ranges: Vec<IpNet>,
    database: ArcSwapOption<Reader<Vec<u8>>>,
    seen: Mutex<Option<Stamp>>,
}

impl GeoLocator for MaxmindGeoLocator {
    fn place(&self, address: IpAddr) -> Place {
        // RFC 4291 §2.5.5.2: a dual-stack socket shows an IPv4 client as ::ffff:a.b.c.d.
        let address = address.to_canonical();
        if let Some(network) = internal::network(address, &self.operator_ranges) {
            return Place::Internal { network: network.to_owned() };
        }
        let database = self.database.load();
        let Some(database) = database.as_deref() else { return Place::Unknown };
        match look_up(database, address) {
            Ok(Some(record)) => record.into_place(database.metadata().build_epoch),
            Ok(None) => Place::Unknown,
            Err(error) => {
                tracing::warn!(%error, "the geo-location database could not answer");
                Place::Unknown
            }
        }
    }

    fn database(&self) -> Option<GeoDatabase> {
        let database = self.database.load();
        let metadata = database.as_deref()?.metadata();
        let built_at = i64::try_from(metadata.build_epoch).ok();
        Some(GeoDatabase {
            kind: metadata.database_type.clone(),
            built_at: built_at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok())?,
        })
    }
}

impl MaxmindGeoLocator {
    /// Reads `file` if there is one. A file that is missing or broken is a warning, and is tried again when it changes.
    pub fn open(file: Option<PathBuf>, operator_ranges: Vec<IpNet>) -> Self {
        let locator = Self { file, operator_ranges, database: ArcSwapOption::empty(), seen: Mutex::new(None) };
        if let Some(file) = &locator.file
            && !locator.reload_if_changed()
            && !file.exists()
        {
            tracing::warn!(file = %file.display(), "there is no geo-location database here; places stay unknown");
        }
        locator
    }

    /// Whether a database is loaded.
    pub fn is_loaded(&self) -> bool {
        self.database.load().is_some()
    }

    /// When the database in use was built, in seconds since the Unix epoch.
    pub fn built_at(&self) -> Option<u64> {
        self.database.load().as_ref().map(|database| database.metadata().build_epoch)
    }

    /// Reads the file if it is not the one seen last, and says whether a new database is in use. A broken or missing
    /// file leaves the old database.
    pub fn reload_if_changed(&self) -> bool {
        let Some(file) = &self.file else { return false };
        let Some(stamp) = Stamp::of(file) else { return false };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == Some(stamp) {
            return false;
        }
        let read = Reader::open_readfile(file);
        // A file that changed while it was read is still being written: the next look sees it whole.
        if Stamp::of(file) != Some(stamp) {
            return false;
        }
        *seen = Some(stamp);
        match read {
            Ok(database) => {
                let metadata = database.metadata();
                tracing::info!(
                    kind = metadata.database_type,
                    built_at = metadata.build_epoch,
                    "geo-location database read"
                );
                self.database.store(Some(Arc::new(database)));
                true
            }
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the geo-location database is broken; one that was read before stays in use");
                false
            }
        }
    }

    /// Stops using the database; a file that comes later is read again.
    pub fn forget(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.database.store(None);
    }

    /// Looks after the file until the task is dropped.
    pub async fn watch(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let locator = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || locator.reload_if_changed()).await {
                tracing::warn!(%error, "reading the geo-location database failed");
            }
        }
    }
}

fn look_up(database: &Reader<Vec<u8>>, address: IpAddr) -> Result<Option<Record>, MaxMindDbError> {
    // An IPv4 database has no answer for IPv6, which is no fault of it.
    if address.is_ipv6() && database.metadata().ip_version == 4 {
        return Ok(None);
    }
    database.lookup(address)?.decode()
}

/// What tells one version of a file from the next.
#[derive(Clone, Copy, PartialEq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let metadata: Metadata = fs::metadata(file).ok()?;
        Some(Self { inode: metadata.ino(), size: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) })
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(60);
