use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::json;

use super::*;

fn fixture() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/geo/GeoLite2-City-Test.mmdb"))
}

/// A file of its own for each test, removed at its end.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("chancery-geo-{}-{name}", std::process::id())))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network(place: Place) -> Option<String> {
    match place {
        Place::Internal { network } => Some(network),
        Place::Found { .. } | Place::Unknown => None,
    }
}

fn flat(record: serde_json::Value) -> Place {
    serde_json::from_value::<Record>(record).unwrap().into_place(7)
}

#[test]
fn a_known_address_has_country_city_and_point() {
    let locator = MaxmindGeoLocator::open(Some(fixture()), Vec::new());

    let place = locator.place(address("89.160.20.112"));

    let Place::Found { country, country_name, city, latitude, longitude, accuracy_radius, database_built_at } = place
    else {
        panic!("{place:?}");
    };
    assert_eq!(country.as_deref(), Some("SE"));
    assert_eq!(country_name.as_deref(), Some("Sweden"));
    assert_eq!(city.as_deref(), Some("Linköping"));
    assert_eq!((latitude, longitude, accuracy_radius), (Some(58.4167), Some(15.6167), Some(76)));
    assert!(database_built_at > 1_400_000_000);
}

#[test]
fn an_address_mapped_into_ipv6_is_the_ipv4_address() {
    let locator = MaxmindGeoLocator::open(Some(fixture()), Vec::new());

    assert_eq!(locator.place(address("::ffff:89.160.20.112")), locator.place(address("89.160.20.112")));
    assert_eq!(network(locator.place(address("::ffff:10.1.2.3"))).as_deref(), Some("LAN"));
}

#[test]
fn rl_07_internal_ranges_are_named_without_a_look_up() {
    let locator = MaxmindGeoLocator::open(None, vec!["2001:4860::/32".parse().unwrap()]);

    for (text, name) in [
        ("127.0.0.1", "Localhost"),
        ("::1", "Localhost"),
        ("172.31.255.255", "LAN"),
        ("192.168.1.20", "LAN"),
        ("fd00::1", "LAN"),
        ("2001:4860::8888", "LAN"),
        ("169.254.0.1", "Link-local"),
        ("fe80::1", "Link-local"),
        ("100.64.0.1", "Tailscale/CGNAT"),
        ("fd7a:115c:a1e0::1", "Tailscale/CGNAT"),
    ] {
        assert_eq!(network(locator.place(address(text))).as_deref(), Some(name), "{text}");
    }
}

#[test]
fn documentation_and_neighboring_ranges_are_not_internal() {
    let locator = MaxmindGeoLocator::open(None, Vec::new());

    for text in ["192.0.2.1", "2001:db8::1", "172.32.0.1", "100.128.0.1", "11.0.0.1", "8.8.8.8"] {
        assert_eq!(locator.place(address(text)), Place::Unknown, "{text}");
    }
}

#[test]
fn rl_07_a_file_that_comes_later_is_read_and_a_broken_one_leaves_it_in_use() {
    let file = TemporaryFile::new("hot");
    let locator = MaxmindGeoLocator::open(Some(file.0.clone()), Vec::new());
    assert_eq!(locator.place(address("89.160.20.112")), Place::Unknown);

    fs::copy(fixture(), &file.0).unwrap();
    assert!(locator.reload_if_changed());
    assert!(!locator.reload_if_changed());
    let place = locator.place(address("89.160.20.112"));
    assert!(matches!(place, Place::Found { .. }));

    let whole = fs::read(fixture()).unwrap();
    fs::write(&file.0, &whole[..whole.len() / 2]).unwrap();
    assert!(!locator.reload_if_changed());
    assert_eq!(locator.place(address("89.160.20.112")), place);

    fs::remove_file(&file.0).unwrap();
    assert!(!locator.reload_if_changed());
    assert_eq!(locator.place(address("89.160.20.112")), place);
}

#[test]
fn rl_07_random_bytes_are_a_warning_and_no_place() {
    let file = TemporaryFile::new("random");
    fs::write(&file.0, [0x5a; 4096]).unwrap();

    let locator = MaxmindGeoLocator::open(Some(file.0.clone()), Vec::new());

    assert!(!locator.is_loaded());
    assert_eq!(locator.place(address("8.8.8.8")), Place::Unknown);
}

#[test]
fn the_flat_schema_is_read_too() {
    let found = |country: &str, name: Option<&str>, city: &str| Place::Found {
        country: Some(country.to_owned()),
        country_name: name.map(str::to_owned),
        city: Some(city.to_owned()),
        latitude: Some(46.95),
        longitude: Some(7.45),
        accuracy_radius: None,
        database_built_at: 7,
    };

    assert_eq!(
        flat(json!({"country_code": "CH", "city": "Bern", "latitude": 46.95, "longitude": 7.45})),
        found("CH", None, "Bern")
    );
    assert_eq!(
        flat(
            json!({"country": "CH", "country_name": "Switzerland", "city": "Bern", "latitude": "46.95", "longitude": "7.45"})
        ),
        found("CH", Some("Switzerland"), "Bern")
    );
    assert_eq!(flat(json!({"country_code": "-", "city": ""})), Place::Unknown);
}
