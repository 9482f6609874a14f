use axum::http::HeaderName;

use super::*;

fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name, value.parse().unwrap());
    }
    headers
}

fn trust() -> TrustProxy {
    TrustProxy::These(vec!["10.0.0.0/8".parse().unwrap()])
}

fn tcp(peer: &str) -> Peer {
    Peer { address: Some(peer.parse().unwrap()), proxied: None }
}

fn walk(peer: &str, values: &[&str]) -> Walk {
    Walk::new(tcp(peer), &headers("x-forwarded-for", values), &trust(), &AddressHeader::ForwardedFor)
}

fn resolved(peer: &str, values: &[&str]) -> String {
    walk(peer, values).address.to_string()
}

fn forwarded(values: &[&str]) -> String {
    let headers = headers("forwarded", values);
    Walk::new(tcp("10.0.0.1"), &headers, &trust(), &AddressHeader::Forwarded).address.to_string()
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
    assert_eq!(resolved("10.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
}

#[test]
fn rl02_what_is_no_address_falls_back_to_the_last_known_hop() {
    for nonsense in ["a", "", "1.2.3", "fe80::1%eth0", "203.0.113.7:99999", "203.0.113.7, a"] {
        assert_eq!(resolved("10.0.0.1", &[nonsense]), "10.0.0.1", "{nonsense}");
    }
    assert_eq!(resolved("10.0.0.1", &[]), "10.0.0.1");
    assert_eq!(resolved("10.0.0.1", &[&"10.0.0.2,".repeat(1000)]), "10.0.0.1");
    assert_eq!(walk("10.0.0.1", &["10.0.0.2,"; 1000]).hops.len(), 2);
    assert_eq!(walk("10.0.0.1", &["10.0.0.2"; 1000]).hops.len(), 1 + MAX_HOPS);
}

#[test]
fn rl02_only_the_header_of_the_operators_choice_counts() {
    let both: HeaderMap = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=198.51.100.1")]
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .into_iter()
        .collect();
    let walk = |header| Walk::new(tcp("10.0.0.1"), &both, &trust(), &header).address.to_string();

    assert_eq!(walk(AddressHeader::ForwardedFor), "203.0.113.7");
    assert_eq!(walk(AddressHeader::Forwarded), "198.51.100.1");
    assert_eq!(walk(AddressHeader::Single(HeaderName::from_static("cf-connecting-ip"))), "10.0.0.1");
}

#[test]
fn s4_the_forwarded_header_is_read_as_its_grammar_has_it() {
    assert_eq!(forwarded(&["for=203.0.113.7"]), "203.0.113.7");
    assert_eq!(forwarded(&["For=\"[2001:db8:cafe::17]:4711\";proto=https"]), "2001:db8:cafe::17");
    assert_eq!(forwarded(&["for=198.51.100.1, for=203.0.113.7;by=10.0.0.1, for=10.0.0.9"]), "203.0.113.7");
    assert_eq!(forwarded(&["for=198.51.100.1", "for=203.0.113.7"]), "203.0.113.7");
    for unknown in ["for=unknown", "for=_hidden", "proto=https", "", "for", "for=198.51.100.1;for=198.51.100.2"] {
        assert_eq!(forwarded(&[unknown]), "10.0.0.1", "{unknown}");
    }
}

/// A visitor chooses what stands to the left, and the host within the proxy's own element.
#[test]
fn rl02_quotes_in_forwarded_do_not_hide_or_invent_a_hop() {
    assert_eq!(forwarded(&["for=203.0.113.7;host=\"x, for=198.51.100.1\""]), "203.0.113.7");
    assert_eq!(forwarded(&["for=203.0.113.7;host=\"x\\\", for=198.51.100.1\""]), "203.0.113.7");
    assert_eq!(forwarded(&["for=\", for=203.0.113.7"]), "10.0.0.1");
    assert_eq!(forwarded(&["for=\"198.51.100.1, for=\"203.0.113.7\""]), "10.0.0.1");
    // A quote to the left that the host closes.
    let line = "a=\", for=203.0.113.7;host=\"x, for=198.51.100.1;b=\\\"\"";
    assert_eq!(forwarded(&[line]), "10.0.0.1");
}

/// Else whoever writes nonsense is the proxy, as far as limits and lists of barred addresses know.
#[test]
fn rl02_nonsense_to_the_left_in_forwarded_hides_nobody() {
    for nonsense in ["", "nonsense", "for=198.51.100.1;for=198.51.100.2", "a=\"b\"c", "for = 198.51.100.1", ";"] {
        assert_eq!(forwarded(&[&format!("{nonsense}, for=203.0.113.7")]), "203.0.113.7", "{nonsense}");
    }
}

#[test]
fn a_header_of_a_platforms_own_holds_one_address() {
    let name = HeaderName::from_static("cf-connecting-ip");
    let walk = |values: &[&str]| {
        let headers = headers("cf-connecting-ip", values);
        Walk::new(tcp("10.0.0.1"), &headers, &trust(), &AddressHeader::Single(name.clone())).address.to_string()
    };

    assert_eq!(walk(&["203.0.113.7"]), "203.0.113.7");
    assert_eq!(walk(&["198.51.100.1, 203.0.113.7"]), "10.0.0.1");
    assert_eq!(walk(&["198.51.100.1", "203.0.113.7"]), "10.0.0.1");
}

#[test]
fn whom_a_trusted_peer_speaks_for_comes_before_the_header() {
    let proxied = |peer: Option<&str>, source: &str| {
        let peer = Peer { address: peer.map(|peer| peer.parse().unwrap()), proxied: source.parse().ok() };
        let headers = headers("x-forwarded-for", &["198.51.100.1"]);
        Walk::new(peer, &headers, &trust(), &AddressHeader::ForwardedFor).address.to_string()
    };

    assert_eq!(proxied(Some("10.0.0.1"), "203.0.113.7"), "203.0.113.7");
    assert_eq!(proxied(Some("10.0.0.1"), "10.0.0.9"), "198.51.100.1");
    assert_eq!(proxied(None, "203.0.113.7"), "203.0.113.7");
    assert_eq!(proxied(Some("192.0.2.1"), "203.0.113.7"), "192.0.2.1");
}

#[test]
fn whoever_may_open_the_unix_socket_is_a_proxy() {
    let peer = Peer { address: None, proxied: None };

    let walk = Walk::new(
        peer,
        &headers("x-forwarded-for", &["203.0.113.7"]),
        &TrustProxy::Nobody,
        &AddressHeader::ForwardedFor,
    );
    let silent = Walk::new(peer, &HeaderMap::new(), &TrustProxy::Nobody, &AddressHeader::ForwardedFor);

    assert_eq!(walk.address.to_string(), "203.0.113.7");
    assert_eq!(silent.address.to_string(), "127.0.0.1");
}

#[test]
fn the_walk_tells_each_hop_and_where_it_ended() {
    let walk = walk("10.0.0.1", &["spoof, 203.0.113.7, 10.0.0.9"]);

    let hops: Vec<_> = walk.hops.iter().map(|hop| (hop.told_by, hop.end.clone(), hop.is_trusted)).collect();
    let at = |text: &str| End::Address(text.parse().unwrap());
    assert_eq!(
        hops,
        [
            (ToldBy::Connection, at("10.0.0.1"), true),
            (ToldBy::Header, at("10.0.0.9"), true),
            (ToldBy::Header, at("203.0.113.7"), false),
        ]
    );
}
