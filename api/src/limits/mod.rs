//! Rate limits ([decision 10](../../../docs/decisions/0010-rate-limits.md)).
//!
//! Two kinds. Requests are counted in this node's memory, by network and, once it has proved itself, by client: that
//! bounds work. Failed guesses at a secret are counted in the database, for all nodes together: that bounds luck. Nothing
//! is ever counted by account or client alone before it is proved, so nobody can lock others out from elsewhere.

pub mod admission;
mod buckets;
pub mod guesses;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr};

use chancery_adapters::attempts::Attempts;
use chancery_domain::ids::ClientId;
use chancery_domain::policy::allowance::{Allowance, Exhausted};
use time::OffsetDateTime;

use self::buckets::Buckets;
use self::guesses::Guesses;

/// Whom a limit counts before anybody is known: one IPv4 address, or the /64 of an IPv6 address, the least that a
/// subscriber has to choose from (RFC 6177 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

/// What requests a network may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    /// Whatever is not listed below.
    Any,
    /// Ceremonies and links, which keep something on the server for whoever comes along.
    Ceremonies,
    /// `/authorize`, which keeps a request while its person signs in.
    Authorization,
    /// What clients call by themselves; several may share an address.
    Protocol,
}

impl Requests {
    const ALL: [Self; 4] = [Self::Any, Self::Ceremonies, Self::Authorization, Self::Protocol];

    const fn allowance(self) -> Allowance {
        match self {
            Self::Any => Allowance::per_second(100, 300),
            Self::Ceremonies => Allowance::per_second(4, 60),
            Self::Authorization => Allowance::per_second(10, 100),
            Self::Protocol => Allowance::per_second(200, 500),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Ceremonies => "ceremonies",
            Self::Authorization => "authorization",
            Self::Protocol => "protocol",
        }
    }
}

/// What one client may ask for, from however many addresses.
const CLIENT: Allowance = Allowance::per_second(200, 500);

/// All limits of this node.
pub struct Limits {
    requests: [Buckets<Network>; 4],
    clients: Buckets<ClientId>,
    pub guesses: Guesses,
}

impl Limits {
    /// `percent` of the built-in limits; None switches them off.
    pub fn new(percent: Option<u32>, attempts: Attempts) -> Self {
        let buckets = |allowance: Allowance| percent.map(|percent| allowance.scaled(percent));
        Self {
            requests: Requests::ALL.map(|requests| Buckets::new(buckets(requests.allowance()))),
            clients: Buckets::new(buckets(CLIENT)),
            guesses: Guesses::new(percent, attempts),
        }
    }

    /// Counts a request of somebody unknown.
    ///
    /// # Errors
    /// [`Exhausted`]: their network has used up its allowance.
    pub fn request(&self, address: IpAddr, requests: Requests, now: OffsetDateTime) -> Result<(), Exhausted> {
        let taken = self.requests[requests as usize].take(Network::of(address), now);
        taken.map_err(|refused| {
            if refused.first {
                tracing::warn!(client_ip = %address, limit = requests.name(), "too many requests");
            }
            refused.exhausted
        })
    }

    /// Counts a request of a client that has proved who it is.
    ///
    /// # Errors
    /// [`Exhausted`]: the client has used up its allowance.
    pub fn client(&self, client: &ClientId, now: OffsetDateTime) -> Result<(), Exhausted> {
        let taken = self.clients.take(client.clone(), now);
        taken.map_err(|refused| {
            if refused.first {
                tracing::warn!(%client, limit = "client", "too many requests");
            }
            refused.exhausted
        })
    }

    /// Forgets whatever says nothing any more. To be called about once a minute.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sweep(&self, now: OffsetDateTime) -> Result<(), sqlx::Error> {
        for buckets in &self.requests {
            buckets.sweep(now);
        }
        self.clients.sweep(now);
        self.guesses.sweep(now).await
    }
}
