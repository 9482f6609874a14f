//! A form that an app's page posts to us (OpenID Connect Core §3.1.2.1, RP-Initiated Logout 1.0 §2).

use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::oauth::params::Params;

use crate::http::cookie;
use crate::http::see_other::see_other;

/// The longest address that the usual proxies let through, less what stands around it in the request's line.
const LONGEST: usize = 8_000;

/// The way to the same request by GET, for a post that came without our cookies; None where it is answered as it is.
///
/// Ours are `SameSite=Lax`: a browser sends none of them with a post from another site, whoever is signed in, but all of
/// them when it is then sent on to an address (RFC 6265bis §5.6.7.1: a top-level navigation by a safe method). A GET is
/// never sent on, so this ends after one turn. What is too long for an address is answered as nobody's, as it came.
pub fn without_cookies(headers: &HeaderMap, path: &str, params: &Params) -> Option<Response> {
    if [cookie::SESSION, cookie::BROWSER].iter().any(|name| cookie::read(headers, name).is_some()) {
        return None;
    }
    let location = format!("{path}?{}", params.to_query());
    (location.len() <= LONGEST).then(|| see_other(&location))
}
