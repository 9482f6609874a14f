//! Authenticator data (WebAuthn Level 3 §6.1), read by ourselves: under attestation `none` the library drops the AAGUID.

use serde_cbor_2::Value as Cbor;
use uuid::Uuid;

use super::cbor;

const FLAG_BACKUP_ELIGIBLE: u8 = 0x08;
const FLAG_BACKED_UP: u8 = 0x10;
const FLAG_ATTESTED: u8 = 0x40;
const FLAG_EXTENSIONS: u8 = 0x80;
const MAX_ATTESTATION: usize = 49_152;

/// The parts that are kept or shown.
pub(super) struct AuthenticatorData {
    flags: u8,
    pub counter: u32,
    pub aaguid: Option<Uuid>,
    /// The COSE key, in CBOR, and what may follow it.
    pub public_key: Option<Vec<u8>>,
}

impl AuthenticatorData {
    /// `rpIdHash (32) ‖ flags (1) ‖ signCount (4) ‖ [aaguid (16) ‖ length (2) ‖ id ‖ key] ‖ [extensions]`.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let flags = *raw.get(32)?;
        let counter = u32::from_be_bytes(raw.get(33..37)?.try_into().ok()?);
        if flags & FLAG_ATTESTED == 0 {
            return Some(Self { flags, counter, aaguid: None, public_key: None });
        }
        let aaguid = Uuid::from_slice(raw.get(37..53)?).ok()?;
        let length = usize::from(u16::from_be_bytes(raw.get(53..55)?.try_into().ok()?));
        let public_key = raw.get(55 + length..)?.to_vec();
        Some(Self { flags, counter, aaguid: Some(aaguid), public_key: Some(public_key) })
    }

    /// Whether there is a credential, and nothing after its key but the extensions that are flagged. The library lets
    /// anything follow (attacks WR-02).
    pub fn is_whole_registration(&self) -> bool {
        let Some((key, rest)) = self.public_key.as_deref().and_then(cbor::first) else { return false };
        let extended = self.flags & FLAG_EXTENSIONS != 0;
        cbor::is_map(key) && if extended { cbor::is_map(rest) } else { rest.is_empty() }
    }

    pub fn backup_eligible(&self) -> bool {
        self.flags & FLAG_BACKUP_ELIGIBLE != 0
    }

    pub fn backed_up(&self) -> bool {
        self.flags & FLAG_BACKED_UP != 0
    }
}

/// The format and the raw authenticator data of an attestation object (§6.5).
pub(super) fn of_attestation(object: &[u8]) -> Option<(String, Vec<u8>)> {
    if object.len() > MAX_ATTESTATION || !cbor::is_map(object) {
        return None;
    }
    let Cbor::Map(members) = serde_cbor_2::from_slice::<Cbor>(object).ok()? else { return None };
    let member = |name: &str| members.get(&Cbor::Text(name.to_owned()));
    let (Some(Cbor::Text(format)), Some(Cbor::Bytes(data))) = (member("fmt"), member("authData")) else { return None };
    Some((format.chars().take(40).collect(), data.clone()))
}
