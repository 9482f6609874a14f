//! Redirect URIs: checked when they are registered, then compared character by character (RFC 9700 §2.1).
//!
//! There are no patterns: every advisory about redirects in comparable products began with one.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// A redirect URI that a client registered, kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// Why a URI cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    #[error("is not an absolute URI")]
    NotAbsolute,
    #[error("must not hold a fragment")]
    Fragment,
    #[error("must not hold a user name or password")]
    Credentials,
    #[error("must not hold a wildcard; list each URI")]
    Wildcard,
    #[error("has a scheme that a browser would run or read itself")]
    DangerousScheme,
    #[error("must begin with https://, unless it is on this machine's loopback")]
    Insecure,
    #[error("holds characters that do not belong into a URI, or is too long")]
    Malformed,
}

/// Schemes that never lead back to an app.
const DANGEROUS: &[&str] = &[
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "about",
    "ws",
    "wss",
    "ftp",
    "mailto",
    "view-source",
    "filesystem",
];
const MAX_LENGTH: usize = 2_000;

impl RedirectUri {
    /// Checks a URI that somebody registers. Custom schemes of native apps are allowed (RFC 8252 §7.1), with or without
    /// a dot: an administrator names them, and apps such as `app.immich:///oauth-callback` and `audiobookshelf://oauth`
    /// exist. Plain http leads only to loopback (§7.3), unless `allow_insecure`.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn register(text: &str, allow_insecure: bool) -> Result<Self, InvalidRedirectUri> {
        let visible = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
        if text.len() > MAX_LENGTH || !text.chars().all(visible) {
            return Err(InvalidRedirectUri::Malformed);
        }
        if text.contains('*') {
            return Err(InvalidRedirectUri::Wildcard);
        }
        let url = Url::parse(text).map_err(|_| InvalidRedirectUri::NotAbsolute)?;
        if text.contains('#') {
            return Err(InvalidRedirectUri::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
            return Err(InvalidRedirectUri::Credentials);
        }
        match url.scheme() {
            "https" if url.host().is_some() => {}
            "http" if is_loopback(&url) || allow_insecure => {}
            "http" => return Err(InvalidRedirectUri::Insecure),
            "https" => return Err(InvalidRedirectUri::NotAbsolute),
            scheme if DANGEROUS.contains(&scheme) => return Err(InvalidRedirectUri::DangerousScheme),
            _ => {}
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a requested URI is this one: the same characters, or, for a literal loopback address, the same but for the
    /// port (RFC 8252 §7.3). `localhost` is a name that others may answer for, and is compared exactly.
    pub fn matches(&self, requested: &str) -> bool {
        let own = without_loopback_port(&self.0);
        self.0 == requested || (own.is_some() && own == without_loopback_port(requested))
    }
}

/// The first registered URI that a requested one matches, if any.
pub fn find<'a>(registered: &'a [RedirectUri], requested: &str) -> Option<&'a RedirectUri> {
    registered.iter().find(|uri| uri.matches(requested))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The text without its port, if it begins with `http://127.0.0.1` or `http://[::1]` literally: no parser decides, so
/// none can be confused.
fn without_loopback_port(text: &str) -> Option<(&str, &str)> {
    for host in ["http://127.0.0.1", "http://[::1]"] {
        let Some(rest) = text.strip_prefix(host) else { continue };
        let rest = match rest.strip_prefix(':') {
            None => rest,
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                rest[..digits].parse::<u16>().ok()?;
                &rest[digits..]
            }
        };
        let ends = rest.is_empty() || rest.starts_with('/') || rest.starts_with('?');
        return ends.then_some((host, rest));
    }
    None
}

fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}
