use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::digest::Digest;
use crate::domain_event;
use crate::event::StoredEvent;
use crate::ids::{ClientId, SessionId, UserId};
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::scope::Scopes;
use crate::policy::access::Causes;

/// What happened to an authorization grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GrantEvent {
    /// A person's authorization: a code was issued. This is the one event of an authorization.
    #[serde(rename = "grant.authorized")]
    Authorized(Box<Authorization>),
    /// The code was redeemed. This is the one event of the token response.
    #[serde(rename = "grant.tokens_issued")]
    TokensIssued {
        access_token: IssuedAccessToken,
        /// Digest of the first refresh token, if there is one.
        refresh_token: Option<Digest>,
        causes: Causes,
    },
    /// A client acting for itself (RFC 6749 §4.4): the first and only event of its stream.
    #[serde(rename = "grant.client_tokens_issued")]
    ClientTokensIssued { client_id: ClientId, scopes: Scopes, access_token: IssuedAccessToken, causes: Causes },
    #[serde(rename = "grant.refreshed")]
    Refreshed {
        /// Of the refresh token that is handed out; it grows by one with each rotation.
        generation: u32,
        refresh_token: Digest,
        /// The previous token came again within the grace and got the same successor.
        repeated: bool,
        access_token: IssuedAccessToken,
        scopes: Scopes,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        causes: Causes,
    },
    /// The right client presented the code with a wrong verifier; the code is used up.
    #[serde(rename = "grant.pkce_failed")]
    PkceFailed,
    /// RFC 6749 §4.1.2: a code that was used comes again.
    #[serde(rename = "grant.code_replayed")]
    CodeReplayed,
    /// RFC 9700 §4.14.2: a refresh token that was rotated away comes again.
    #[serde(rename = "grant.refresh_reuse_detected")]
    RefreshReuseDetected { generation: u32 },
    /// One access token (RFC 7009). Older events do not tell the times.
    #[serde(rename = "grant.token_revoked")]
    TokenRevoked {
        jti: String,
        #[serde(default, with = "time::serde::rfc3339::option")]
        expires_at: Option<OffsetDateTime>,
        #[serde(default, with = "time::serde::rfc3339::option")]
        at: Option<OffsetDateTime>,
    },
    #[serde(rename = "grant.revoked")]
    Revoked { why: RevokedWhy },
}

/// What a person authorized, and on what it rests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authorization {
    pub user_id: UserId,
    pub client_id: ClientId,
    pub session_id: SessionId,
    pub code: Digest,
    pub redirect_uri: String,
    pub scopes: Scopes,
    pub nonce: Option<String>,
    pub code_challenge: Option<CodeChallenge>,
    #[serde(with = "time::serde::rfc3339")]
    pub authenticated_at: OffsetDateTime,
    pub acr: String,
    pub amr: Vec<String>,
    /// Claims of the `claims` parameter that were asked for by name (OpenID Connect Core §5.5).
    pub claims: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub code_expires_at: OffsetDateTime,
    /// No refresh outlasts this, however often it is used.
    #[serde(with = "time::serde::rfc3339")]
    pub ends_at: OffsetDateTime,
    pub causes: Causes,
}

/// An access token that left; it carries this `jti` (RFC 9068 §2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedAccessToken {
    pub jti: String,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedWhy {
    CodeReplayed,
    RefreshReused,
    /// The client revoked its refresh token (RFC 7009).
    ByClient,
}

impl StoredEvent for GrantEvent {
    const AGGREGATE: &'static str = "grant";

    fn name(&self) -> &'static str {
        match self {
            Self::Authorized { .. } => "grant.authorized",
            Self::TokensIssued { .. } => "grant.tokens_issued",
            Self::ClientTokensIssued { .. } => "grant.client_tokens_issued",
            Self::Refreshed { .. } => "grant.refreshed",
            Self::PkceFailed => "grant.pkce_failed",
            Self::CodeReplayed => "grant.code_replayed",
            Self::RefreshReuseDetected { .. } => "grant.refresh_reuse_detected",
            Self::TokenRevoked { .. } => "grant.token_revoked",
            Self::Revoked { .. } => "grant.revoked",
        }
    }
}

domain_event!(GrantEvent);
