//! Identifiers. A value of these types has been parsed; nothing unchecked can hold one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(/// A person. The `sub` of every token about them (OpenID Connect Core §2), never reused.
    UserId);
uuid_id!(/// One passkey of a person, as named in paths and events; not the credential id.
    PasskeyId);
uuid_id!(/// An enrollment link.
    EnrollmentId);
uuid_id!(/// A browser session, the `sid` of OpenID Connect Front-/Back-Channel Logout.
    SessionId);
uuid_id!(/// An authorization grant: from the authorization code to its last refresh token.
    GrantId);
uuid_id!(/// A group of people.
    GroupId);
uuid_id!(/// An API key.
    ApiKeyId);
uuid_id!(/// One attempt to prove that an e-mail address belongs to a person.
    EmailVerificationId);
uuid_id!(/// One secret of a client.
    ClientSecretId);

/// An OAuth 2.0 client identifier (RFC 6749 §2.2).
///
/// 2 to 128 of `A–Z a–z 0–9 . _ -`, so that it means the same whether or not a client percent-encodes it for HTTP Basic
/// (RFC 6749 §2.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

impl ClientId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a client identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client id has 2 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'")]
pub struct InvalidClientId;

impl FromStr for ClientId {
    type Err = InvalidClientId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        if !(2..=128).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(InvalidClientId);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ClientId {
    type Error = InvalidClientId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
