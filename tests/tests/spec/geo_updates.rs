//! The geo-location database fetched from a server that answers as MaxMind's does, its errors included. Attack RL-07.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::StatusCode;
use chancery_adapters::clock::FixedClock;
use chancery_adapters::entropy::SystemEntropy;
use chancery_adapters::geo_locator::MaxmindGeoLocator;
use chancery_adapters::geo_updates::{GeoUpdates, Source};
use chancery_domain::context::Place;
use chancery_domain::ports::geo_locator::GeoLocator;
use chancery_domain::secret::Secret;
use chancery_tests::logged::Logged;
use chancery_tests::maxmind::{self, ACCOUNT, FORMER, KEY, Maker, PERMALINK, Shared, basic, database, gz, tar_gz};
use chancery_tests::server::NOON;
use time::Duration;

/// A node that fetches from the imitation, with a file of its own.
struct Node {
    maker: Shared,
    updates: GeoUpdates,
    locator: Arc<MaxmindGeoLocator>,
    clock: Arc<FixedClock>,
    folder: PathBuf,
}

impl Node {
    /// `url` as in `GEOLITE_DB_URL`, with `{}` for the imitation.
    async fn new(account: Option<&str>, url: &str) -> Self {
        let maker = Shared::default();
        let (front, storage) = maxmind::start(&maker).await;
        let url = url.replace("{}", &front).replace("{storage}", &storage);
        let source = Source::new(account.map(str::to_owned), Some(Secret::new(KEY.to_owned())), Some(&url));
        let folder = std::env::temp_dir().join(format!("chancery-geo-updates-{}", uuid::Uuid::new_v4()));
        let file = folder.join("GeoLite2-City.mmdb");
        let locator = Arc::new(MaxmindGeoLocator::open(Some(file.clone()), Vec::new()));
        let clock = Arc::new(FixedClock::at(NOON));
        let updates = GeoUpdates::new(source, file, locator.clone(), clock.clone(), Arc::new(SystemEntropy)).unwrap();
        Self { maker, updates, locator, clock, folder }
    }

    async fn permalink() -> Self {
        Self::new(Some(ACCOUNT), PERMALINK).await
    }

    fn serves(&self, archive: Vec<u8>) {
        self.maker.lock().unwrap().archive = archive;
    }

    fn asked(&self) -> Vec<String> {
        self.maker.lock().unwrap().asked.clone()
    }

    fn knows_linkoping(&self) -> bool {
        let place = self.locator.place("89.160.20.112".parse().unwrap());
        matches!(place, Place::Found { city: Some(city), .. } if city == "Linköping")
    }

    /// Why the last try failed.
    fn failure(&self) -> String {
        self.updates.status().failure.map(|(_, says)| says).unwrap_or_default()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

#[tokio::test]
async fn rl07_both_urls_of_maxmind_lead_to_a_database_in_use() {
    for (account, url) in [(Some(ACCOUNT), PERMALINK), (None, FORMER)] {
        let node = Node::new(account, url).await;
        assert!(!node.knows_linkoping());

        node.updates.look().await;

        assert_eq!(node.failure(), "");
        assert!(node.knows_linkoping());
        assert_eq!(node.files(), ["GeoLite2-City.mmdb"], "nothing else is left");
        assert_eq!(node.updates.status().fetched_at, Some(NOON));
    }
}

#[tokio::test]
async fn rl07_a_redirect_is_followed_without_the_key() {
    for (account, url) in [(Some(ACCOUNT), PERMALINK), (None, FORMER)] {
        let node = Node::new(account, url).await;

        node.updates.look().await;

        let asked = node.asked();
        let storage: Vec<_> = asked.iter().filter(|asked| asked.starts_with("storage")).collect();
        assert_eq!(storage.len(), 1, "{asked:?}");
        assert!(storage[0].contains("X-Amz-Signature=presigned"));
        for secret in [KEY, "authorization", "referer", basic().trim_start_matches("Basic ")] {
            assert!(!storage[0].contains(secret), "{secret} in {}", storage[0]);
        }
        let front = asked.iter().filter(|asked| asked.starts_with("front"));
        assert_eq!(front.count(), 2, "the archive and its checksum");
    }
}

#[tokio::test]
async fn rl07_it_is_fetched_twice_a_week_give_or_take() {
    let node = Node::permalink().await;
    node.updates.look().await;
    let first = node.asked().len();
    let next = node.updates.status().next_at - NOON;
    assert!((Duration::hours(77)..=Duration::hours(91)).contains(&next), "{next}");

    node.clock.advance(Duration::hours(76));
    node.updates.look().await;
    assert_eq!(node.asked().len(), first, "it is not time yet");
    node.clock.advance(Duration::hours(16));
    node.updates.look().await;
    assert_eq!(node.asked().len(), 2 * first);

    let spread: Vec<_> = (0..3).map(|_| Node::permalink()).collect();
    let mut moments = Vec::new();
    for node in spread {
        let node = node.await;
        node.updates.look().await;
        moments.push(node.updates.status().next_at);
    }
    moments.sort_unstable();
    moments.dedup();
    assert_eq!(moments.len(), 3, "nodes do not ask at the same moment");
}

#[tokio::test]
async fn rl07_a_restart_does_not_fetch_again_what_is_fresh() {
    let node = Node::permalink().await;
    node.updates.look().await;
    let asked = node.asked().len();

    node.clock.advance(Duration::hours(1));
    let file = node.folder.join("GeoLite2-City.mmdb");
    let source = Source::new(None, None, Some("http://127.0.0.1:9/city.mmdb"));
    let restarted =
        GeoUpdates::new(source, file, node.locator.clone(), node.clock.clone(), Arc::new(SystemEntropy)).unwrap();
    restarted.look().await;

    assert_eq!(restarted.status().fetched_at, Some(NOON));
    assert!(restarted.status().failure.is_none());
    assert_eq!(node.asked().len(), asked);
}

#[tokio::test]
async fn rl07_a_refusal_says_what_to_do_and_is_not_repeated_for_a_day() {
    for (status, says) in [
        (StatusCode::UNAUTHORIZED, "MAXMIND_LICENSE_KEY"),
        (StatusCode::FORBIDDEN, "MAXMIND_LICENSE_KEY"),
        (StatusCode::TOO_MANY_REQUESTS, "daily limit"),
    ] {
        let node = Node::permalink().await;
        node.maker.lock().unwrap().refusal = Some(status);

        node.updates.look().await;

        assert!(node.failure().contains(says), "{}", node.failure());
        assert!(!node.failure().contains(KEY));
        assert!(node.updates.status().next_at - NOON >= Duration::hours(22));
        assert!(!node.knows_linkoping());
        assert!(node.files().is_empty(), "{:?}", node.files());
    }
}

#[tokio::test]
async fn rl07_whatever_else_goes_wrong_leaves_the_old_database_in_use_and_is_tried_again_within_hours() {
    type Fault = fn(&mut Maker);
    let wrong: &[(&str, Fault)] = &[
        ("checksum", |maker| maker.checksum = Some(format!("{}  GeoLite2-City.tar.gz", "0".repeat(64)))),
        ("checksum cannot be read", |maker| maker.checksum = Some("<html>".to_owned())),
        ("503", |maker| maker.refusal = Some(StatusCode::SERVICE_UNAVAILABLE)),
        ("cut off or damaged", |maker| maker.archive.truncate(maker.archive.len() / 2)),
        ("no .mmdb file", |maker| maker.archive = tar_gz("GeoLite2-City_20261124/GeoLite2-City.csv")),
        ("no MaxMind database", |maker| maker.archive = gz(b"<html>Maintenance</html>")),
        ("no MaxMind database", |maker| maker.archive = gz(&vec![0x5a; 100_000])),
        ("no MaxMind database", |maker| {
            let mut database = database();
            database[2000..6000].fill(0xff);
            maker.archive = gz(&database);
        }),
        ("cannot be reached", |maker| maker.storage = "http://127.0.0.1:9".to_owned()),
    ];
    for (says, change) in wrong {
        let node = Node::permalink().await;
        node.updates.look().await;
        assert!(node.knows_linkoping());

        change(&mut node.maker.lock().unwrap());
        node.clock.advance(Duration::days(4));
        node.updates.look().await;

        assert!(node.failure().contains(says), "{says}: {}", node.failure());
        assert!(!node.failure().contains("http://"), "no URL: a key may be in it");
        assert!(node.knows_linkoping(), "{says}");
        assert_eq!(node.files(), ["GeoLite2-City.mmdb"], "{says}");
        let next = node.updates.status().next_at - (NOON + Duration::days(4));
        assert!(next <= Duration::minutes(70), "{next}");
    }
}

#[tokio::test]
async fn rl07_a_copy_that_cannot_be_renewed_for_thirty_days_is_dropped() {
    let node = Node::permalink().await;
    node.updates.look().await;
    node.maker.lock().unwrap().refusal = Some(StatusCode::UNAUTHORIZED);

    node.clock.advance(Duration::days(29));
    node.updates.look().await;
    assert!(node.knows_linkoping());
    node.clock.advance(Duration::days(2));
    node.updates.look().await;
    assert!(!node.knows_linkoping());
    assert!(node.files().is_empty());

    node.maker.lock().unwrap().refusal = None;
    node.clock.advance(Duration::days(2));
    node.updates.look().await;
    assert!(node.knows_linkoping());
}

#[tokio::test]
async fn rl07_a_copy_that_was_put_there_by_hand_is_as_old_as_its_file() {
    let node = Node::permalink().await;
    node.updates.look().await;
    node.maker.lock().unwrap().refusal = Some(StatusCode::UNAUTHORIZED);

    node.clock.advance(Duration::days(29));
    let file = node.folder.join("GeoLite2-City.mmdb");
    std::fs::write(&file, database()).unwrap();
    let by_hand = std::fs::File::options().write(true).open(&file).unwrap();
    by_hand.set_modified((NOON + Duration::days(29)).into()).unwrap();
    node.clock.advance(Duration::days(2));
    node.updates.look().await;
    assert_eq!(node.files(), ["GeoLite2-City.mmdb"]);
    assert!(node.knows_linkoping());
    assert_eq!(node.updates.status().fetched_at, Some(NOON + Duration::days(29)));

    node.clock.advance(Duration::days(29));
    node.updates.look().await;
    assert!(node.files().is_empty());
}

#[tokio::test]
async fn a_mirror_serves_the_file_itself_or_compressed() {
    for packed in [database(), gz(&database())] {
        let node = Node::new(None, "{storage}/city.mmdb").await;
        node.serves(packed);

        node.updates.look().await;

        assert_eq!(node.failure(), "");
        assert!(node.knows_linkoping());
        assert_eq!(node.asked().len(), 1, "there is no checksum to ask for");
        assert!(!node.asked()[0].contains(KEY));
    }
}

/// Everything that is logged on the way, by anybody, at the finest level.
#[tokio::test]
async fn rl07_the_key_is_in_no_log() {
    let logged = Logged::listen();

    for (account, url) in [(Some(ACCOUNT), PERMALINK), (None, FORMER)] {
        for refusal in [None, Some(StatusCode::UNAUTHORIZED), Some(StatusCode::BAD_GATEWAY)] {
            let node = Node::new(account, url).await;
            node.maker.lock().unwrap().refusal = refusal;
            node.updates.look().await;
        }
        let node = Node::new(account, url).await;
        node.maker.lock().unwrap().storage = "http://127.0.0.1:9".to_owned();
        node.updates.look().await;
    }

    let logged = logged.take();
    assert!(logged.contains("geo-location database fetched") && logged.contains("could not be fetched"), "{logged}");
    for secret in [KEY, basic().trim_start_matches("Basic "), "presigned"] {
        assert!(!logged.contains(secret), "{secret} in {logged}");
    }
}
