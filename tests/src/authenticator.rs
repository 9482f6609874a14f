//! A passkey made of software, which can also misbehave: ES256, attestation `none` (WebAuthn Level 3 §6).

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;

/// One authenticator with at most one passkey.
#[derive(Clone)]
pub struct SoftAuthenticator {
    pub key: Arc<EcdsaKeyPair>,
    pub credential_id: Vec<u8>,
    pub user_handle: Option<Vec<u8>>,
    pub counter: u32,
    /// How much the counter grows with each assertion; 0 for authenticators that keep none.
    pub step: u32,
    pub user_present: bool,
    pub user_verified: bool,
    pub backup_eligible: bool,
    pub backed_up: bool,
    pub cross_origin: bool,
    /// In place of the origin that the caller names.
    pub origin: Option<String>,
    pub rp_id: Option<String>,
    pub aaguid: [u8; 16],
    pub bad_signature: bool,
}

impl SoftAuthenticator {
    pub fn new() -> Self {
        Self {
            key: Arc::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()),
            credential_id: uuid::Uuid::new_v4().as_bytes().to_vec(),
            user_handle: None,
            counter: 0,
            step: 0,
            user_present: true,
            user_verified: true,
            backup_eligible: true,
            backed_up: true,
            cross_origin: false,
            origin: None,
            rp_id: None,
            aaguid: [0; 16],
            bad_signature: false,
        }
    }

    /// One that stays on its device and counts.
    pub fn hardware() -> Self {
        Self { counter: 1, step: 1, backup_eligible: false, backed_up: false, ..Self::new() }
    }

    /// Answers creation options: a RegistrationResponseJSON.
    pub fn create(&mut self, options: &Value, origin: &str) -> Value {
        let rp_id = options["rp"]["id"].as_str().unwrap();
        self.user_handle = Some(URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap());
        let data = [self.header(rp_id, ATTESTED), self.attested_credential()].concat();
        let object = cbor_map(&[
            (cbor_text("fmt"), cbor_text("none")),
            (cbor_text("attStmt"), vec![0xA0]),
            (cbor_text("authData"), cbor_bytes(&data)),
        ]);
        let client_data = self.client_data("webauthn.create", options, origin);
        let id = URL_SAFE_NO_PAD.encode(&self.credential_id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": { "credProps": { "rk": true } },
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "attestationObject": URL_SAFE_NO_PAD.encode(object),
                "transports": ["internal", "hybrid"]
            }
        })
    }

    /// Answers request options: an AuthenticationResponseJSON.
    pub fn get(&mut self, options: &Value, origin: &str) -> Value {
        self.counter += self.step;
        let data = self.header(options["rpId"].as_str().unwrap(), 0);
        let client_data = self.client_data("webauthn.get", options, origin);
        let signed = [data.clone(), Sha256::digest(&client_data).to_vec()].concat();
        let mut signature = self.sign(&signed);
        if self.bad_signature {
            *signature.last_mut().unwrap() ^= 1;
        }
        let id = URL_SAFE_NO_PAD.encode(&self.credential_id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "signature": URL_SAFE_NO_PAD.encode(signature),
                "userHandle": self.user_handle.as_ref().map(|handle| URL_SAFE_NO_PAD.encode(handle))
            }
        })
    }

    /// ECDSA with SHA-256, in DER (WebAuthn Level 3 §6.5.5).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn header(&self, rp_id: &str, more: u8) -> Vec<u8> {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = more
            | flag(self.user_present, USER_PRESENT)
            | flag(self.user_verified, USER_VERIFIED)
            | flag(self.backup_eligible, BACKUP_ELIGIBLE)
            | flag(self.backed_up, BACKED_UP);
        let rp_id = self.rp_id.as_deref().unwrap_or(rp_id);
        [Sha256::digest(rp_id).to_vec(), vec![flags], self.counter.to_be_bytes().to_vec()].concat()
    }

    fn attested_credential(&self) -> Vec<u8> {
        // Uncompressed: 0x04, x, y (SEC 1 §2.3.3).
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        // COSE_Key: kty EC2, alg ES256, crv P-256, x, y (RFC 9053 §7.1).
        let key = cbor_map(&[
            (vec![0x01], vec![0x02]),
            (vec![0x03], vec![0x26]),
            (vec![0x20], vec![0x01]),
            (vec![0x21], cbor_bytes(x)),
            (vec![0x22], cbor_bytes(y)),
        ]);
        let length = u16::try_from(self.credential_id.len()).unwrap().to_be_bytes().to_vec();
        [self.aaguid.to_vec(), length, self.credential_id.clone(), key].concat()
    }

    fn client_data(&self, kind: &str, options: &Value, origin: &str) -> Vec<u8> {
        let origin = self.origin.as_deref().unwrap_or(origin);
        let data = json!({
            "type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": self.cross_origin
        });
        data.to_string().into_bytes()
    }
}

impl Default for SoftAuthenticator {
    fn default() -> Self {
        Self::new()
    }
}

fn cbor_head(major: u8, length: usize) -> Vec<u8> {
    match length {
        0..=23 => vec![major << 5 | length as u8],
        24..=255 => vec![major << 5 | 24, length as u8],
        _ => [vec![major << 5 | 25], (length as u16).to_be_bytes().to_vec()].concat(),
    }
}

fn cbor_text(text: &str) -> Vec<u8> {
    [cbor_head(3, text.len()), text.as_bytes().to_vec()].concat()
}

fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    [cbor_head(2, bytes.len()), bytes.to_vec()].concat()
}

fn cbor_map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let entries_bytes = entries.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).flatten();
    cbor_head(5, entries.len()).into_iter().chain(entries_bytes).collect()
}
