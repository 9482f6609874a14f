//! Style sheets, scripts and images: compiled in, addressed by their content's hash, cached for ever.

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::digest::Digest;

use crate::app::App;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $content_type:literal) => {
        Asset { name: $name, content_type: $content_type, bytes: include_bytes!(concat!("assets/", $name)) }
    };
}

const ASSETS: &[Asset] = &[
    asset!("chancery.css", "text/css; charset=utf-8"),
    asset!("house.css", "text/css; charset=utf-8"),
    asset!("ceremony.js", "text/javascript; charset=utf-8"),
    asset!("form_post.js", "text/javascript; charset=utf-8"),
    asset!("house.js", "text/javascript; charset=utf-8"),
    asset!("mark.svg", "image/svg+xml"),
];

/// The address of an asset, which changes with its content.
pub fn path(name: &str) -> String {
    let hash = ASSETS.iter().find(|asset| asset.name == name).map(hash).unwrap_or_default();
    format!("/assets/{hash}/{name}")
}

fn hash(asset: &Asset) -> String {
    let digest = URL_SAFE_NO_PAD.encode(Digest::of(asset.bytes).as_bytes());
    digest.chars().take(12).collect()
}

pub fn routes() -> Router<App> {
    Router::new().route("/assets/{hash}/{name}", get(serve))
}

async fn serve(Path((_, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers =
        [(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.bytes).into_response()
}
