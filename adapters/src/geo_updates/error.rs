//! Why the database could not be fetched, and what to do about it. No message holds a URL: a key may be in it.

use std::borrow::Cow;
use std::error::Error as _;
use std::io;

use time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error(
        "the server cannot be reached ({0}); MaxMind's needs download.maxmind.com and \
         *.r2.cloudflarestorage.com to be open in the firewall"
    )]
    Unreachable(String),
    #[error(
        "the server lets nobody in with this account ID and license key ({0}); check MAXMIND_ACCOUNT_ID and \
         MAXMIND_LICENSE_KEY, or GEOLITE_DB_URL"
    )]
    Unauthorized(u16),
    #[error("the daily limit of downloads is reached (429); does something else use the same account?")]
    TooManyDownloads,
    #[error("the server answered {0}; check GEOLITE_DB_URL, or wait")]
    Status(u16),
    #[error("the server's checksum cannot be read")]
    NoChecksum,
    #[error("the download does not match its checksum; it will be tried again")]
    Checksum,
    #[error("the download is larger than 300 MB")]
    TooLarge,
    #[error("the download is cut off or damaged ({0}); it will be tried again")]
    Damaged(io::Error),
    #[error("the archive holds no .mmdb file; check GEOLITE_DB_URL")]
    NoDatabase,
    #[error("what was downloaded is no MaxMind database ({0}); check GEOLITE_DB_URL")]
    NotADatabase(String),
    #[error("the file cannot be written ({0}); check GEOLITE_DB_PATH and the rights on its folder")]
    File(#[from] io::Error),
}

impl UpdateError {
    /// How long to wait before the next try: what waits for a person, or for a limit of the day, is not asked each hour.
    pub(super) fn patience(&self) -> Duration {
        match self {
            Self::Unauthorized(_) | Self::TooManyDownloads => Duration::DAY,
            _ => Duration::HOUR,
        }
    }
}

impl UpdateError {
    /// `error.type` of the semantic conventions: the status, or a word; never text from outside.
    pub(super) fn error_type(&self) -> Cow<'static, str> {
        match self {
            Self::Unauthorized(status) | Self::Status(status) => status.to_string().into(),
            Self::TooManyDownloads => "429".into(),
            Self::Unreachable(_) => "unreachable".into(),
            _ => "_OTHER".into(),
        }
    }
}

impl From<reqwest::Error> for UpdateError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut says = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            says = cause.to_string();
            source = cause.source();
        }
        Self::Unreachable(says)
    }
}
