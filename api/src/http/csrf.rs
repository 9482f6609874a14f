//! Cross-site request forgery: a request that changes something and carries our cookie must come from our own pages.
//!
//! Fetch Metadata first (`Sec-Fetch-Site`), `Origin` where a browser does not send it. A request without our session
//! cookie has no authority to abuse; protocol endpoints are exempt because they never look at cookies.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::cookie;
use super::error::ApiError;
use crate::app::App;
use crate::pages::render::api_error_page;
use crate::router::is_api;

/// Layer for what takes a file. Protocol endpoints need none.
pub async fn protect(State(app): State<App>, request: Request, next: Next) -> Response {
    match refusal(&app, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// An answer for a request that another site may have made.
pub fn refusal(app: &App, request: &Request) -> Option<Response> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || same_origin(request.headers(), &app.issuer) {
        return None;
    }
    tracing::info!(error = "forbidden", reason = "it came from another site", "a request was refused");
    let says = "This request came from another site and was refused";
    let error = ApiError::new(StatusCode::FORBIDDEN, "forbidden", says);
    Some(if is_api(request.uri().path()) { error.into_response() } else { api_error_page(app, &error) })
}

fn same_origin(headers: &HeaderMap, own: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        // `null` beside `same-origin` is our own form: our pages say `Referrer-Policy: no-referrer`, and the Fetch
        // standard then hides the origin of a form (3.2). A sandboxed or foreign page is `cross-site`, whatever it hides.
        (Some(site), origin) => site == "same-origin" && origin.is_none_or(|origin| origin == own || origin == "null"),
        (None, Some(origin)) => origin == own,
        // No browser leaves out both. A tool with an API key has no cookie that another site could make it send.
        (None, None) => !has_cookie(headers),
    }
}

fn has_cookie(headers: &HeaderMap) -> bool {
    [cookie::SESSION, cookie::BROWSER, cookie::ENROLLMENT].iter().any(|name| cookie::read(headers, name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://id.example.org";

    fn allowed(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        same_origin(&headers, OWN)
    }

    #[test]
    fn se06_our_own_pages_may_and_others_may_not() {
        assert!(allowed(&[("sec-fetch-site", "same-origin"), ("origin", OWN)]));
        assert!(allowed(&[("sec-fetch-site", "same-origin"), ("origin", "null"), ("cookie", "__Host-session=a")]));
        assert!(allowed(&[("origin", OWN), ("cookie", "__Host-session=a")]));
        assert!(!allowed(&[("sec-fetch-site", "cross-site"), ("origin", OWN)]));
        assert!(!allowed(&[("sec-fetch-site", "same-site"), ("origin", "https://evil.example.org")]));
        assert!(!allowed(&[("sec-fetch-site", "none"), ("cookie", "__Host-session=a")]));
        assert!(!allowed(&[("origin", "https://evil.example"), ("cookie", "__Host-session=a")]));
        assert!(!allowed(&[("sec-fetch-site", "cross-site"), ("origin", "null"), ("cookie", "__Host-session=a")]));
        assert!(!allowed(&[("origin", "null")]));
    }

    #[test]
    fn se06_a_cookie_without_an_origin_is_refused_and_a_tool_without_cookies_is_not() {
        assert!(!allowed(&[("cookie", "__Host-session=a")]));
        assert!(allowed(&[("x-api-key", "chk_1")]));
    }
}
