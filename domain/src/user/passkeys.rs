//! A person's passkeys, free of any library's types: everything follows from the raw authenticator data. With them the
//! rules of how a person comes to have one, and to lose it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Account, Decision, EnrolledVia, RemovedBy, UserEvent, UserRefusal, once};
use crate::field::Bounds;
use crate::ids::PasskeyId;
use crate::personal::Change;

const MAX_PASSKEYS: usize = 50;
const PASSKEY_NAME: Bounds = Bounds { field: "name", least: 1, most: 50, says: "has 1 to 50 characters" };

/// A passkey as it was enrolled (WebAuthn Level 3 §4, credential record).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    pub passkey_id: PasskeyId,
    /// base64url.
    pub credential_id: String,
    /// base64url; what the authenticator returns to name the person.
    pub user_handle: String,
    /// base64url, raw: holds the public key, the counter and the flags (§6.1).
    pub authenticator_data: String,
    pub attestation_format: String,
    pub transports: Vec<String>,
    pub attachment: Option<String>,
    /// What `credProps.rk` said, unsigned.
    pub discoverable: Option<bool>,
    pub aaguid: Uuid,
    pub counter: u32,
    pub backup_eligible: bool,
    pub backed_up: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub enrolled_at: OffsetDateTime,
}

/// What the rules need to know of an enrolled passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub passkey_id: PasskeyId,
    pub credential_id: String,
    pub name: Option<String>,
    pub suspended: bool,
}

impl Account {
    pub(super) fn passkey(&self, id: PasskeyId) -> Result<&Held, UserRefusal> {
        self.passkeys.iter().find(|held| held.passkey_id == id).ok_or(UserRefusal::NoSuchPasskey)
    }

    pub(super) fn enroll(&self, passkey: Passkey, name: &str, via: EnrolledVia) -> Decision {
        if self.disabled {
            return Err(UserRefusal::Disabled);
        }
        if self.passkeys.len() >= MAX_PASSKEYS {
            return Err(UserRefusal::TooManyPasskeys);
        }
        if self.passkeys.iter().any(|held| held.credential_id == passkey.credential_id) {
            return Err(UserRefusal::PasskeyAlreadyEnrolled);
        }
        let name = self.personal(passkey_name(name)?);
        Ok(vec![UserEvent::PasskeyEnrolled { passkey, name, via }])
    }

    pub(super) fn rename(&self, passkey_id: PasskeyId, name: &str) -> Decision {
        let after = passkey_name(name)?;
        let before = self.passkey(passkey_id)?.name.clone().unwrap_or_default();
        let changed = before != after;
        let name = self.personal(Change { before, after });
        Ok(once(changed, UserEvent::PasskeyRenamed { passkey_id, name }))
    }

    pub(super) fn remove(&self, passkey_id: PasskeyId, by: RemovedBy) -> Decision {
        self.passkey(passkey_id)?;
        let others_work = self.passkeys.iter().any(|held| held.passkey_id != passkey_id && !held.suspended);
        if by == RemovedBy::Owner && !others_work {
            return Err(UserRefusal::LastPasskey);
        }
        Ok(vec![UserEvent::PasskeyRemoved { passkey_id, by }])
    }

    /// All others, once somebody who had lost them is back with this one.
    pub(super) fn replace_passkeys(&self, keep: PasskeyId) -> Vec<UserEvent> {
        let others = self.passkeys.iter().map(|held| held.passkey_id).filter(|id| *id != keep);
        others.map(|passkey_id| UserEvent::PasskeyRemoved { passkey_id, by: RemovedBy::Recovery }).collect()
    }

    pub(super) fn suspend(&self, passkey_id: PasskeyId, stored: u32, presented: u32) -> Decision {
        let held = self.passkey(passkey_id)?;
        let suspended = UserEvent::PasskeySuspended { passkey_id, stored, presented };
        Ok(once(!held.suspended, suspended))
    }

    pub(super) fn restore(&self, passkey_id: PasskeyId, counter: u32) -> Decision {
        let held = self.passkey(passkey_id)?;
        Ok(once(held.suspended, UserEvent::PasskeyRestored { passkey_id, counter }))
    }

    pub(super) fn with_passkey(&mut self, id: PasskeyId, change: impl FnOnce(&mut Held)) {
        if let Some(held) = self.passkeys.iter_mut().find(|held| held.passkey_id == id) {
            change(held);
        }
    }
}

fn passkey_name(name: &str) -> Result<String, UserRefusal> {
    PASSKEY_NAME.read(name).map_err(UserRefusal::BadPasskeyName)
}
