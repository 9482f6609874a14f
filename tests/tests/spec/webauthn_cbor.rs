//! Attestation objects that no authenticator makes (RFC 8949 §5, CTAP 2.2 §8): attacks WR-11.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::node::Person;
use chancery_tests::process::Process;
use serde_json::{Value, json};

const FMT: &[u8] = b"\x63fmt\x64none";
const STATEMENT: &[u8] = b"\x67attStmt";
const DATA: &[u8] = b"\x68authData";
const DEEP: usize = 10_000;

/// A map's head, and what follows.
fn object(head: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    [head, &parts.concat()].concat()
}

/// A byte string of at most 65,535 bytes.
fn bytes(bytes: &[u8]) -> Vec<u8> {
    [&[0x59], u16::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), bytes].concat()
}

/// Each with what is wrong with it; `data` is authenticator data that is well.
fn monsters(data: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let well = [DATA, &bytes(data)].concat();
    let deep = |byte: u8| [vec![byte; DEEP], vec![0x00]].concat();
    let deep_maps = [b"\xa1\x00".repeat(DEEP), vec![0x00]].concat();
    // The COSE key begins after the credential id, whose length stands at 53.
    let key_at = 55 + usize::from(u16::from_be_bytes([data[53], data[54]]));
    let with_key = |key: &[u8]| {
        let data = [&data[..key_at], key].concat();
        object(b"\xa3", &[FMT, STATEMENT, b"\xa0", DATA, &bytes(&data)])
    };
    let key = &data[key_at..];
    vec![
        ("arrays in arrays", deep(0x81)),
        ("tags on tags", deep(0xC6)),
        ("maps in maps", deep_maps.clone()),
        ("indefinite arrays in each other", deep(0x9F)),
        ("a deep statement", object(b"\xa3", &[FMT, STATEMENT, &deep(0x81), &well])),
        ("a deep member that nobody knows", object(b"\xa4", &[FMT, STATEMENT, b"\xa0", &well, b"\x61x", &deep_maps])),
        ("a deep key", with_key(&deep(0x81))),
        ("a map of 2^32 members", object(b"\xba\xff\xff\xff\xff", &[FMT, STATEMENT, b"\xa0", &well])),
        ("a map of 2^64 members", object(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", &[FMT])),
        ("an array of 2^64 members", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        ("a text of 2^63 bytes", b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xffx".to_vec()),
        ("data of 4 GB", object(b"\xa3", &[FMT, STATEMENT, b"\xa0", DATA, b"\x5a\xff\xff\xff\xff", data])),
        (
            "data of 2^63 bytes",
            object(b"\xa3", &[FMT, STATEMENT, b"\xa0", DATA, b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", data]),
        ),
        ("a statement of 2^32 members", object(b"\xa3", &[FMT, STATEMENT, b"\xba\xff\xff\xff\xff", &well])),
        ("a key of 2^32 members", with_key(&[b"\xba\xff\xff\xff\xff", &key[1..]].concat())),
        ("an indefinite map", object(b"\xbf", &[FMT, STATEMENT, b"\xa0", &well, b"\xff"])),
        ("an indefinite map without an end", object(b"\xbf", &[FMT, STATEMENT, b"\xa0", &well])),
        ("an indefinite statement", object(b"\xa3", &[FMT, STATEMENT, b"\xbf\xff", &well])),
        ("indefinite data", object(b"\xa3", &[FMT, STATEMENT, b"\xa0", DATA, b"\x5f", &bytes(data), b"\xff"])),
        ("an indefinite format", object(b"\xa3", &[b"\x63fmt\x7f\x64none\xff", STATEMENT, b"\xa0", &well])),
        ("an indefinite key", with_key(&[b"\xbf", &key[1..], b"\xff"].concat())),
        ("the format twice", object(b"\xa4", &[FMT, FMT, STATEMENT, b"\xa0", &well])),
        ("the statement twice", object(b"\xa4", &[FMT, STATEMENT, b"\xa0", STATEMENT, b"\xa0", &well])),
        ("the data twice", object(b"\xa4", &[FMT, STATEMENT, b"\xa0", &well, &well])),
        ("the key's algorithm twice", with_key(&[b"\xa6", &key[1..], b"\x03\x26"].concat())),
        ("the key's curve twice", with_key(&[b"\xa6", &key[1..], b"\x20\x01"].concat())),
        ("followed by more", object(b"\xa3", &[FMT, STATEMENT, b"\xa0", &well, b"\x00"])),
        ("nothing", Vec::new()),
        ("half a head", vec![0x5B, 0xFF]),
        ("a reserved head", vec![0xFC]),
    ]
}

/// A response that would be welcome, and its authenticator data.
async fn registration(ada: &mut Person) -> (Value, Vec<u8>) {
    let options = ada.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let response = SoftAuthenticator::new().create(&options, &ada.issuer);
    let whole = URL_SAFE_NO_PAD.decode(response["response"]["attestationObject"].as_str().unwrap()).unwrap();
    let at = whole.windows(DATA.len()).position(|window| window == DATA).unwrap() + DATA.len();
    let head = if whole[at] == 0x58 { 2 } else { 3 };
    (response, whole[at + head..].to_vec())
}

/// The most memory that a process has had so far, in kB.
fn most_memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn wr11_monstrous_attestation_objects_are_bad_requests_and_cost_nothing() {
    let database = chancery_tests::postgres::fresh_database().await;
    let log = std::env::temp_dir().join(format!("chancery-wr11-{}.log", uuid::Uuid::new_v4().simple()));
    let mut process = Process::new(env!("CARGO_BIN_EXE_chancery_node"), &database).logging_to(&log);
    process.start().await;
    let (pid, node) = (process.pid(), process.node.clone());
    let mut ada = node.person("ada").await;
    let before = most_memory(pid);

    let mut welcome = Vec::new();
    for nth in 0.. {
        let (mut response, data) = registration(&mut ada).await;
        let Some((what, object)) = monsters(&data).into_iter().nth(nth) else { break };
        response["response"]["attestationObject"] = json!(URL_SAFE_NO_PAD.encode(&object));
        let answer = ada.visitor.post("/api/webauthn/register/finish", &response).await;
        if answer.status != 400 || answer.json()["code"] != "invalid_webauthn_response" {
            welcome.push((what, answer.status, answer.text));
        }
    }

    assert!(welcome.is_empty(), "{welcome:#?}");
    assert_eq!(process.pid(), pid);
    let more = most_memory(pid) - before;
    assert!(more < 32 * 1024, "{more} kB");
    let lines = std::fs::read_to_string(&log).unwrap();
    assert!(lines.len() < 10_000, "what a stranger sends is not written down: {} bytes", lines.len());
    std::fs::remove_file(&log).unwrap();
    // Put together in the same way, a sound one is welcome.
    let (mut response, data) = registration(&mut ada).await;
    let well = object(b"\xa3", &[FMT, STATEMENT, b"\xa0", DATA, &bytes(&data)]);
    response["response"]["attestationObject"] = json!(URL_SAFE_NO_PAD.encode(&well));
    ada.visitor.post("/api/webauthn/register/finish", &response).await.expect(200);
}
