//! The proof that an address is the person's: a secret that is mailed there and comes back.

use time::{Duration, OffsetDateTime};

use super::{Account, Decision, UserEvent, UserRefusal};
use crate::digest::Digest;
use crate::ids::EmailVerificationId;

/// How long the mailed link works.
pub const VERIFICATION_LASTS: Duration = Duration::DAY;
/// At least so much passes between two mails.
const BETWEEN_VERIFICATIONS: Duration = Duration::minutes(5);

impl Account {
    pub(super) fn request_email_verification(
        &self,
        verification_id: EmailVerificationId,
        secret: Digest,
        now: OffsetDateTime,
    ) -> Decision {
        let address = self.email()?.to_owned();
        if self.email_verified {
            return Ok(Vec::new());
        }
        // Whatever address somebody enters, it gets no flood (attacks RL-08).
        let again_at = self.verification_requested_at.map_or(now, |at| at + BETWEEN_VERIFICATIONS);
        if now < again_at {
            return Err(UserRefusal::AskedTooSoon { retry_after: again_at - now });
        }
        Ok(vec![UserEvent::EmailVerificationRequested {
            verification_id,
            address: self.personal(address),
            secret,
            requested_at: now,
            expires_at: now + VERIFICATION_LASTS,
        }])
    }

    /// A proof counts for the address that it was sent to, once (attacks AD-08): a changed address has no proof under way.
    pub(super) fn verify_email(&self, presented: Digest, now: OffsetDateTime) -> Decision {
        let under_way = self.verification.as_ref();
        let proven = under_way.is_some_and(|(secret, expires_at)| *secret == presented && now < *expires_at);
        if !proven {
            return Err(UserRefusal::NoSuchVerification);
        }
        Ok(vec![UserEvent::EmailVerified])
    }
}
