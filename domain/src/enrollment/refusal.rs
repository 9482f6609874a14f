/// Why an enrollment link refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrollmentRefusal {
    #[error("the link was issued already")]
    AlreadyIssued,
    /// Also where the secret does not match: the two must not be told apart.
    #[error("there is no such link")]
    Unknown,
    #[error("the link has expired")]
    Expired,
    #[error("the link was used already")]
    AlreadyRedeemed,
    #[error("the link was revoked")]
    Revoked,
    #[error("the link is for another person")]
    OtherPerson,
    #[error("a link lives from one second to 31 days")]
    BadLifetime,
}
