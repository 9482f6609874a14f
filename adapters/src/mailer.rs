//! Mail by SMTP (RFC 5321), with TLS from the start, by STARTTLS (RFC 3207), or none.

use std::borrow::Cow;
use std::time::Duration;

use chancery_domain::secret::Secret;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use time::OffsetDateTime;
use tracing::Instrument;
use tracing::field::Empty;

use crate::outbound;

/// How long a mail server may take for anything; the whole of a delivery has [`PATIENCE`].
const STEP: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);

/// How to reach the mail server.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub user: Option<String>,
    pub password: Option<Secret<String>>,
    /// Further certificates to trust, PEM.
    pub trusted: Option<Vec<u8>>,
    pub from: Sender,
    /// Our own name, for `EHLO` and message ids.
    pub own_host: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    None,
    /// Required: a server that does not offer it gets no mail.
    StartTls,
    Tls,
}

/// Whom mails are from.
#[derive(Clone, Debug)]
pub struct Sender {
    pub name: String,
    pub address: String,
}

/// A mail, ready to be sent.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Before the `@` of the message id: the same for the same mail, so that a second copy is known as one.
    pub id: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub date: OffsetDateTime,
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server will not take it later either.
    #[error("{}", .0.says)]
    Refused(Reason),
    #[error("{}", .0.says)]
    Later(Reason),
}

/// A reason in two forms: whose mail it was is no matter of a log.
#[derive(Clone, Debug)]
pub struct Reason {
    /// For whoever administers: the words of the server, which may name the recipient.
    pub says: String,
    pub logged: String,
}

impl From<&str> for Reason {
    fn from(says: &str) -> Self {
        Self { says: says.to_owned(), logged: says.to_owned() }
    }
}

/// Why the mail server does not talk to us.
#[derive(Debug, thiserror::Error)]
pub enum NotLetIn {
    /// It does not know our name and password, or wants some.
    #[error("{0}")]
    Unknown(String),
    #[error("{0}")]
    Broken(String),
}

/// The connection data of the mail server, or what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SmtpMisconfigured(String);

pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    server: (String, u16),
    from: Mailbox,
    own_host: String,
}

impl SmtpMailer {
    /// # Errors
    /// An address or a certificate that is none.
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpMisconfigured> {
        let SmtpSettings { host, port, security, user, password, trusted, from, own_host } = settings;
        let address: Address = from.address.parse().map_err(|_| wrong("SMTP_FROM is no e-mail address"))?;
        let mut tls = TlsParameters::builder(host.clone());
        if let Some(pem) = trusted {
            let certificate =
                Certificate::from_pem(&pem).map_err(|_| wrong("SMTP_CA_CERTIFICATE is no certificate"))?;
            tls = tls.add_root_certificate(certificate);
        }
        let tls = || tls.build_rustls().map_err(|error| wrong(&error.to_string()));
        let tls = match security {
            Security::None => Tls::None,
            Security::StartTls => Tls::Required(tls()?),
            Security::Tls => Tls::Wrapper(tls()?),
        };
        let server = (host.clone(), port);
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(STEP))
            .hello_name(ClientId::Domain(own_host.clone()));
        if let (Some(user), Some(password)) = (user, password) {
            transport = transport.credentials(Credentials::new(user, password.expose().clone()));
        }
        Ok(Self {
            transport: transport.build(),
            server,
            from: Mailbox::new(Some(plain(&from.name)), address),
            own_host,
        })
    }

    /// Hands a mail to the server.
    ///
    /// # Errors
    /// [`MailError::Refused`] if it is not to be tried again, [`MailError::Later`] if it is.
    pub async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let message = self.message(mail)?;
        let (host, port) = &self.server;
        let span = tracing::debug_span!(
            "send",
            otel.kind = "client",
            otel.status_code = Empty,
            network.protocol.name = "smtp",
            server.address = host,
            server.port = port,
            "error.type" = Empty,
        );
        let sending = tokio::time::timeout(PATIENCE, self.transport.send(message));
        let error = match sending.instrument(span.clone()).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => {
                outbound::failed(&span, "timeout");
                return Err(MailError::Later("the mail server took too long".into()));
            }
        };
        outbound::failed(&span, &error_type(&error));
        // A refusal of the mail, not of our credentials: those somebody can mend.
        match error.is_permanent() && !is_about_us(&error) {
            true => Err(MailError::Refused(Reason { says: error.to_string(), logged: logged(&error) })),
            false => Err(MailError::Later(Reason { says: told(&error), logged: logged(&error) })),
        }
    }

    /// Connects and signs in as for a mail, and sends none.
    ///
    /// # Errors
    /// Why no mail could be sent now.
    pub async fn greet(&self) -> Result<(), NotLetIn> {
        match tokio::time::timeout(PATIENCE, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(NotLetIn::Broken("the mail server broke off".to_owned())),
            Ok(Err(error)) if is_about_us(&error) => Err(NotLetIn::Unknown(told(&error))),
            Ok(Err(error)) => Err(NotLetIn::Broken(told(&error))),
            Err(_) => Err(NotLetIn::Broken("the mail server took too long".to_owned())),
        }
    }

    fn message(&self, mail: Mail) -> Result<Message, MailError> {
        let unsendable = |what: &str| MailError::Refused(what.into());
        let to: Address = mail.to.parse().map_err(|_| unsendable("mail cannot be sent to this address"))?;
        let body = MultiPart::alternative()
            .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(mail.text))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(mail.html));
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(plain(&mail.subject))
            .message_id(Some(format!("<{}@{}>", mail.id, self.own_host)))
            .date(mail.date.into())
            .header(AutoSubmitted)
            .multipart(body)
            .map_err(|error| unsendable(&error.to_string()))
    }
}

/// RFC 3834 §5: nobody answers it with a vacation notice.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// One line, whatever it was (attacks IN-01).
fn plain(text: &str) -> String {
    let separates = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.split(separates).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// RFC 4954 §6: authentication is missing, too weak or wrong.
fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538))
}

/// The server's status code, or a word; never its text.
fn error_type(error: &lettre::transport::smtp::Error) -> Cow<'static, str> {
    match error.status() {
        Some(code) => code.to_string().into(),
        None if error.is_timeout() => "timeout".into(),
        None if error.is_tls() => "tls".into(),
        None => "unreachable".into(),
    }
}

/// With its cause, which says what went wrong with a connection.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.filter(|cause| !error.to_string().ends_with(cause.as_str())).unwrap_or_default())
}

/// Without anything that the server said but its status code.
fn logged(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_response() => "the mail server's answer cannot be read".to_owned(),
        None => told(error),
    }
}

fn wrong(what: &str) -> SmtpMisconfigured {
    SmtpMisconfigured(what.to_owned())
}
