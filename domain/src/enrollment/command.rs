use time::{Duration, OffsetDateTime};

use super::event::{Purpose, RevokedWhy};
use crate::digest::Digest;
use crate::ids::{PasskeyId, UserId};

/// What may be asked of an enrollment link.
#[derive(Clone, Debug)]
pub enum EnrollmentCommand {
    Issue {
        purpose: Purpose,
        secret: Digest,
        now: OffsetDateTime,
        lifetime: Duration,
    },
    Open {
        secret: Digest,
        now: OffsetDateTime,
    },
    /// The ceremony has been verified; `user_id` is whose passkey it made.
    Redeem {
        secret: Digest,
        user_id: UserId,
        passkey_id: PasskeyId,
        now: OffsetDateTime,
    },
    Revoke {
        why: RevokedWhy,
    },
}
