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

macro_rules! provider_icons {
    ($($name:literal),* $(,)?) => {
        &[$(Asset {
            name: $name,
            content_type: if $name.as_bytes()[$name.len() - 3] == b's' { "image/svg+xml" } else { "image/png" },
            bytes: include_bytes!(concat!("assets/providers/", $name)),
        }),*]
    };
}

/// Icons of passkey providers, which belong to their owners and are shown to recognize a passkey by.
const PROVIDER_ICONS: &[Asset] = provider_icons![
    "1password-dark.svg",
    "1password.svg",
    "apple-passwords.svg",
    "bitwarden.svg",
    "chrome-on-mac.svg",
    "dashlane-dark.svg",
    "dashlane.svg",
    "devolutions.svg",
    "edge-on-mac.svg",
    "enpass-dark.svg",
    "enpass.svg",
    "google-password-manager.svg",
    "google-titan-security-key-v2.png",
    "icloud-keychain-managed-dark.svg",
    "icloud-keychain-managed.svg",
    "keepassxc-dark.svg",
    "keepassxc.svg",
    "keeper.svg",
    "lastpass-dark.svg",
    "lastpass.svg",
    "nordpass-dark.svg",
    "nordpass.svg",
    "proton-pass.svg",
    "samsung-pass.svg",
    "windows-hello.svg",
    "yubikey.svg",
    "zoho-vault.svg",
];

/// The address of an asset, which changes with its content.
pub fn path(name: &str) -> String {
    let hash = find(name).map(hash).unwrap_or_default();
    format!("/assets/{hash}/{name}")
}

/// The addresses of a provider's icon: on light and, where it has another one, on dark ground.
pub fn provider_icon(icon: &str) -> Option<(String, Option<String>)> {
    find(icon)?;
    let dark = icon.replace('.', "-dark.");
    Some((path(icon), find(&dark).map(|_| path(&dark))))
}

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().chain(PROVIDER_ICONS).find(|asset| asset.name == name)
}

fn hash(asset: &Asset) -> String {
    let digest = URL_SAFE_NO_PAD.encode(Digest::of(asset.bytes).as_bytes());
    digest.chars().take(12).collect()
}

pub fn routes() -> Router<App> {
    Router::new().route("/assets/{hash}/{name}", get(serve))
}

async fn serve(Path((_, name)): Path<(String, String)>) -> Response {
    let Some(asset) = find(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers =
        [(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_icon_that_the_list_of_providers_names_is_served() {
        let providers = include_str!("../../../adapters/src/passkeys/providers.tsv");
        let named: Vec<_> =
            providers.lines().filter_map(|line| line.split('\t').nth(2)).filter(|i| !i.is_empty()).collect();
        assert!(named.len() > 20, "{named:?}");
        for icon in named {
            assert!(provider_icon(icon).is_some(), "{icon}");
        }
        assert_eq!(provider_icon("../mark.svg"), None);
    }
}
