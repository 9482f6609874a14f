//! WebAuthn ceremonies, in plain data: no library's type crosses this border.

use serde_json::Value;
use uuid::Uuid;

use crate::ids::UserId;

/// Begins and verifies ceremonies (WebAuthn Level 3 §7.1, §7.2). It keeps nothing: `state` is for the caller to keep, on
/// the server, once.
pub trait Passkeys: Send + Sync {
    /// # Errors
    /// If options could not be made.
    fn start_registration(
        &self,
        user: &RegistrationUser<'_>,
        exclude: &[StoredPasskey],
    ) -> Result<Ceremony, PasskeyFailure>;

    /// # Errors
    /// Why the new passkey is refused.
    fn finish_registration(&self, state: &str, response: &Value) -> Result<NewPasskey, PasskeyFailure>;

    /// With `allow`, a step-up by one of these; without, a sign-in by whichever passkey the person picks.
    ///
    /// # Errors
    /// If options could not be made.
    fn start_authentication(&self, allow: Option<&[StoredPasskey]>) -> Result<Ceremony, PasskeyFailure>;

    /// What an assertion says of itself, before anything is verified.
    ///
    /// # Errors
    /// [`PasskeyFailure::Malformed`].
    fn identify(&self, response: &Value) -> Result<PresentedCredential, PasskeyFailure>;

    /// Verifies an assertion by this passkey: challenge, origin, relying party, presence, verification, signature,
    /// counter.
    ///
    /// # Errors
    /// Why it is refused.
    fn finish_authentication(
        &self,
        state: &str,
        response: &Value,
        passkey: &StoredPasskey,
    ) -> Result<Assertion, PasskeyFailure>;
}

/// Whom a new passkey is for, as pickers will show them.
#[derive(Clone, Copy, Debug)]
pub struct RegistrationUser<'a> {
    pub id: UserId,
    pub name: &'a str,
    pub display_name: &'a str,
}

/// A ceremony that was begun.
#[derive(Clone, Debug)]
pub struct Ceremony {
    /// For `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`.
    pub options: Value,
    pub state: String,
}

/// A passkey as it is kept; binary members are base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPasskey {
    pub credential_id: String,
    pub authenticator_data: String,
    pub counter: u32,
    pub backup_eligible: bool,
    pub backed_up: bool,
    pub transports: Vec<String>,
}

/// A passkey that was just made and verified; binary members are base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPasskey {
    pub credential_id: String,
    pub authenticator_data: String,
    pub attestation_format: String,
    pub transports: Vec<String>,
    pub attachment: Option<String>,
    pub discoverable: Option<bool>,
    pub aaguid: Uuid,
    pub counter: u32,
    pub backup_eligible: bool,
    pub backed_up: bool,
}

/// What an assertion names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedCredential {
    pub credential_id: String,
    /// From the user handle: the 16 bytes of the person's id, or its 36 characters of text.
    pub user_handle: Option<UserId>,
}

/// A verified assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    pub counter: u32,
    pub backed_up: bool,
    pub attachment: Option<String>,
}

/// Why a ceremony failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyFailure {
    #[error("the response is malformed")]
    Malformed,
    #[error("the response answers another challenge")]
    ChallengeMismatch,
    #[error("the response comes from another origin")]
    OriginMismatch,
    #[error("the response comes from a frame of another site")]
    CrossOrigin,
    #[error("the response is for another relying party")]
    WrongRelyingParty,
    #[error("nobody was present")]
    UserNotPresent,
    #[error("nobody was verified")]
    UserNotVerified,
    #[error("the signature does not match")]
    BadSignature,
    #[error("the counter went from {stored} to {presented}")]
    CloneSuspected { stored: u32, presented: u32 },
    #[error("the passkey changed whether it can be backed up")]
    BackupEligibilityChanged,
    #[error("the passkey cannot be found without a name")]
    NotDiscoverable,
    #[error("the passkey is enrolled already")]
    AlreadyRegistered,
    #[error("the algorithm is not supported")]
    UnsupportedAlgorithm,
    #[error("the library failed")]
    Internal,
}
