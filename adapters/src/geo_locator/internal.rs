//! Networks that are nowhere on the map, by their entries in the IANA special-purpose address registries (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The name of the internal network that holds `address`. Documentation ranges are not internal.
pub fn network(address: IpAddr, operator_ranges: &[IpNet]) -> Option<&'static str> {
    let named = match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    };
    named.or_else(|| operator_ranges.iter().any(|range| range.contains(&address)).then_some(LAN))
}

fn v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        // RFC 1122 §3.2.1.3
        [127, ..] => Some(LOCALHOST),
        // RFC 1918 §3
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(LAN),
        // RFC 3927
        [169, 254, ..] => Some(LINK_LOCAL),
        // RFC 6598, the shared address space, in which Tailscale numbers its nodes too
        [100, 64..=127, ..] => Some(SHARED),
        _ => None,
    }
}

fn v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        // RFC 4291 §2.5.3
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(LOCALHOST),
        // Tailscale's own unique local prefix
        [0xfd7a, 0x115c, 0xa1e0, ..] => Some(SHARED),
        // RFC 4193
        [0xfc00..=0xfdff, ..] => Some(LAN),
        // RFC 4291 §2.5.6
        [0xfe80..=0xfebf, ..] => Some(LINK_LOCAL),
        _ => None,
    }
}

const LOCALHOST: &str = "Localhost";
const LAN: &str = "LAN";
const LINK_LOCAL: &str = "Link-local";
const SHARED: &str = "Tailscale/CGNAT";
