use time::Duration;
use time::macros::datetime;

use super::buckets::MAX_KEYS;
use super::*;

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn network(text: &str) -> Network {
    Network::of(text.parse().unwrap())
}

#[test]
fn rl05_the_addresses_that_one_subscriber_has_are_one_network() {
    assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::1"));
    assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
}

#[test]
fn one_key_that_is_out_takes_nothing_from_another() {
    let buckets = Buckets::new(Some(Allowance::one_each(1, 2)));
    buckets.take("a", NOON).unwrap();
    buckets.take("a", NOON).unwrap();

    assert!(buckets.take("a", NOON).unwrap_err().first);
    assert!(!buckets.take("a", NOON).unwrap_err().first, "a flood is one line in the log");
    buckets.take("b", NOON).unwrap();
    buckets.take("a", NOON + Duration::SECOND).unwrap();
    assert!(!buckets.take("a", NOON + Duration::SECOND).unwrap_err().first);
    buckets.take("a", NOON + Duration::MINUTE).unwrap();
    buckets.take("a", NOON + Duration::MINUTE).unwrap();
    assert!(buckets.take("a", NOON + Duration::MINUTE).unwrap_err().first);
}

#[test]
fn memory_is_bounded_and_who_finds_no_room_is_limited_all_the_same() {
    let buckets = Buckets::new(Some(Allowance::one_each(1, 2)));
    for key in 0..MAX_KEYS {
        buckets.take(key, NOON).unwrap();
    }

    buckets.take(MAX_KEYS, NOON).unwrap();
    buckets.take(MAX_KEYS + 1, NOON).unwrap();
    buckets.take(MAX_KEYS + 2, NOON).unwrap_err();
    assert_eq!(buckets.len(), MAX_KEYS);
    buckets.take(0, NOON).unwrap();

    buckets.take(MAX_KEYS + 2, NOON + Duration::seconds(2)).unwrap();
    assert_eq!(buckets.len(), 1, "whose allowance was whole again made room");
    buckets.sweep(NOON + Duration::MINUTE);
    assert_eq!(buckets.len(), 0);
}
