//! What is said about the geo-location database: whose it is, how old, and what is wrong with it.

use time::{Duration, OffsetDateTime};

use super::frame::date;
use crate::app::App;
use crate::pages::house::{Attribution, Fact, Health, Tone};

/// The makers' words, where they ask for some: MaxMind in its end-user license, DB-IP and IPinfo by their Creative Commons
/// licenses.
pub fn attribution(app: &App) -> Option<Attribution> {
    let kind = app.geo.database()?.kind.to_ascii_lowercase();
    let attribution = |says, name, href| Some(Attribution { says, name, href });
    if kind.starts_with("geolite2") {
        let says = "This product includes GeoLite2 Data created by MaxMind, available from";
        return attribution(says, "https://www.maxmind.com", "https://www.maxmind.com");
    }
    if kind.starts_with("dbip") {
        return attribution("IP geolocation by", "DB-IP", "https://db-ip.com");
    }
    if kind.contains("ipinfo") {
        return attribution("IP address data powered by", "IPinfo", "https://ipinfo.io");
    }
    None
}

/// What needs somebody's attention, if anything does.
pub fn health(app: &App) -> Option<Health> {
    let mind = |part: &str, says: String| Some(Health { tone: Tone::Mind, part: part.to_owned(), says });
    let failure = app.geo_updates.as_ref().and_then(|updates| updates.status().failure);
    let Some(database) = app.geo.database() else {
        let says = match (failure, &app.config.geolite_db_path) {
            (Some((_, says)), _) => format!("The geo-location database could not be fetched: {says}."),
            (None, Some(file)) => format!("There is no geo-location database at {}.", file.display()),
            (None, None) => {
                "Set MAXMIND_LICENSE_KEY, or GEOLITE_DB_PATH to a city database, to see where sign-ins come \
                             from."
                    .to_owned()
            }
        };
        return mind("Places are not known", says);
    };
    if let Some((_, says)) = failure {
        return mind("Places may be out of date", format!("The geo-location database could not be fetched: {says}."));
    }
    if app.now() - database.built_at > OLD {
        let says = format!("The geo-location database is of {}: fetch a newer one.", date(database.built_at));
        return mind("Places may be out of date", says);
    }
    None
}

/// The same in full.
pub fn facts(app: &App) -> Vec<Fact> {
    let fact = |label: &str, value: String| Fact { label: label.to_owned(), value, href: None };
    let mut facts = match app.geo.database() {
        Some(database) => {
            let age = (app.now() - database.built_at).whole_days();
            let age = if age == 1 { "1 day old".to_owned() } else { format!("{age} days old") };
            vec![fact("Database", database.kind), fact("Built", format!("{}, {age}", date(database.built_at)))]
        }
        None => vec![fact("Database", "None: places stay unknown.".to_owned())],
    };
    if let Some(file) = &app.config.geolite_db_path {
        facts.push(fact("File", file.display().to_string()));
    }
    if let Some(updates) = &app.geo_updates {
        let status = updates.status();
        facts.push(fact("Fetched", status.fetched_at.map_or("Never".to_owned(), moment)));
        if let Some((at, says)) = status.failure {
            facts.push(fact("Last failure", format!("{}: {says}.", moment(at))));
        }
        facts.push(fact("Next download", moment(status.next_at)));
    }
    facts
}

fn moment(at: OffsetDateTime) -> String {
    let minutes = time::macros::format_description!("[hour]:[minute] UTC");
    format!("{}, {}", date(at), at.format(minutes).unwrap_or_default())
}

/// MaxMind publishes twice a week, DB-IP once a month.
const OLD: Duration = Duration::days(32);
