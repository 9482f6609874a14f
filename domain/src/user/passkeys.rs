//! A person's passkeys, free of any library's types: everything follows from the raw authenticator data.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ids::PasskeyId;

/// A passkey as it was enrolled (WebAuthn Level 3 §4, credential record).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    pub passkey_id: PasskeyId,
    /// base64url.
    pub credential_id: String,
    /// base64url; what the authenticator returns to name the person.
    pub user_handle: String,
    /// base64url, raw: holds the public key, the counter and the flags (§6.1).
    pub authenticator_data: String,
    pub attestation_format: String,
    pub transports: Vec<String>,
    pub attachment: Option<String>,
    /// What `credProps.rk` said, unsigned.
    pub discoverable: Option<bool>,
    pub aaguid: Uuid,
    pub counter: u32,
    pub backup_eligible: bool,
    pub backed_up: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub enrolled_at: OffsetDateTime,
}

/// What the rules need to know of an enrolled passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub passkey_id: PasskeyId,
    pub credential_id: String,
    pub name: Option<String>,
    pub suspended: bool,
}
