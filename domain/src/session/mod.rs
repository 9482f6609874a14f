//! A browser session: from sign-in to sign-out, with an idle and an absolute end.
//!
//! One stream for each session, so that sign-ins never contend with each other or with the person's stream.
//! `authenticated_at` becomes `auth_time`, the stream's id becomes `sid` (OpenID Connect Core §2, Back-Channel Logout §2.1).

mod command;
mod event;
mod refusal;
#[cfg(test)]
mod tests;

pub use command::SessionCommand;
pub use event::{PasskeyProof, SessionEnd, SessionEvent};
pub use refusal::SessionRefusal;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::decider::Decider;
use crate::event::StoredEvent;
use crate::ids::UserId;

/// The share of the idle time after which use is worth an event.
const TOUCHES_PER_IDLE_TIME: i64 = 12;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Session {
    #[default]
    NotStarted,
    Live {
        user_id: UserId,
        used_at: OffsetDateTime,
        idle_seconds: i64,
        expires_at: OffsetDateTime,
    },
    Ended,
}

impl Decider for Session {
    const TYPE: &'static str = SessionEvent::AGGREGATE;
    type Command = SessionCommand;
    type Event = SessionEvent;
    type Refusal = SessionRefusal;

    fn decide(&self, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionRefusal> {
        match command {
            SessionCommand::Start { user_id, secret, proof, now, idle_seconds, lifetime_seconds } => {
                if !matches!(self, Self::NotStarted) {
                    return Err(SessionRefusal::AlreadyStarted);
                }
                let expires_at = now + Duration::seconds(lifetime_seconds);
                Ok(vec![SessionEvent::Started {
                    user_id,
                    secret,
                    proof,
                    authenticated_at: now,
                    idle_seconds,
                    expires_at,
                }])
            }
            SessionCommand::StepUp { user_id, secret, proof, now } => {
                let live = self.live_at(now)?;
                if live.user_id != user_id {
                    return Err(SessionRefusal::OtherPerson);
                }
                Ok(vec![SessionEvent::SteppedUp { secret, proof, authenticated_at: now }])
            }
            SessionCommand::Touch { now } => {
                let live = self.live_at(now)?;
                let worth_recording = live.used_at + Duration::seconds(live.idle_seconds / TOUCHES_PER_IDLE_TIME);
                if now < worth_recording {
                    return Ok(Vec::new());
                }
                Ok(vec![SessionEvent::Extended { used_at: now }])
            }
            SessionCommand::End { why } => match self {
                Self::NotStarted => Err(SessionRefusal::NotStarted),
                Self::Ended => Ok(Vec::new()),
                Self::Live { .. } => Ok(vec![SessionEvent::Ended { why }]),
            },
        }
    }

    fn evolve(&mut self, event: SessionEvent) {
        match (event, self) {
            (SessionEvent::Started { user_id, authenticated_at, idle_seconds, expires_at, .. }, state) => {
                *state = Self::Live { user_id, used_at: authenticated_at, idle_seconds, expires_at };
            }
            (SessionEvent::SteppedUp { authenticated_at: at, .. }, Self::Live { used_at, .. })
            | (SessionEvent::Extended { used_at: at }, Self::Live { used_at, .. }) => *used_at = at,
            (SessionEvent::Ended { .. }, state) => *state = Self::Ended,
            (SessionEvent::SteppedUp { .. } | SessionEvent::Extended { .. }, Self::NotStarted | Self::Ended) => {}
        }
    }
}

/// The members of a live session that its rules need.
struct Live {
    user_id: UserId,
    used_at: OffsetDateTime,
    idle_seconds: i64,
}

impl Session {
    fn live_at(&self, now: OffsetDateTime) -> Result<Live, SessionRefusal> {
        match *self {
            Self::NotStarted => Err(SessionRefusal::NotStarted),
            Self::Ended => Err(SessionRefusal::Ended),
            Self::Live { user_id, used_at, idle_seconds, expires_at } => {
                if now >= expires_at || now >= used_at + Duration::seconds(idle_seconds) {
                    return Err(SessionRefusal::Expired);
                }
                Ok(Live { user_id, used_at, idle_seconds })
            }
        }
    }
}
