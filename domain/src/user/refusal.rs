use crate::custom_claim::ClaimsRefusal;
use crate::field::FieldError;

/// Why a person's account refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserRefusal {
    #[error("there is already such a person")]
    AlreadyRegistered,
    #[error("there is no such person")]
    NotRegistered,
    #[error("the account is disabled")]
    Disabled,
    #[error("there is no such passkey")]
    NoSuchPasskey,
    #[error("this passkey is enrolled already")]
    PasskeyAlreadyEnrolled,
    #[error("the name of a passkey {}", .0.message)]
    BadPasskeyName(FieldError),
    #[error("the last passkey that works cannot be removed; add another one first")]
    LastPasskey,
    #[error("a person can have 50 passkeys at most")]
    TooManyPasskeys,
    #[error("somebody must remain to administer; make another administrator first")]
    LastAdmin,
    #[error("there is no e-mail address")]
    NoEmail,
    #[error("a mail has just been sent; look for it, or try again in {} seconds", .retry_after.whole_seconds())]
    AskedTooSoon { retry_after: time::Duration },
    #[error("this link is not valid any more; ask for a new one")]
    NoSuchVerification,
    #[error(transparent)]
    Claims(#[from] ClaimsRefusal),
}
