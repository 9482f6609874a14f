use crate::oauth::error::{ErrorCode, OAuthError};
use crate::policy::access::AccessDenied;

/// Why a grant refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    #[error("the grant exists already")]
    AlreadyExists,
    #[error("there is no such code or token")]
    Unknown,
    #[error("it was issued to another client")]
    OtherClient,
    #[error("the code has expired")]
    CodeExpired,
    #[error("the redirect URI is not the one of the authorization request")]
    OtherRedirectUri,
    #[error("a code verifier was sent, but no challenge")]
    UnexpectedVerifier,
    #[error(transparent)]
    Denied(#[from] AccessDenied),
    #[error("the session in which it was authorized is over")]
    SessionOver,
    #[error("the grant has been revoked")]
    Revoked,
    #[error("the grant has ended")]
    Ended,
    #[error("nothing of what was asked for was granted")]
    NoScope,
    #[error("more was asked for than was granted")]
    WiderScope,
}

impl From<GrantRefusal> for OAuthError {
    fn from(refusal: GrantRefusal) -> Self {
        match refusal {
            // One answer for all that a thief could learn from.
            GrantRefusal::AlreadyExists
            | GrantRefusal::Unknown
            | GrantRefusal::OtherClient
            | GrantRefusal::SessionOver
            | GrantRefusal::Revoked
            | GrantRefusal::Ended => Self::invalid_grant("the code or token is not valid"),
            GrantRefusal::Denied(denied) => denied.at_token_endpoint(),
            GrantRefusal::CodeExpired => Self::invalid_grant("the code has expired"),
            GrantRefusal::OtherRedirectUri => {
                Self::invalid_grant("redirect_uri differs from the authorization request")
            }
            GrantRefusal::UnexpectedVerifier => Self::invalid_grant("code_verifier was sent without a code_challenge"),
            GrantRefusal::NoScope => Self::new(ErrorCode::InvalidScope, "none of these scopes was granted"),
            GrantRefusal::WiderScope => Self::new(ErrorCode::InvalidScope, "the scope exceeds what was granted"),
        }
    }
}
