//! Where an address is.

use std::net::IpAddr;

use time::OffsetDateTime;

use crate::context::Place;

/// Looks an address up, now. It never fails and never waits: what it does not know is [`Place::Unknown`].
pub trait GeoLocator: Send + Sync {
    fn place(&self, address: IpAddr) -> Place;

    /// The database that answers, if there is one.
    fn database(&self) -> Option<GeoDatabase>;
}

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeoDatabase {
    /// As its maker calls it: `GeoLite2-City`, `DBIP-City-Lite`.
    pub kind: String,
    pub built_at: OffsetDateTime,
}
