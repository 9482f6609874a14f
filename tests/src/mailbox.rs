//! A mail server of a few lines (RFC 5321): keeps what it is given, refuses what it is told to, and can be away. With a
//! certificate of its own it speaks TLS, from the start or by STARTTLS (RFC 3207), and takes a password (RFC 4954).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{Message, MessageParser};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Longer than any mail takes that is sent at all.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Mailbox {
    port: u16,
    kept: Arc<Mutex<Kept>>,
    tls: Tls,
    listening: Option<JoinHandle<()>>,
}

/// When the conversation is encrypted.
#[derive(Clone)]
pub enum Tls {
    Never,
    Asked(TlsAcceptor),
    AtOnce(TlsAcceptor),
}

#[derive(Default)]
struct Kept {
    mails: Vec<Received>,
    /// What clients signed in with: name and password, each after a NUL.
    passwords: Vec<String>,
    /// The answer to every recipient, if it is not "250".
    refuses: Option<&'static str>,
    /// The answer to every password, if it is not "235".
    bars: Option<&'static str>,
}

/// A mail as the server got it.
#[derive(Clone, Debug)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub raw: String,
}

impl Received {
    pub fn parsed(&self) -> Message<'_> {
        MessageParser::default().parse(&self.raw).unwrap()
    }

    pub fn text(&self) -> String {
        self.parsed().body_text(0).unwrap().replace("\r\n", "\n")
    }

    pub fn html(&self) -> String {
        self.parsed().body_html(0).unwrap().into_owned()
    }

    pub fn subject(&self) -> String {
        self.parsed().subject().unwrap().to_owned()
    }

    /// The raw lines of the header, unfolded.
    pub fn headers(&self) -> Vec<String> {
        let head = self.raw.split("\r\n\r\n").next().unwrap();
        head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect()
    }

    /// The first link into this instance below `path`.
    pub fn link(&self, path: &str) -> String {
        let text = self.text();
        let link = text.split_whitespace().find(|word| word.contains(path));
        link.unwrap_or_else(|| panic!("no link in {text}")).to_owned()
    }
}

impl Mailbox {
    pub async fn open() -> Self {
        Self::speaking(Tls::Never).await
    }

    pub async fn speaking(tls: Tls) -> Self {
        let mut mailbox = Self { port: 0, kept: Arc::default(), tls, listening: None };
        mailbox.come_back().await;
        mailbox
    }

    pub fn port(&self) -> String {
        self.port.to_string()
    }

    /// Listens, on the same port as before if it was away.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        let (kept, tls) = (self.kept.clone(), self.tls.clone());
        self.listening = Some(tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (kept, tls) = (kept.clone(), tls.clone());
                // A client that goes away in the middle of a conversation is its own concern.
                tokio::spawn(async move {
                    match tls {
                        Tls::Never => drop(converse(stream, &kept, None).await),
                        Tls::Asked(acceptor) => {
                            if let Ok(Some(stream)) = converse(stream, &kept, Some(&acceptor)).await {
                                let Ok(stream) = acceptor.accept(stream).await else { return };
                                drop(go_on(BufReader::new(stream), &kept, None).await);
                            }
                        }
                        Tls::AtOnce(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            drop(converse(stream, &kept, None).await);
                        }
                    }
                });
            }
        }));
    }

    /// Stops listening: connections are refused.
    pub async fn go_away(&mut self) {
        let listening = self.listening.take().unwrap();
        listening.abort();
        drop(listening.await);
    }

    pub fn refuse(&self, answer: Option<&'static str>) {
        self.kept.lock().unwrap().refuses = answer;
    }

    /// Lets nobody in.
    pub fn bar(&self, answer: &'static str) {
        self.kept.lock().unwrap().bars = Some(answer);
    }

    pub fn passwords(&self) -> Vec<String> {
        self.kept.lock().unwrap().passwords.clone()
    }

    pub fn mails(&self) -> Vec<Received> {
        self.kept.lock().unwrap().mails.clone()
    }

    /// The mails so far, once there are as many.
    pub async fn when_there_are(&self, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mails = self.mails();
            assert!(mails.len() <= count, "one mail too many: {:?}", mails.last());
            if mails.len() == count {
                return mails;
            }
            assert!(Instant::now() < deadline, "{} of {count} mails came", mails.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A certificate for `localhost`, as PEM, and what speaks TLS with it.
pub fn certificate() -> (String, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// Until the client quits; answers the stream where it is to be encrypted from here.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    kept: &Mutex<Kept>,
    offers: Option<&TlsAcceptor>,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mailbox ESMTP\r\n").await?;
    go_on(stream, kept, offers).await
}

async fn go_on<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    kept: &Mutex<Kept>,
    offers: Option<&TlsAcceptor>,
) -> std::io::Result<Option<S>> {
    let mut mail = Received { from: String::new(), to: Vec::new(), raw: String::new() };
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" if offers.is_some() => "250-mailbox\r\n250-8BITMIME\r\n250 STARTTLS",
            "EHLO" => "250-mailbox\r\n250-8BITMIME\r\n250 AUTH PLAIN",
            "STARTTLS" => {
                stream.write_all(b"220 Go on\r\n").await?;
                return Ok(Some(stream.into_inner()));
            }
            "AUTH" => {
                let given = STANDARD.decode(line.rsplit(' ').next().unwrap_or_default()).unwrap_or_default();
                let mut kept = kept.lock().unwrap();
                kept.passwords.push(String::from_utf8(given).unwrap_or_default());
                kept.bars.unwrap_or("235 Welcome")
            }
            "MAIL" => {
                mail.from = address(line);
                "250 OK"
            }
            "RCPT" => {
                let refuses = kept.lock().unwrap().refuses;
                if refuses.is_none() {
                    mail.to.push(address(line));
                }
                refuses.unwrap_or("250 OK")
            }
            "DATA" => {
                stream.write_all(b"354 Go on\r\n").await?;
                mail.raw = data(&mut stream).await?;
                kept.lock().unwrap().mails.push(mail.clone());
                "250 Kept"
            }
            "QUIT" => {
                stream.write_all(b"221 Bye\r\n").await?;
                return Ok(None);
            }
            _ => "250 OK",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// RFC 5321 §4.5.2: up to a line with a single dot; a dot at the start of another line was doubled.
async fn data(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut raw = Vec::new();
    while !raw.ends_with(b"\r\n.\r\n") {
        raw.push(stream.read_u8().await?);
    }
    raw.truncate(raw.len() - 3);
    Ok(String::from_utf8(raw).unwrap().replace("\r\n..", "\r\n."))
}

fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}
