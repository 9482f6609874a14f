//! Passkeys on webauthn-rs, and what has to be done around it.
//!
//! The library's defaults serve second factors; its option structures are public data, so they are patched as JSON:
//! discoverable, with transports, without the extension that browsers dropped. What it does not check, we do: frames of
//! other sites at sign-in, the owner of the handle, the AAGUID under attestation `none`.

mod authenticator_data;
mod cbor;
mod client_data;
mod provider;
mod rebuild;
#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::ids::UserId;
pub use chancery_domain::ports::passkeys::Passkeys;
use chancery_domain::ports::passkeys::{
    Assertion, Ceremony, NewPasskey, PasskeyFailure, PresentedCredential, RegistrationUser, StoredPasskey,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Url, Webauthn,
    WebauthnBuilder, WebauthnError,
};

pub use provider::{Provider, provider};

use authenticator_data::AuthenticatorData;

/// How long browsers are asked to let a person take. Not all do so, and the server forgets the challenge a moment later.
const TIMEOUT: Duration = Duration::from_secs(290);
/// A response is a few hundred bytes; some attestations bring certificates.
const MAX_RESPONSE: usize = 65_536;

/// The adapter: one relying party, one or several origins.
pub struct WebauthnPasskeys {
    webauthn: Webauthn,
}

impl WebauthnPasskeys {
    /// The relying party is the origin's host.
    ///
    /// # Errors
    /// An origin that cannot have passkeys.
    pub fn new(origin: &Url, name: &str) -> Result<Self, PasskeyFailure> {
        let host = origin.host_str().ok_or(PasskeyFailure::WrongRelyingParty)?;
        let builder = WebauthnBuilder::new(host, origin).map_err(|_| PasskeyFailure::WrongRelyingParty)?;
        let webauthn = builder.rp_name(name).timeout(TIMEOUT).build();
        Ok(Self { webauthn: webauthn.map_err(|_| PasskeyFailure::WrongRelyingParty)? })
    }
}

impl Passkeys for WebauthnPasskeys {
    fn start_registration(
        &self,
        user: &RegistrationUser<'_>,
        exclude: &[StoredPasskey],
    ) -> Result<Ceremony, PasskeyFailure> {
        let ids = exclude.iter().filter_map(|passkey| decode(&passkey.credential_id)).collect();
        let (options, state) = self
            .webauthn
            .start_passkey_registration(user.id.0, user.name, user.display_name, Some(ids))
            .map_err(|_| PasskeyFailure::Internal)?;
        let mut options = unwrapped(&options)?;
        // WebAuthn Level 3 §5.4.6: a passkey that signs in without a name must be discoverable.
        options["authenticatorSelection"]["residentKey"] = json!("required");
        options["authenticatorSelection"]["requireResidentKey"] = json!(true);
        options["excludeCredentials"] = descriptors(exclude);
        if let Some(extensions) = options["extensions"].as_object_mut() {
            extensions.remove("uvm");
        }
        Ok(Ceremony { options, state: serde_json::to_string(&state).map_err(|_| PasskeyFailure::Internal)? })
    }

    fn finish_registration(&self, state: &str, response: &Value) -> Result<NewPasskey, PasskeyFailure> {
        client_data::check(response)?;
        let state: PasskeyRegistration = serde_json::from_str(state).map_err(|_| PasskeyFailure::Internal)?;
        let credential: RegisterPublicKeyCredential = parse(response)?;
        let discoverable = response.pointer("/clientExtensionResults/credProps/rk").and_then(Value::as_bool);
        // The word of the browser, unsigned; but a `false` would never sign in.
        if discoverable == Some(false) {
            return Err(PasskeyFailure::NotDiscoverable);
        }
        let object = response.pointer("/response/attestationObject").and_then(Value::as_str);
        let object = object.and_then(decode).ok_or(PasskeyFailure::Malformed)?;
        let (format, raw) = authenticator_data::of_attestation(&object).ok_or(PasskeyFailure::Malformed)?;
        let verified = self.webauthn.finish_passkey_registration(&credential, &state).map_err(failure)?;
        let data = AuthenticatorData::parse(&raw).filter(AuthenticatorData::is_whole_registration);
        let data = data.ok_or(PasskeyFailure::Malformed)?;
        // The library keeps the id that the authenticator said, and never asks whether the browser said the same.
        if self.identify(response)?.credential_id != URL_SAFE_NO_PAD.encode(verified.cred_id()) {
            return Err(PasskeyFailure::Malformed);
        }
        let transports = response.pointer("/response/transports").and_then(Value::as_array);
        // Names that are not known yet are kept (WebAuthn Level 3 §5.8.4), but only what can be a name.
        let name = |text: &&str| text.bytes().all(|c| c.is_ascii_graphic());
        let transports = transports.into_iter().flatten().filter_map(Value::as_str).filter(name).take(10);
        Ok(NewPasskey {
            credential_id: URL_SAFE_NO_PAD.encode(verified.cred_id()),
            aaguid: data.aaguid.unwrap_or(Uuid::nil()),
            counter: data.counter,
            backup_eligible: data.backup_eligible(),
            backed_up: data.backed_up(),
            authenticator_data: URL_SAFE_NO_PAD.encode(&raw),
            attestation_format: format,
            transports: transports.map(|transport| transport.chars().take(30).collect()).collect(),
            attachment: attachment(response),
            discoverable,
        })
    }

    fn start_authentication(&self, allow: Option<&[StoredPasskey]>) -> Result<Ceremony, PasskeyFailure> {
        let (options, state) =
            self.webauthn.start_discoverable_authentication().map_err(|_| PasskeyFailure::Internal)?;
        let mut options = unwrapped(&options)?;
        if let Some(members) = options.as_object_mut() {
            members.remove("extensions");
            members.remove("allowCredentials");
        }
        if let Some(allow) = allow {
            options["allowCredentials"] = descriptors(allow);
        }
        Ok(Ceremony { options, state: serde_json::to_string(&state).map_err(|_| PasskeyFailure::Internal)? })
    }

    fn identify(&self, response: &Value) -> Result<PresentedCredential, PasskeyFailure> {
        let text = |pointer: &str| response.pointer(pointer).and_then(Value::as_str);
        let (id, raw) = (text("/id"), text("/rawId"));
        let credential_id = raw.and_then(decode).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        // Some libraries looked the key up by one and verified the other (attacks, GitLab #585333).
        let same = id.and_then(decode).map(|bytes| URL_SAFE_NO_PAD.encode(bytes)) == credential_id;
        let credential_id = credential_id.filter(|id| same && !id.is_empty()).ok_or(PasskeyFailure::Malformed)?;
        let handle = text("/response/userHandle").filter(|handle| !handle.is_empty());
        let user_handle = match handle {
            None => None,
            Some(handle) => Some(user_of(handle).ok_or(PasskeyFailure::Malformed)?),
        };
        Ok(PresentedCredential { credential_id, user_handle })
    }

    fn finish_authentication(
        &self,
        state: &str,
        response: &Value,
        passkey: &StoredPasskey,
    ) -> Result<Assertion, PasskeyFailure> {
        client_data::check(response)?;
        let state: DiscoverableAuthentication = serde_json::from_str(state).map_err(|_| PasskeyFailure::Internal)?;
        let credential: PublicKeyCredential = parse(response)?;
        let data = response.pointer("/response/authenticatorData").and_then(Value::as_str).and_then(decode);
        let data = data.and_then(|raw| AuthenticatorData::parse(&raw)).ok_or(PasskeyFailure::Malformed)?;
        let stored = rebuild::passkey(passkey).ok_or(PasskeyFailure::Internal)?;
        let verified = self.webauthn.finish_discoverable_authentication_v2(&credential, state, &stored);
        match verified {
            Ok(result) => Ok(Assertion {
                counter: result.counter(),
                backed_up: result.backup_state(),
                attachment: attachment(response),
            }),
            Err(WebauthnError::CredentialPossibleCompromise) => {
                Err(PasskeyFailure::CloneSuspected { stored: passkey.counter, presented: data.counter })
            }
            Err(error) => Err(failure(error)),
        }
    }
}

fn user_of(handle: &str) -> Option<UserId> {
    let bytes = decode(handle)?;
    let uuid = match bytes.len() {
        16 => Uuid::from_slice(&bytes).ok(),
        // People who come from Pocket ID have the text of their id as handle.
        36 => std::str::from_utf8(&bytes).ok().and_then(|text| Uuid::try_parse(text).ok()),
        _ => None,
    };
    uuid.map(UserId)
}

/// base64url, padded or not, as libraries differ.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

fn parse<T: DeserializeOwned>(response: &Value) -> Result<T, PasskeyFailure> {
    let text = response.to_string();
    // WebAuthn Level 3 §5.1: the one type there is, which the library does not look at.
    if text.len() > MAX_RESPONSE || response.get("type").and_then(Value::as_str) != Some("public-key") {
        return Err(PasskeyFailure::Malformed);
    }
    serde_json::from_str(&text).map_err(|_| PasskeyFailure::Malformed)
}

/// The options without the `publicKey` member around them.
fn unwrapped(options: &impl serde::Serialize) -> Result<Value, PasskeyFailure> {
    let mut options = serde_json::to_value(options).map_err(|_| PasskeyFailure::Internal)?;
    Ok(options["publicKey"].take())
}

fn descriptors(passkeys: &[StoredPasskey]) -> Value {
    let descriptor = |passkey: &StoredPasskey| json!({ "type": "public-key", "id": passkey.credential_id, "transports": passkey.transports });
    passkeys.iter().map(descriptor).collect()
}

fn attachment(response: &Value) -> Option<String> {
    let text = response.get("authenticatorAttachment").and_then(Value::as_str)?;
    matches!(text, "platform" | "cross-platform").then(|| text.to_owned())
}

fn failure(error: WebauthnError) -> PasskeyFailure {
    match error {
        WebauthnError::MismatchedChallenge | WebauthnError::ChallengeNotFound => PasskeyFailure::ChallengeMismatch,
        WebauthnError::InvalidRPOrigin => PasskeyFailure::OriginMismatch,
        WebauthnError::CredentialCrossOrigin => PasskeyFailure::CrossOrigin,
        WebauthnError::InvalidRPIDHash => PasskeyFailure::WrongRelyingParty,
        WebauthnError::UserNotPresent => PasskeyFailure::UserNotPresent,
        WebauthnError::UserNotVerified => PasskeyFailure::UserNotVerified,
        WebauthnError::AuthenticationFailure | WebauthnError::SignatureInvalid => PasskeyFailure::BadSignature,
        WebauthnError::CredentialBackupEligibilityInconsistent => PasskeyFailure::BackupEligibilityChanged,
        // The library's answer for a credential that was to be excluded, too.
        WebauthnError::CredentialAlreadyExists | WebauthnError::CredentialExcludedFromRequest => {
            PasskeyFailure::AlreadyRegistered
        }
        WebauthnError::CredentialAlteredAlgFromRequest => PasskeyFailure::UnsupportedAlgorithm,
        _ => PasskeyFailure::Malformed,
    }
}
