/// Why a session refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    #[error("the session has already started")]
    AlreadyStarted,
    #[error("there is no such session")]
    NotStarted,
    #[error("the session has ended")]
    Ended,
    #[error("the session has expired")]
    Expired,
    #[error("the passkey belongs to another person")]
    OtherPerson,
}
