//! The access token as a JWT (RFC 9068), and how it names its grant.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ids::GrantId;

/// The claims of RFC 9068 §2.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    pub iss: String,
    pub sub: String,
    pub aud: Vec<String>,
    pub client_id: String,
    pub scope: String,
    pub jti: String,
    pub iat: i64,
    pub exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The claims that UserInfo releases by name (OpenID Connect Core §5.5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
}

/// The `jti` of an access token: its grant's id and a random part, so that one look-up answers whether it still counts.
pub fn jti(grant: GrantId, random: Uuid) -> String {
    format!("{}.{}", grant.0.simple(), random.simple())
}

pub fn grant_of(jti: &str) -> Option<GrantId> {
    let (grant, random) = jti.split_once('.')?;
    Uuid::try_parse(random).ok()?;
    Uuid::try_parse(grant).ok().map(GrantId)
}

impl AccessTokenClaims {
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.exp).ok()
    }
}
