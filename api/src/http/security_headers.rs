//! Headers of every answer: a content security policy without exceptions, and what else keeps a page from being abused.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Only our own files; nothing inline, no frames, forms only to ourselves and, where a page says so, to the app.
fn policy(form_action: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         form-action 'self'{form_action}; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

const FIXED: &[(HeaderName, &str)] = &[
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Adds what an answer has not set itself.
pub fn add(headers: &mut HeaderMap) {
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    let permissions = "publickey-credentials-get=(self), publickey-credentials-create=(self)";
    headers.entry("permissions-policy").or_insert(HeaderValue::from_static(permissions));
    headers.entry("cross-origin-opener-policy").or_insert(HeaderValue::from_static("same-origin-allow-popups"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        allow_form_action(headers, None);
    }
}

/// Lets the page's form lead to this origin or scheme as well.
pub fn allow_form_action(headers: &mut HeaderMap, target: Option<&str>) {
    let target = target.filter(|target| !target.is_empty()).map(|target| format!(" {target}")).unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(&policy(&target)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, value);
    }
}

/// The origin or scheme that a form may lead to. A policy has no word for an IPv6 address (Content Security Policy Level 3
/// §2.3.1, `host-source`), so an app on `http://[::1]` gets its scheme.
pub fn form_target(redirect_uri: &str) -> String {
    match url::Url::parse(redirect_uri) {
        Ok(url) if matches!(url.host(), Some(url::Host::Ipv6(_))) => format!("{}:", url.scheme()),
        Ok(url) if matches!(url.scheme(), "https" | "http") => url.origin().ascii_serialization(),
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_may_lead_to_an_origin_or_a_scheme() {
        for (redirect_uri, target) in [
            ("https://wiki.example:8443/cb", "https://wiki.example:8443"),
            ("http://127.0.0.1:51234/cb", "http://127.0.0.1:51234"),
            ("http://[::1]:51234/cb", "http:"),
            ("app.immich:///oauth-callback", "app.immich:"),
        ] {
            assert_eq!(form_target(redirect_uri), target);
        }
    }
}
