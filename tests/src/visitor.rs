//! Somebody with a browser, or a tool without one: requests as they are sent, answers as they come, no magic between.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use serde_json::Value;

/// Keeps cookies as a browser on `http://localhost` does, follows no redirect.
#[derive(Clone)]
pub struct Visitor {
    pub http: reqwest::Client,
    /// The node that is asked.
    pub base: String,
    /// The page that asks.
    pub origin: String,
    pub cookies: BTreeMap<String, String>,
    pub headers: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON in {} {}", self.status, self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Where a browser goes from here: by a redirect, or by a page that leads on (the release before redirects there).
    pub fn location(&self) -> url::Url {
        let leads_on = || self.header("refresh").strip_prefix("0; url=");
        let location = match self.headers.get(LOCATION) {
            Some(location) => Some(location.to_str().unwrap()),
            None => leads_on(),
        };
        let location = location.unwrap_or_else(|| panic!("no redirect: {} {}", self.status, self.text));
        url::Url::parse(location).or_else(|_| url::Url::parse("http://localhost").unwrap().join(location)).unwrap()
    }

    /// A parameter in the query of that address.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.location().query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

impl Visitor {
    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, base: base.to_owned(), origin: base.to_owned(), cookies: BTreeMap::new(), headers: Vec::new() }
    }

    /// The same from another address of this machine's loopback range.
    pub fn from_address(self, address: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = http.local_address(address.parse::<std::net::IpAddr>().unwrap()).build().unwrap();
        Self { http, ..self }
    }

    /// A tool with an API key instead of cookies.
    pub fn with_api_key(base: &str, key: &str) -> Self {
        let headers = vec![("x-api-key".to_owned(), key.to_owned())];
        Self { headers, ..Self::new(base) }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    pub async fn json(&mut self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(method, path, Some(body.to_string()), &[("content-type", "application/json")]).await
    }

    pub async fn form(&mut self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.form_with(path, pairs, &[]).await
    }

    pub async fn form_with(&mut self, path: &str, pairs: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let headers = [headers, &[("content-type", "application/x-www-form-urlencoded")]].concat();
        self.send(Method::POST, path, Some(body), &headers).await
    }

    /// Sends a file as the form of a page does (RFC 7578).
    pub async fn upload(&mut self, method: Method, path: &str, name: &str, file: &[u8]) -> Answer {
        let head = format!("--frontier\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        let body = [head.as_bytes(), file, b"\r\n--frontier--\r\n"].concat();
        let headers = [("content-type", "multipart/form-data; boundary=frontier")];
        self.send_bytes(method, path, body, &headers).await.unwrap()
    }

    /// Sends as our own pages would: with the origin, and the cookies so far.
    pub async fn send(&mut self, method: Method, path: &str, body: Option<String>, headers: &[(&str, &str)]) -> Answer {
        self.try_send(method, path, body, headers).await.unwrap()
    }

    /// The same to a node that may be killed meanwhile.
    ///
    /// # Errors
    /// No whole answer came.
    pub async fn try_send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        self.send_bytes(method, path, body.unwrap_or_default().into_bytes(), headers).await
    }

    async fn send_bytes(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = self.http.request(method.clone(), url);
        if method != Method::GET && !headers.iter().any(|(name, _)| *name == "origin") {
            request = request.header("origin", &self.origin);
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            self.keep(cookie.to_str().unwrap());
        }
        let bytes = response.bytes().await?.to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // What has no id was said by a proxy, of itself.
        if headers.contains_key("x-request-id") {
            crate::contract::check(method.as_str(), path.strip_prefix(&self.base).unwrap_or(path), status, &text);
        }
        Ok(Answer { status, headers, text, bytes })
    }

    fn keep(&mut self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        match attributes.contains("Max-Age=0") {
            true => drop(self.cookies.remove(name)),
            false => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
        }
    }
}
