//! Servers that answer as MaxMind's do: a front that wants the key, and a storage that must not see it.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

pub const ACCOUNT: &str = "123456";
pub const KEY: &str = "abCDef_0123456789abcdef_mmk";
pub const DATABASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/geo/GeoLite2-City-Test.mmdb");

/// Where the archive is, behind the front's address.
pub const PERMALINK: &str = "{}/geoip/databases/GeoLite2-City/download?suffix=tar.gz";
/// The same from before accounts.
pub const FORMER: &str = "{}/app/geoip_download?edition_id=GeoLite2-City&license_key=%s&suffix=tar.gz";

/// What MaxMind's servers have and how they are today.
#[derive(Default)]
pub struct Maker {
    pub archive: Vec<u8>,
    pub checksum: Option<String>,
    pub refusal: Option<StatusCode>,
    /// Where downloads are redirected to, as MaxMind does to its storage.
    pub storage: String,
    /// Each request, with its headers.
    pub asked: Vec<String>,
}

pub type Shared = Arc<Mutex<Maker>>;

/// Starts both, and gives the addresses of the front and of the storage.
pub async fn start(maker: &Shared) -> (String, String) {
    let storage = serve(Router::new().fallback(storage).with_state(maker.clone())).await;
    let front = serve(Router::new().fallback(front).with_state(maker.clone())).await;
    let mut served = maker.lock().unwrap();
    served.archive = tar_gz("GeoLite2-City_20261124/GeoLite2-City.mmdb");
    served.storage = storage.clone();
    (front, storage)
}

/// What the front wants to see.
pub fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{KEY}")))
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    base
}

fn note(maker: &Shared, at: &str, request: &Request) {
    let asked = format!("{at} {} {:?}", request.uri(), request.headers());
    maker.lock().unwrap().asked.push(asked);
}

/// The front, which wants the key, and redirects to the storage, which must not see it.
async fn front(State(maker): State<Shared>, request: Request) -> Response {
    note(&maker, "front", &request);
    let query = request.uri().query().unwrap_or_default().to_owned();
    let authorized = match request.uri().path() {
        "/geoip/databases/GeoLite2-City/download" => {
            request.headers().get(header::AUTHORIZATION).is_some_and(|value| *value == basic())
        }
        "/app/geoip_download" => query.contains(&format!("license_key={KEY}")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let maker = maker.lock().unwrap();
    match maker.refusal {
        Some(status) => return (status, "Invalid license key\n").into_response(),
        None if !authorized => return (StatusCode::UNAUTHORIZED, "Invalid license key\n").into_response(),
        None => {}
    }
    if query.ends_with("suffix=tar.gz.sha256") {
        let digest: [u8; 32] = Sha256::digest(&maker.archive).into();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        return maker.checksum.clone().unwrap_or(format!("{hex}  GeoLite2-City_20261124.tar.gz\n")).into_response();
    }
    let location = format!("{}/bucket/GeoLite2-City.tar.gz?X-Amz-Signature=presigned", maker.storage);
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

async fn storage(State(maker): State<Shared>, request: Request) -> Bytes {
    note(&maker, "storage", &request);
    maker.lock().unwrap().archive.clone().into()
}

pub fn database() -> Vec<u8> {
    std::fs::read(DATABASE).unwrap()
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive as MaxMind packs it: texts first, then the database, in a folder of the day.
pub fn tar_gz(name: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, Path::new(name), bytes).unwrap();
    };
    add("GeoLite2-City_20261124/COPYRIGHT.txt", b"Database and Contents Copyright (c) MaxMind, Inc.");
    add(name, &database());
    gz(&archive.into_inner().unwrap())
}
