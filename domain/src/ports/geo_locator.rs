//! Where an address is.

use std::net::IpAddr;

use crate::context::Place;

/// Looks an address up, now. It never fails and never waits: what it does not know is [`Place::Unknown`].
pub trait GeoLocator: Send + Sync {
    fn place(&self, address: IpAddr) -> Place;
}
