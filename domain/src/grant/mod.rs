//! An authorization grant: code → tokens → refreshed tokens → end (RFC 6749 §1.3, §4.1, §6).
//!
//! One stream for each grant, named by an id that codes and refresh tokens carry. Codes are used once, for 60 seconds at
//! most; refresh tokens rotate, and a used one that comes back ends the grant, except for a moment's grace in which a
//! client that lost the answer gets the same successor again (decision 4).

mod command;
mod event;
mod refusal;
#[cfg(test)]
mod tests;

pub use command::{GrantCommand, RedeemCode, Refresh};
pub use event::{Authorization, GrantEvent, IssuedAccessToken, RevokedWhy};
pub use refusal::GrantRefusal;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::decider::Decider;
use crate::digest::Digest;
use crate::event::StoredEvent;
use crate::ids::ClientId;
use crate::oauth::token_value::PresentedRefreshToken;
use crate::policy::access::SessionCause;

/// How long the previous refresh token gets the same successor again.
const REFRESH_GRACE: Duration = Duration::seconds(30);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Grant {
    #[default]
    Absent,
    Authorized {
        authorization: Box<Authorization>,
    },
    /// The code is gone without tokens.
    Spent {
        authorization: Box<Authorization>,
    },
    Issued {
        authorization: Box<Authorization>,
        refresh: Option<RefreshState>,
    },
    /// A client's own grant; it has no code and no refresh token.
    ClientOnly {
        client_id: ClientId,
    },
    Revoked {
        authorization: Option<Box<Authorization>>,
    },
}

/// The refresh tokens of a grant: the one that works, and the one before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefreshState {
    generation: u32,
    current: Digest,
    previous: Option<Digest>,
    rotated_at: OffsetDateTime,
}

type Decision = Result<Vec<GrantEvent>, GrantRefusal>;

impl Decider for Grant {
    const TYPE: &'static str = GrantEvent::AGGREGATE;
    const REMEMBERED: bool = true;
    type Command = GrantCommand;
    type Event = GrantEvent;
    type Refusal = GrantRefusal;

    fn decide(&self, command: GrantCommand) -> Decision {
        match command {
            GrantCommand::Authorize(authorization) => {
                self.require_absent()?;
                Ok(vec![GrantEvent::Authorized(authorization)])
            }
            GrantCommand::IssueToClient { client_id, scopes, access_token, causes } => {
                self.require_absent()?;
                Ok(vec![GrantEvent::ClientTokensIssued { client_id, scopes, access_token, causes }])
            }
            GrantCommand::RedeemCode(redeem) => self.redeem(*redeem),
            GrantCommand::Refresh(refresh) => self.refresh(*refresh),
            GrantCommand::RevokeToken { client_id, token, now } => {
                if self.client()? != &client_id {
                    return Err(GrantRefusal::OtherClient);
                }
                let ended = matches!(self, Self::Revoked { .. });
                let IssuedAccessToken { jti, expires_at } = token;
                let revoked = GrantEvent::TokenRevoked { jti, expires_at: Some(expires_at), at: Some(now) };
                Ok(if ended { Vec::new() } else { vec![revoked] })
            }
            GrantCommand::RevokeByRefreshToken { client_id, presented } => {
                if self.client()? != &client_id {
                    return Err(GrantRefusal::OtherClient);
                }
                match self {
                    Self::Issued { refresh: Some(refresh), .. } if refresh.knows(presented.digest) => {
                        Ok(vec![GrantEvent::Revoked { why: RevokedWhy::ByClient }])
                    }
                    _ => Ok(Vec::new()),
                }
            }
        }
    }

    fn evolve(&mut self, event: GrantEvent) {
        match (event, std::mem::take(self)) {
            (GrantEvent::Authorized(authorization), _) => *self = Self::Authorized { authorization },
            (GrantEvent::ClientTokensIssued { client_id, .. }, _) => *self = Self::ClientOnly { client_id },
            (GrantEvent::TokensIssued { refresh_token, .. }, Self::Authorized { authorization }) => {
                let refresh = refresh_token.map(|current| RefreshState {
                    generation: 1,
                    current,
                    previous: None,
                    rotated_at: OffsetDateTime::UNIX_EPOCH,
                });
                *self = Self::Issued { authorization, refresh };
            }
            (
                GrantEvent::Refreshed { generation, refresh_token, repeated: false, at, .. },
                Self::Issued { authorization, refresh: Some(before) },
            ) => {
                let previous = Some(before.current);
                let refresh = RefreshState { generation, current: refresh_token, previous, rotated_at: at };
                *self = Self::Issued { authorization, refresh: Some(refresh) };
            }
            (GrantEvent::PkceFailed, Self::Authorized { authorization }) => *self = Self::Spent { authorization },
            (GrantEvent::Revoked { .. }, state) => {
                *self = Self::Revoked { authorization: state.into_authorization() };
            }
            (_, state) => *self = state,
        }
    }
}

impl Grant {
    /// What the person authorized; none for a client's own grant.
    pub fn authorization(&self) -> Option<&Authorization> {
        match self {
            Self::Authorized { authorization } | Self::Spent { authorization } | Self::Issued { authorization, .. } => {
                Some(authorization)
            }
            Self::Revoked { authorization } => authorization.as_deref(),
            Self::Absent | Self::ClientOnly { .. } => None,
        }
    }

    /// Whether a refresh token is the one that works now.
    pub fn is_current(&self, presented: &PresentedRefreshToken) -> bool {
        matches!(self, Self::Issued { refresh: Some(state), .. } if state.current == presented.digest)
    }

    fn into_authorization(self) -> Option<Box<Authorization>> {
        match self {
            Self::Authorized { authorization } | Self::Spent { authorization } | Self::Issued { authorization, .. } => {
                Some(authorization)
            }
            Self::Revoked { authorization } => authorization,
            Self::Absent | Self::ClientOnly { .. } => None,
        }
    }

    fn client(&self) -> Result<&ClientId, GrantRefusal> {
        match self {
            Self::ClientOnly { client_id } => Ok(client_id),
            other => other.authorization().map(|authorization| &authorization.client_id).ok_or(GrantRefusal::Unknown),
        }
    }

    fn require_absent(&self) -> Result<(), GrantRefusal> {
        if *self == Self::Absent { Ok(()) } else { Err(GrantRefusal::AlreadyExists) }
    }

    fn redeem(&self, redeem: RedeemCode) -> Decision {
        let authorization = self.authorization().ok_or(GrantRefusal::Unknown)?;
        if authorization.code != redeem.code {
            return Err(GrantRefusal::Unknown);
        }
        // RFC 6749 §4.1.3: the code was issued to this client.
        if authorization.client_id != redeem.client_id {
            return Err(GrantRefusal::OtherClient);
        }
        match self {
            Self::Authorized { .. } => {}
            // RFC 6749 §4.1.2: deny, and revoke what was issued for the code. That the policy denies it anyhow today does
            // not undo that it was seen twice.
            Self::Issued { .. } => {
                let revoked = GrantEvent::Revoked { why: RevokedWhy::CodeReplayed };
                return Ok(vec![GrantEvent::CodeReplayed, revoked]);
            }
            Self::Spent { .. } | Self::Revoked { .. } | Self::Absent | Self::ClientOnly { .. } => {
                return Err(GrantRefusal::Revoked);
            }
        }
        let causes = redeem.allowed?;
        if redeem.now >= authorization.code_expires_at {
            return Err(GrantRefusal::CodeExpired);
        }
        // OpenID Connect Core §11 lets refresh tokens outlive the session. A code is still part of the sign-in: nobody is
        // signed in at an app after they signed out here (attacks CR-05).
        if causes.session == SessionCause::OfflineAccess {
            return Err(GrantRefusal::SessionOver);
        }
        // RFC 6749 §4.1.3: if the authorization request had it, the token request has the same.
        if redeem.redirect_uri.as_deref() != Some(&authorization.redirect_uri) {
            return Err(GrantRefusal::OtherRedirectUri);
        }
        match (&authorization.code_challenge, &redeem.code_verifier) {
            (None, None) => {}
            // RFC 9700 §4.8.2: a verifier without a challenge is a downgrade.
            (None, Some(_)) => return Err(GrantRefusal::UnexpectedVerifier),
            (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => {}
            (Some(_), _) => return Ok(vec![GrantEvent::PkceFailed]),
        }
        let RedeemCode { access_token, refresh_token, .. } = redeem;
        Ok(vec![GrantEvent::TokensIssued { access_token, refresh_token, causes }])
    }

    fn refresh(&self, refresh: Refresh) -> Decision {
        let Self::Issued { authorization, refresh: Some(state) } = self else {
            return Err(match self {
                Self::Revoked { .. } => GrantRefusal::Revoked,
                _ => GrantRefusal::Unknown,
            });
        };
        let Refresh { presented, successors, .. } = refresh;
        if !state.knows(presented.digest) && !refresh.genuine {
            return Err(GrantRefusal::Unknown);
        }
        if authorization.client_id != refresh.client_id {
            return Err(GrantRefusal::OtherClient);
        }
        if refresh.now >= authorization.ends_at {
            return Err(GrantRefusal::Ended);
        }
        let is_current = presented.digest == state.current;
        let is_repeated = state.previous == Some(presented.digest)
            && refresh.now < state.rotated_at + REFRESH_GRACE
            && successors.contains(&state.current);
        // RFC 9700 §4.14.2: a token that was used ends what came of it, whatever is asked for with it, and though the policy
        // may deny that anyhow today.
        if !is_current && !is_repeated {
            let detected = GrantEvent::RefreshReuseDetected { generation: presented.generation };
            return Ok(vec![detected, GrantEvent::Revoked { why: RevokedWhy::RefreshReused }]);
        }
        let causes = refresh.allowed?;
        // RFC 6749 §6: no scope beyond the original grant; and only a scope that is left out stands for all of it.
        let scopes = refresh.scopes.unwrap_or_else(|| authorization.scopes.clone());
        if scopes.is_empty() {
            return Err(GrantRefusal::NoScope);
        }
        if !authorization.scopes.contains_all(&scopes) {
            return Err(GrantRefusal::WiderScope);
        }
        let refreshed = |generation, refresh_token, repeated| GrantEvent::Refreshed {
            generation,
            refresh_token,
            repeated,
            access_token: refresh.access_token,
            scopes,
            at: refresh.now,
            causes,
        };
        if is_repeated {
            return Ok(vec![refreshed(state.generation, state.current, true)]);
        }
        let successor = successors.first().ok_or(GrantRefusal::Unknown)?;
        Ok(vec![refreshed(state.generation + 1, *successor, false)])
    }
}

impl RefreshState {
    fn knows(&self, digest: Digest) -> bool {
        self.current == digest || self.previous == Some(digest)
    }
}
