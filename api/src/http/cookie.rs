//! Cookies: `__Host-` prefixed, `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/` (RFC 6265bis §4.1.3).
//!
//! `Lax`, not `Strict`: an app's redirect to `/authorize` with `prompt=none` must find the session. Browsers treat
//! `http://localhost` as trustworthy, so the prefix works there too.

use axum::http::{HeaderMap, HeaderValue, header};

/// The browser session: id and secret.
pub const SESSION: &str = "__Host-session";
/// A random value that binds ceremonies and requests in flight to this browser.
pub const BROWSER: &str = "__Host-browser";
/// The enrollment link that was opened here.
pub const ENROLLMENT: &str = "__Host-enrollment";

/// Cookies longer than this were not made by us.
const MAX_LENGTH: usize = 512;

/// The value of a cookie, if it was sent exactly once: two of a name are a sign of tossing, and count as none.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = None;
    for header in headers.get_all(header::COOKIE) {
        // A header that is no text holds no cookie of ours.
        let Ok(text) = header.to_str() else { continue };
        for pair in text.split(';') {
            let Some((key, value)) = pair.trim().split_once('=') else { continue };
            if key != name {
                continue;
            }
            if found.is_some() {
                return None;
            }
            found = Some(value);
        }
    }
    found.filter(|value| !value.is_empty() && value.len() <= MAX_LENGTH)
}

/// `Set-Cookie` for `max_age` seconds, or for the browser session where there is none. Values are base64url, so nothing
/// needs quoting.
pub fn set(headers: &mut HeaderMap, name: &str, value: &str, max_age: Option<i64>) {
    let age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let cookie = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

pub fn clear(headers: &mut HeaderMap, name: &str) {
    set(headers, name, "", Some(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&'static [u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_bytes(cookie).unwrap());
        }
        headers
    }

    #[test]
    fn se09_malformed_cookies_are_no_cookies() {
        for bad in [&b"__Host-session"[..], b"__Host-session=", b"\xff\xfe=1", b";;;=;"] {
            assert_eq!(read(&headers(&[bad]), SESSION), None);
        }
    }

    #[test]
    fn se10_two_cookies_of_one_name_are_none() {
        assert_eq!(read(&headers(&[b"__Host-session=a; __Host-session=b"]), SESSION), None);
        assert_eq!(read(&headers(&[b"__Host-session=a", b"__Host-session=b"]), SESSION), None);
        assert_eq!(read(&headers(&[b"x=1; __Host-session=a; y=2"]), SESSION), Some("a"));
    }

    #[test]
    fn se01_a_session_cookie_is_host_bound_and_out_of_reach_of_scripts() {
        let mut headers = HeaderMap::new();
        set(&mut headers, SESSION, "value", Some(60));

        let expected = "__Host-session=value; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60";
        assert_eq!(headers[header::SET_COOKIE], expected);
    }
}
