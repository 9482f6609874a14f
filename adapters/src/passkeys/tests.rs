use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::ports::passkeys::PasskeyFailure;
use serde_json::{Value, json};
use uuid::Uuid;

use super::authenticator_data::{AuthenticatorData, of_attestation};
use super::client_data;
use super::provider::provider;

/// rpIdHash, flags, signCount, and more.
fn raw(flags: u8, more: &[u8]) -> Vec<u8> {
    [&[7; 32], &[flags][..], &[0, 0, 1, 2], more].concat()
}

#[test]
fn authenticator_data_without_a_credential() {
    let data = AuthenticatorData::parse(&raw(0x05, &[])).unwrap();
    assert_eq!((data.counter, data.aaguid), (258, None));
    assert!(data.public_key.is_none() && !data.backup_eligible() && !data.backed_up());
}

#[test]
fn authenticator_data_with_a_credential() {
    let aaguid = Uuid::from_u128(9);
    let attested = [aaguid.as_bytes(), &[0, 3][..], b"id!", b"key"].concat();
    let data = AuthenticatorData::parse(&raw(0x5D, &attested)).unwrap();
    assert_eq!((data.aaguid, data.public_key.as_deref()), (Some(aaguid), Some(&b"key"[..])));
    assert!(data.backup_eligible() && data.backed_up());
}

#[test]
fn authenticator_data_that_ends_early_is_none() {
    let attested = [&[0; 16], &[0, 200][..], b"short"].concat();
    for wrong in [vec![], raw(0x05, &[])[..36].to_vec(), raw(0x45, &[]), raw(0x45, &[0; 17]), raw(0x45, &attested)] {
        assert!(AuthenticatorData::parse(&wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn an_attestation_object_is_a_map_with_format_and_data() {
    // {"fmt": "none", "authData": h'0102'} in CBOR.
    let sound = b"\xa2\x63fmt\x64none\x68authData\x42\x01\x02";
    assert_eq!(of_attestation(sound), Some(("none".to_owned(), vec![1, 2])));
    for wrong in [&b""[..], b"\xa0", b"\xa1\x63fmt\x64none", &sound[..10], &[0xff; 9]] {
        assert_eq!(of_attestation(wrong), None, "{wrong:?}");
    }
    assert_eq!(of_attestation(&vec![0xa0; 49_153]), None, "too long to be read");
}

fn response(client_data: &Value) -> Value {
    json!({ "response": { "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data.to_string()) } })
}

#[test]
fn wa_a_ceremony_in_another_sites_frame_is_refused() {
    for plain in [json!({}), json!({ "crossOrigin": false })] {
        assert_eq!(client_data::check(&response(&plain)), Ok(()));
    }
    for framed in [json!({ "crossOrigin": true }), json!({ "crossOrigin": "no" }), json!({ "topOrigin": "https://a" })]
    {
        assert_eq!(client_data::check(&response(&framed)), Err(PasskeyFailure::CrossOrigin), "{framed}");
    }
}

#[test]
fn client_data_that_is_no_json_is_malformed() {
    let long = "A".repeat(8_193);
    for text in ["", "!", "bm90IEpTT04", &long] {
        let wrong = json!({ "response": { "clientDataJSON": text } });
        assert_eq!(client_data::check(&wrong), Err(PasskeyFailure::Malformed), "{text}");
    }
    assert_eq!(client_data::check(&json!({})), Err(PasskeyFailure::Malformed));
}

#[test]
fn providers_are_named_by_aaguid_and_keys_by_how_they_are_connected() {
    let name = |aaguid: Uuid, transports: &[&str]| {
        let transports: Vec<_> = transports.iter().map(|text| (*text).to_owned()).collect();
        provider(aaguid, &transports).map(|provider| provider.name)
    };
    let bitwarden = "d548826e-79b4-db40-a3d8-11116f7e8349".parse().unwrap();
    assert_eq!(name(bitwarden, &["internal"]), Some("Bitwarden"));
    assert_eq!(provider(bitwarden, &[]).unwrap().icon, Some("bitwarden.svg"));
    assert_eq!(name(Uuid::nil(), &["usb", "nfc"]), Some("Security key"));
    assert_eq!(name(Uuid::nil(), &["usb", "hybrid"]), None);
    assert_eq!(name(Uuid::nil(), &[]), None);
}
