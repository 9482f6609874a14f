//! The claims of a token whose signature has been verified, read without leniency.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The claims, or nothing where a member is there twice or a time is no whole number in range (RFC 7519 §4, attacks JK-06).
pub(super) fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let Claims(claims) = serde_json::from_slice(&bytes).ok()?;
    let sound = |name: &str| claims.get(name).is_none_or(|value| value.as_i64().is_some_and(|time| time >= 0));
    (sound("exp") && sound("iat") && sound("nbf")).then_some(Value::Object(claims))
}

/// An object in which no member may repeat.
struct Claims(Map<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Claims, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is there twice"));
                    }
                }
                Ok(Claims(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
