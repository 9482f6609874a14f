//! What authenticators send, bent in tens of thousands of ways, the same at every run: attacks WR-11.
//!
//! No mutation may bring the verification down, and none that changes what was signed may be welcome. The adapter is asked
//! directly: over HTTP it would take hours.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_adapters::passkeys::{Passkeys, WebauthnPasskeys};
use chancery_domain::ids::UserId;
use chancery_domain::ports::passkeys::{Ceremony, NewPasskey, PasskeyFailure, RegistrationUser, StoredPasskey};
use chancery_tests::authenticator::SoftAuthenticator;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const ORIGIN: &str = "https://id.example.org";
const ROUNDS: u64 = 20_000;

const PRESENT_AND_VERIFIED: u8 = 0x05;
const EXTENDED: u8 = 0x80;

/// SplitMix64: random enough to bend bytes, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below a bound that is not 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_of<'a, T: ?Sized>(&mut self, things: &[&'a T]) -> &'a T {
        things[self.below(things.len())]
    }

    /// Somewhere in these bytes, and how far from there.
    fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let from = self.below(bytes.len() + 1);
        let longest = (bytes.len() - from).min(64);
        from..from + self.below(longest + 1)
    }
}

/// Heads of CBOR items whose length is a lie, is not said, or is reserved (RFC 8949 §3).
const HEADS: [&[u8]; 12] = [
    b"\x5a\xff\xff\xff\xff",
    b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xba\x00\x01\x00\x00",
    b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x5f",
    b"\x7f",
    b"\x9f",
    b"\xbf",
    b"\xfc",
    b"\xff",
];
/// What goes around other items.
const NESTS: [&[u8]; 5] = [b"\x81", b"\xa1\x00", b"\xc6", b"\x9f", b"\xbf\x00"];

fn mutate_once(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(10) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        2 if at < bytes.len() => bytes[at] = *random.one_of(&[&0x00, &0x17, &0x18, &0x7F, &0x80, &0xFF]),
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(random.range(bytes))),
        // A member that is there twice, if it happens to be one.
        5 => {
            let again = bytes[random.range(bytes)].to_vec();
            drop(bytes.splice(at..at, again));
        }
        6 => drop(bytes.splice(at..at, random.one_of(&HEADS).to_vec())),
        7 if at < bytes.len() => drop(bytes.splice(at..=at, random.one_of(&HEADS).to_vec())),
        8 => {
            let depth = 1 << random.below(13);
            drop(bytes.splice(at..at, random.one_of(&NESTS).repeat(depth)));
        }
        // One length more or less, where a length stands.
        _ if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(if random.below(2) == 0 { 1 } else { 0xFF }),
        _ => bytes.push(random.next() as u8),
    }
}

fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(3) {
        mutate_once(&mut bytes, random);
    }
    bytes
}

fn decoded(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

fn encoded(bytes: &[u8]) -> Value {
    json!(URL_SAFE_NO_PAD.encode(bytes))
}

fn passkeys() -> WebauthnPasskeys {
    WebauthnPasskeys::new(&ORIGIN.parse().unwrap(), "Chancery").unwrap()
}

/// A registration that was begun, and its welcome response.
fn registration(authenticator: &mut SoftAuthenticator) -> (Ceremony, Value) {
    let user = RegistrationUser { id: UserId(Uuid::from_u128(7)), name: "ada", display_name: "Ada" };
    let ceremony = passkeys().start_registration(&user, &[]).unwrap();
    let response = authenticator.create(&ceremony.options, ORIGIN);
    (ceremony, response)
}

fn stored(new: &NewPasskey) -> StoredPasskey {
    StoredPasskey {
        credential_id: new.credential_id.clone(),
        authenticator_data: new.authenticator_data.clone(),
        counter: new.counter,
        backup_eligible: new.backup_eligible,
        backed_up: new.backed_up,
        transports: new.transports.clone(),
    }
}

/// The same passkey, attested by itself (WebAuthn Level 3 §8.2): the statement signs the authenticator data and the
/// digest of the client data.
fn self_attested(authenticator: &SoftAuthenticator, response: &Value, data: &[u8]) -> Value {
    let client_data = decoded(&response["response"]["clientDataJSON"]);
    let signature = authenticator.sign(&[data, &Sha256::digest(client_data)].concat());
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    let object = [
        b"\xa3\x63fmt\x66packed\x67attStmt\xa2\x63alg\x26\x63sig\x58",
        &[u8::try_from(signature.len()).unwrap()][..],
        &signature,
        b"\x68authData\x59",
        &length,
        data,
    ];
    let mut response = response.clone();
    response["response"]["attestationObject"] = encoded(&object.concat());
    response
}

#[test]
fn wr11_of_mutated_registrations_those_that_are_welcome_are_whole() {
    let (passkeys, mut random) = (passkeys(), Random(1));
    let mut authenticator = SoftAuthenticator::new();
    let (ceremony, response) = registration(&mut authenticator);
    let object = decoded(&response["response"]["attestationObject"]);
    passkeys.finish_registration(&ceremony.state, &response).unwrap();
    let sign_in = passkeys.start_authentication(None).unwrap();
    let assertion = authenticator.get(&sign_in.options, ORIGIN);

    let mut welcome = 0;
    for round in 0..ROUNDS {
        let mut bent = response.clone();
        bent["response"]["attestationObject"] = encoded(&mutated(&object, &mut random));
        let Ok(new) = passkeys.finish_registration(&ceremony.state, &bent) else { continue };
        welcome += 1;
        // Under attestation `none` nothing is signed: counter, AAGUID and the bits of the key are the authenticator's word.
        let data = URL_SAFE_NO_PAD.decode(&new.authenticator_data).unwrap();
        assert_eq!(data[..32], Sha256::digest("id.example.org")[..], "{round}: the relying party");
        assert_eq!(data[32] & PRESENT_AND_VERIFIED, PRESENT_AND_VERIFIED, "{round}");
        assert_eq!(new.credential_id, URL_SAFE_NO_PAD.encode(&authenticator.credential_id), "{round}");
        assert_eq!(data[55..71], authenticator.credential_id[..], "{round}");
        // What was kept can be read when it is needed.
        let signed_in = passkeys.finish_authentication(&sign_in.state, &assertion, &stored(&new));
        assert_ne!(signed_in, Err(PasskeyFailure::Internal), "{round}: {}", new.authenticator_data);
    }
    assert!((1..ROUNDS / 2).contains(&welcome), "{welcome}: the mutations are too mild or too wild");
}

#[test]
fn wr11_no_mutation_of_what_an_attestation_signs_is_welcome() {
    let (passkeys, mut random) = (passkeys(), Random(2));
    let mut authenticator = SoftAuthenticator::new();
    let (ceremony, response) = registration(&mut authenticator);
    let data = passkeys.finish_registration(&ceremony.state, &response).unwrap().authenticator_data;
    let data = URL_SAFE_NO_PAD.decode(data).unwrap();
    let response = self_attested(&authenticator, &response, &data);
    let new = passkeys.finish_registration(&ceremony.state, &response).unwrap();
    assert_eq!((new.attestation_format.as_str(), &new.authenticator_data), ("packed", &URL_SAFE_NO_PAD.encode(&data)));

    let mut welcome = 0;
    for round in 0..ROUNDS {
        let mut bent = response.clone();
        let member = if round % 4 == 0 { "clientDataJSON" } else { "attestationObject" };
        bent["response"][member] = encoded(&mutated(&decoded(&response["response"][member]), &mut random));
        let Ok(new) = passkeys.finish_registration(&ceremony.state, &bent) else { continue };
        welcome += 1;
        assert_eq!(new.authenticator_data, URL_SAFE_NO_PAD.encode(&data), "{round}: {bent}");
        assert_eq!(bent["response"]["clientDataJSON"], response["response"]["clientDataJSON"], "{round}");
    }
    assert!(welcome < ROUNDS / 20, "{welcome}");
}

#[test]
fn wr11_no_mutation_of_what_an_assertion_signs_is_welcome() {
    let (passkeys, mut random) = (passkeys(), Random(3));
    let mut authenticator = SoftAuthenticator::new();
    let (ceremony, response) = registration(&mut authenticator);
    let passkey = stored(&passkeys.finish_registration(&ceremony.state, &response).unwrap());
    let sign_in = passkeys.start_authentication(None).unwrap();
    let response = authenticator.get(&sign_in.options, ORIGIN);
    passkeys.finish_authentication(&sign_in.state, &response, &passkey).unwrap();

    for round in 0..ROUNDS {
        let mut bent = response.clone();
        let members = random.one_of::<[&str]>(&[
            &["authenticatorData"],
            &["clientDataJSON"],
            &["signature"],
            &["authenticatorData", "signature"],
            &["clientDataJSON", "signature"],
        ]);
        for member in members {
            bent["response"][member] = encoded(&mutated(&decoded(&response["response"][member]), &mut random));
        }
        if passkeys.finish_authentication(&sign_in.state, &bent, &passkey).is_ok() {
            for signed in ["authenticatorData", "clientDataJSON"] {
                assert_eq!(bent["response"][signed], response["response"][signed], "{round}");
            }
        }
    }
}

/// Beyond the signature: what a key signs of its own accord is still held to the rules.
#[test]
fn wr11_mutated_authenticator_data_that_is_signed_all_the_same_proves_no_more_than_it_says() {
    let (passkeys, mut random) = (passkeys(), Random(4));
    let mut authenticator = SoftAuthenticator::new();
    let (ceremony, response) = registration(&mut authenticator);
    let passkey = stored(&passkeys.finish_registration(&ceremony.state, &response).unwrap());
    let sign_in = passkeys.start_authentication(None).unwrap();
    let response = authenticator.get(&sign_in.options, ORIGIN);
    let client_data = Sha256::digest(decoded(&response["response"]["clientDataJSON"]));
    let mut plain = decoded(&response["response"]["authenticatorData"]);
    plain[32] |= EXTENDED;
    let extended = [&plain[..], b"\xa1\x6bcredProtect\x02"].concat();
    let finish = |data: &[u8]| {
        let signature = authenticator.sign(&[data, &client_data].concat());
        let mut signed = response.clone();
        signed["response"]["authenticatorData"] = encoded(data);
        signed["response"]["signature"] = encoded(&signature);
        passkeys.finish_authentication(&sign_in.state, &signed, &passkey)
    };
    finish(&extended).unwrap();

    let mut welcome = 0;
    for round in 0..ROUNDS / 4 {
        let data = mutated(&extended, &mut random);
        let Ok(assertion) = finish(&data) else { continue };
        welcome += 1;
        assert_eq!(data[..32], extended[..32], "{round}: the relying party");
        assert_eq!(data[32] & PRESENT_AND_VERIFIED, PRESENT_AND_VERIFIED, "{round}");
        assert_eq!(data[33..37], assertion.counter.to_be_bytes(), "{round}");
    }
    assert!((1..ROUNDS / 8).contains(&welcome), "{welcome}");
}
