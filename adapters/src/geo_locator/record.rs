//! One record of a database, in the nested schema of MaxMind or the flat one of DB-IP and ip-location-db.

use chancery_domain::context::Place;
use serde::Deserialize;

/// The members that a place is made of. Others are ignored, and each of these may be missing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Record {
    country: Option<Named>,
    registered_country: Option<Named>,
    city: Option<Named>,
    location: Option<Location>,
    // The flat schema.
    country_code: Option<String>,
    country_name: Option<String>,
    latitude: Option<Number>,
    longitude: Option<Number>,
}

/// `{"iso_code": "SE", "names": {"en": "Sweden"}}`, or plain text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Text(String),
    Map { iso_code: Option<String>, names: Option<Names> },
}

#[derive(Deserialize)]
struct Names {
    en: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Location {
    latitude: Option<Number>,
    longitude: Option<Number>,
    accuracy_radius: Option<Number>,
}

/// A number of any width (the decoder does not convert), or, in some flat databases, text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(f64),
    Text(String),
}

impl Record {
    pub fn into_place(self, database_built_at: u64) -> Place {
        let location = self.location.unwrap_or_default();
        let latitude = self.latitude.or(location.latitude).and_then(|number| number.within(90.0));
        let longitude = self.longitude.or(location.longitude).and_then(|number| number.within(180.0));
        // An anycast or satellite address has no country of its own, only that of its registration.
        let (code, name) = self.country.or(self.registered_country).map_or((None, None), Named::into_code_and_name);
        let country = self.country_code.or(code).and_then(country_code);
        let country_name = self.country_name.or(name).filter(|name| !name.is_empty());
        let city = self.city.and_then(|city| city.into_code_and_name().1).filter(|city| !city.is_empty());
        if country.is_none() && country_name.is_none() && city.is_none() && latitude.is_none() {
            return Place::Unknown;
        }
        let accuracy_radius = location.accuracy_radius.and_then(|radius| radius.within(f64::from(u16::MAX)));
        Place::Found {
            country,
            country_name,
            city,
            latitude,
            longitude,
            accuracy_radius: accuracy_radius.map(|radius| radius as u16),
            database_built_at,
        }
    }
}

impl Named {
    fn into_code_and_name(self) -> (Option<String>, Option<String>) {
        match self {
            Self::Text(text) if country_code(text.clone()).is_some() => (Some(text), None),
            Self::Text(text) => (None, Some(text)),
            Self::Map { iso_code, names } => (iso_code, names.and_then(|names| names.en)),
        }
    }
}

impl Number {
    fn within(&self, bound: f64) -> Option<f64> {
        let number = match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.parse().ok()?,
        };
        (number.abs() <= bound).then_some(number)
    }
}

/// ISO 3166-1 alpha-2, or nothing.
fn country_code(text: String) -> Option<String> {
    (text.len() == 2 && text.bytes().all(|c| c.is_ascii_uppercase())).then_some(text)
}
