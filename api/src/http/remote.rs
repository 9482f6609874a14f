//! The client's address: the forwarded chain, walked from the right past the proxies we trust.

use std::net::IpAddr;

use axum::http::HeaderMap;

use crate::config::TrustProxy;

/// Longer chains are no chains.
const MAX_HOPS: usize = 50;

/// The address of whoever is behind the trusted proxies.
///
/// `X-Forwarded-For` counts only when the peer is trusted; of its entries, the right-most one that is not a trusted
/// proxy. An entry that is no address ends the walk at the last hop that was known: never a bypass, never an error.
pub fn resolve(peer: IpAddr, headers: &HeaderMap, trust: &TrustProxy) -> IpAddr {
    let peer = peer.to_canonical();
    if !trust.trusts(peer) {
        return peer;
    }
    let values: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    let joined = values.join(",");
    let mut resolved = peer;
    for hop in joined.rsplit(',').take(MAX_HOPS).map(str::trim) {
        let Some(address) = parse_hop(hop) else { return resolved };
        resolved = address;
        if !trust.trusts(address) {
            return resolved;
        }
    }
    resolved
}

/// `address`, `address:port`, `[v6]:port`; zone identifiers are no part of an address.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().ok().or_else(|| {
        let without_port = hop.rsplit_once(':').map_or(hop, |(address, _)| address);
        without_port.trim_start_matches('[').trim_end_matches(']').parse().ok()
    });
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        headers
    }

    fn trust() -> TrustProxy {
        TrustProxy::These(vec!["10.0.0.0/8".parse().unwrap()])
    }

    fn resolved(peer: &str, values: &[&str]) -> String {
        resolve(peer.parse().unwrap(), &headers(values), &trust()).to_string()
    }

    #[test]
    fn rl02_a_stranger_cannot_choose_their_address() {
        assert_eq!(resolved("203.0.113.7", &["198.51.100.1"]), "203.0.113.7");
    }

    #[test]
    fn rl02_the_right_most_hop_that_is_no_proxy_counts() {
        assert_eq!(resolved("10.0.0.1", &["198.51.100.1, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(resolved("10.0.0.1", &["203.0.113.7, 10.0.0.9"]), "203.0.113.7");
        assert_eq!(resolved("10.0.0.1", &["198.51.100.1", "203.0.113.7"]), "203.0.113.7");
        assert_eq!(resolved("::ffff:10.0.0.1", &["203.0.113.7:4711"]), "203.0.113.7");
        assert_eq!(resolved("10.0.0.1", &["[2001:db8::7]:4711"]), "2001:db8::7");
    }

    #[test]
    fn rl02_what_is_no_address_falls_back_to_the_last_known_hop() {
        for nonsense in ["a", "", "1.2.3", "fe80::1%eth0", "203.0.113.7, a"] {
            assert_eq!(resolved("10.0.0.1", &[nonsense]), "10.0.0.1", "{nonsense}");
        }
        assert_eq!(resolved("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(resolved("10.0.0.1", &[&"10.0.0.2,".repeat(1000)]), "10.0.0.1");
    }
}
