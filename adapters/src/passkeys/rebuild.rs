//! The library's passkey, rebuilt from raw authenticator data: no upgrade of the library can break what is stored.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::ports::passkeys::StoredPasskey;
use serde::Deserialize;
use webauthn_rs::prelude::{COSEKey, Credential, ParsedAttestation, Passkey};
use webauthn_rs_core::proto::{AttestationFormat, RegisteredExtensions, UserVerificationPolicy};

use super::authenticator_data::AuthenticatorData;

pub(super) fn passkey(stored: &StoredPasskey) -> Option<Passkey> {
    let raw = URL_SAFE_NO_PAD.decode(&stored.authenticator_data).ok()?;
    let key = AuthenticatorData::parse(&raw)?.public_key?;
    // The key is one CBOR item; extensions may follow it.
    let mut items = serde_cbor_2::Deserializer::from_slice(&key);
    let key = serde_cbor_2::Value::deserialize(&mut items).ok()?;
    Some(Passkey::from(Credential {
        cred_id: URL_SAFE_NO_PAD.decode(&stored.credential_id).ok()?,
        cred: COSEKey::try_from(&key).ok()?,
        counter: stored.counter,
        transports: None,
        // Enrollment required it, and each sign-in requires it again.
        user_verified: true,
        backup_eligible: stored.backup_eligible,
        backup_state: stored.backed_up,
        registration_policy: UserVerificationPolicy::Required,
        extensions: RegisteredExtensions::none(),
        attestation: ParsedAttestation::default(),
        attestation_format: AttestationFormat::None,
    }))
}
