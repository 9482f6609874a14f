use time::OffsetDateTime;

use super::event::{Authorization, IssuedAccessToken};
use crate::digest::Digest;
use crate::ids::ClientId;
use crate::oauth::scope::Scopes;
use crate::oauth::token_value::PresentedRefreshToken;
use crate::policy::access::{AccessDenied, Causes};

/// What may be asked of a grant. The policy has allowed what a command asks, and its causes come along; or it says why not,
/// where a replay must be recorded whatever it says.
#[derive(Clone, Debug)]
pub enum GrantCommand {
    Authorize(Box<Authorization>),
    RedeemCode(Box<RedeemCode>),
    IssueToClient {
        client_id: ClientId,
        scopes: Scopes,
        access_token: IssuedAccessToken,
        causes: Causes,
    },
    Refresh(Box<Refresh>),
    RevokeToken {
        client_id: ClientId,
        token: IssuedAccessToken,
        now: OffsetDateTime,
    },
    /// The client gives its refresh token back.
    RevokeByRefreshToken {
        client_id: ClientId,
        presented: PresentedRefreshToken,
    },
}

/// A code at the token endpoint (RFC 6749 §4.1.3).
#[derive(Clone, Debug)]
pub struct RedeemCode {
    pub client_id: ClientId,
    pub code: Digest,
    pub redirect_uri: Option<String>,
    pub code_verifier: Option<String>,
    pub access_token: IssuedAccessToken,
    /// Digest of the first refresh token, if the client gets one.
    pub refresh_token: Option<Digest>,
    pub allowed: Result<Causes, AccessDenied>,
    pub now: OffsetDateTime,
}

/// A refresh token at the token endpoint (RFC 6749 §6).
#[derive(Clone, Debug)]
pub struct Refresh {
    pub client_id: ClientId,
    pub presented: PresentedRefreshToken,
    /// The presented token is one that we made, though perhaps long ago: the adapter recomputed it.
    pub genuine: bool,
    /// The digest of the token of the generation after the presented one, as it is made now; then those of the same token
    /// as it was made before the encryption key changed.
    pub successors: Vec<Digest>,
    /// A narrower scope for this access token, if one was asked for.
    pub scopes: Option<Scopes>,
    pub access_token: IssuedAccessToken,
    pub allowed: Result<Causes, AccessDenied>,
    pub now: OffsetDateTime,
}
