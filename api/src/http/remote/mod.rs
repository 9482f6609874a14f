//! The visitor's address: what proxies say of it, walked from the nearest outwards as long as they are trusted.
//!
//! One header counts, the one that the operator's proxy sets: a proxy passes on what a visitor sends in others.

mod forwarded;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::HeaderMap;

use crate::config::{AddressHeader, TrustProxy};

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// None on a Unix socket, where the rights on the socket say who may connect.
    pub address: Option<IpAddr>,
    /// Whom a trusted peer says, by the PROXY protocol, that it speaks for.
    pub proxied: Option<IpAddr>,
}

/// The way from the connection to the visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The visitor's address.
    pub address: IpAddr,
    /// Whether the peer's word counts.
    pub peer_is_trusted: bool,
    pub hops: Vec<Hop>,
}

/// One step of the way, and who told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    pub told_by: ToldBy,
    pub end: End,
    pub is_trusted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldBy {
    Connection,
    ProxyProtocol,
    Header,
}

/// What stands at a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Address(IpAddr),
    UnixSocket,
    /// No address: the walk ends before it.
    Nonsense(String),
}

impl Walk {
    /// Walks from the peer to the first hop that is no trusted proxy. What is no address ends the walk at the last hop
    /// that was known: never a bypass, never an error.
    pub fn new(peer: Peer, headers: &HeaderMap, trust: &TrustProxy, header: &AddressHeader) -> Self {
        let address = peer.address.map(|address| address.to_canonical());
        let peer_is_trusted = address.is_none_or(|address| trust.trusts(address));
        let first = Hop {
            told_by: ToldBy::Connection,
            end: address.map_or(End::UnixSocket, End::Address),
            is_trusted: peer_is_trusted,
        };
        // A connection that has no address is this machine's.
        let mut walk =
            Self { address: address.unwrap_or(Ipv4Addr::LOCALHOST.into()), peer_is_trusted, hops: vec![first] };
        if !peer_is_trusted {
            return walk;
        }
        if let Some(proxied) = peer.proxied
            && !walk.step(ToldBy::ProxyProtocol, Ok(proxied.to_canonical()), trust)
        {
            return walk;
        }
        for said in right_to_left(header, headers).into_iter().take(MAX_HOPS) {
            if !walk.step(ToldBy::Header, said, trust) {
                return walk;
            }
        }
        walk
    }

    /// Takes one step, and says whether to go on.
    fn step(&mut self, told_by: ToldBy, said: Result<IpAddr, String>, trust: &TrustProxy) -> bool {
        match said {
            Ok(address) => {
                let is_trusted = trust.trusts(address);
                self.address = address;
                self.hops.push(Hop { told_by, end: End::Address(address), is_trusted });
                is_trusted
            }
            Err(nonsense) => {
                let shown = nonsense.chars().filter(|c| !c.is_control()).take(100).collect();
                self.hops.push(Hop { told_by, end: End::Nonsense(shown), is_trusted: false });
                false
            }
        }
    }
}

/// What the header says, the nearest hop first: an address, or the text that is none.
fn right_to_left(header: &AddressHeader, headers: &HeaderMap) -> Vec<Result<IpAddr, String>> {
    let values = headers.get_all(header.name()).iter().map(|value| value.to_str().unwrap_or("?"));
    match header {
        AddressHeader::ForwardedFor => {
            values.rev().flat_map(|value| value.rsplit(',')).take(MAX_HOPS).map(str::trim).map(address).collect()
        }
        AddressHeader::Forwarded => values.rev().flat_map(forwarded::right_to_left).take(MAX_HOPS).collect(),
        AddressHeader::Single(_) => match values.collect::<Vec<_>>().as_slice() {
            [] => Vec::new(),
            [one] => vec![address(one.trim())],
            more => vec![Err(more.join(", "))],
        },
    }
}

/// `address`, `address:port`, `[v6]`, `[v6]:port`; a zone is no part of an address.
fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical()).map_err(|_| text.to_owned())
}

/// Longer chains are no chains.
const MAX_HOPS: usize = 50;
