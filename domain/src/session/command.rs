use time::OffsetDateTime;

use super::event::{PasskeyProof, SessionEnd};
use crate::digest::Digest;
use crate::ids::UserId;

/// What may be asked of a browser session.
#[derive(Clone, Debug)]
pub enum SessionCommand {
    /// A verified ceremony signs a person in.
    Start {
        user_id: UserId,
        secret: Digest,
        proof: PasskeyProof,
        now: OffsetDateTime,
        idle_seconds: i64,
        lifetime_seconds: i64,
    },
    /// A verified ceremony of the same person; `secret` is the cookie's next one.
    StepUp {
        user_id: UserId,
        secret: Digest,
        proof: PasskeyProof,
        now: OffsetDateTime,
    },
    /// The session was used.
    Touch {
        now: OffsetDateTime,
    },
    End {
        why: SessionEnd,
    },
}
