//! A lean HTTP/1.1 client: the load generator shares its two cores with what it measures.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection that stays open, with the cookies of one browser.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    host: String,
    /// Of the pages that ask.
    origin: String,
    pub cookies: BTreeMap<String, String>,
}

pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.head.lines().find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} {}", self.head, String::from_utf8_lossy(&self.body));
        self
    }
}

impl Connection {
    /// `base` is `http://host:port`.
    pub async fn open(base: &str) -> Self {
        let host = base.strip_prefix("http://").unwrap().to_owned();
        let stream = TcpStream::connect(&host).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (buffer, cookies, origin) = (Vec::new(), BTreeMap::new(), base.to_owned());
        Self { stream, buffer, host, origin, cookies }
    }

    /// The same for pages of another address, such as that of a proxy.
    pub fn asking_from(self, origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..self }
    }

    pub async fn get(&mut self, path: &str, more: &str) -> Answer {
        self.send("GET", path, more, "").await
    }

    pub async fn form(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, "Content-Type: application/x-www-form-urlencoded\r\n", body).await
    }

    pub async fn json(&mut self, path: &str, body: &str) -> Answer {
        let headers = format!("Content-Type: application/json\r\nOrigin: {}\r\n", self.origin);
        self.send("POST", path, &headers, body).await
    }

    /// `more` is whole header lines.
    async fn send(&mut self, method: &str, path: &str, more: &str, body: &str) -> Answer {
        let mut cookies = String::new();
        for (name, value) in &self.cookies {
            let separator = if cookies.is_empty() { "Cookie: " } else { "; " };
            cookies.extend([separator, name, "=", value]);
        }
        if !cookies.is_empty() {
            cookies.push_str("\r\n");
        }
        let (host, length) = (&self.host, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{cookies}{more}Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.answer().await
    }

    /// The bytes of a whole answer as they come over the wire, head and all; the connection ends with it.
    pub async fn weight(mut self, path: &str, more: &str) -> usize {
        let host = &self.host;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.stream.read_to_end(&mut self.buffer).await.unwrap();
        assert!(self.buffer.starts_with(b"HTTP/1.1 200"), "{path}");
        self.buffer.len()
    }

    async fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            self.read().await;
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut answer = Answer { status: head[9..12].parse().unwrap(), head, body: Vec::new() };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        assert!(answer.header("transfer-encoding").is_none(), "chunked answers are not read here");
        while self.buffer.len() < length {
            self.read().await;
        }
        answer.body = self.buffer.drain(..length).collect();
        for line in answer.head.lines() {
            if let Some((name, cookie)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("set-cookie")
            {
                let pair = cookie.split(';').next().unwrap_or_default();
                let (name, value) = pair.split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    async fn read(&mut self) {
        assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the server closed the connection");
    }
}
