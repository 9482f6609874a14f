//! The requests: redirects are followed without the key, sizes are bounded.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use chancery_domain::secret::Secret;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use tracing::{Instrument, Span};

use super::{Source, UpdateError};
use crate::outbound;

pub fn client() -> Result<Client, UpdateError> {
    let builder = Client::builder()
        .user_agent(concat!("chancery/", env!("CARGO_PKG_VERSION")))
        // A referrer would carry a key in the query to the host that is redirected to.
        .referer(false)
        .redirect(Policy::custom(follow))
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(60))
        .timeout(Duration::from_secs(1800));
    Ok(builder.build()?)
}

/// The library drops `Authorization` when host, port or scheme changes; we never leave TLS.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let left_tls =
        attempt.previous().last().is_some_and(|from| from.scheme() == "https") && attempt.url().scheme() != "https";
    if left_tls {
        return attempt.error("redirected from https to http");
    }
    if attempt.previous().len() > MOST_REDIRECTS {
        return attempt.error("too many redirects");
    }
    attempt.follow()
}

/// Downloads the database, packed as it is, and returns the SHA-256 of that.
pub async fn save(http: &Client, source: &Source, to: &Path) -> Result<[u8; 32], UpdateError> {
    traced(&source.url, read_into(http, source, to)).await
}

/// The SHA-256 that the source says its download has, as `sha256sum` writes it.
pub async fn checksum(http: &Client, source: &Source) -> Result<Option<[u8; 32]>, UpdateError> {
    match &source.checksum_url {
        Some(url) => traced(url, read_checksum(http, source, url)).await.map(Some),
        None => Ok(None),
    }
}

/// A request and the reading of its answer in one span.
async fn traced<T>(
    url: &Secret<String>,
    request: impl Future<Output = Result<T, UpdateError>>,
) -> Result<T, UpdateError> {
    let span = outbound::span("GET", url.expose());
    let result = request.instrument(span.clone()).await;
    result.inspect_err(|error| outbound::failed(&span, &error.error_type()))
}

async fn read_into(http: &Client, source: &Source, to: &Path) -> Result<[u8; 32], UpdateError> {
    let mut response = get(http, source, &source.url).await?;
    let mut file = tokio::fs::File::create(to).await?;
    let (mut digest, mut length) = (Sha256::new(), 0);
    while let Some(chunk) = response.chunk().await? {
        length += chunk.len() as u64;
        if length > MOST_BYTES {
            return Err(UpdateError::TooLarge);
        }
        digest.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok(digest.finalize().into())
}

async fn read_checksum(http: &Client, source: &Source, url: &Secret<String>) -> Result<[u8; 32], UpdateError> {
    let mut response = get(http, source, url).await?;
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        text.extend_from_slice(&chunk);
        if text.len() > 1024 {
            return Err(UpdateError::NoChecksum);
        }
    }
    let digest = std::str::from_utf8(&text).ok().and_then(|text| text.split_whitespace().next()).and_then(from_hex);
    digest.ok_or(UpdateError::NoChecksum)
}

async fn get(http: &Client, source: &Source, url: &Secret<String>) -> Result<Response, UpdateError> {
    let mut request = http.get(url.expose());
    if let Some((account, key)) = &source.basic {
        request = request.basic_auth(account, Some(key.expose()));
    }
    let response = outbound::traced(request).send().await?;
    Span::current().record("http.response.status_code", response.status().as_u16());
    match response.status() {
        StatusCode::OK => Ok(response),
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(UpdateError::Unauthorized(status.as_u16())),
        StatusCode::TOO_MANY_REQUESTS => Err(UpdateError::TooManyDownloads),
        status => Err(UpdateError::Status(status.as_u16())),
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

const MOST_REDIRECTS: usize = 5;
/// City databases have about 60 MB.
pub const MOST_BYTES: u64 = 300_000_000;
