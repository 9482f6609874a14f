//! Configuration from environment variables: one declared table, from which the documentation is generated.
//!
//! Every secret can also come from a file named by `<NAME>_FILE`. A setting that is unknown or weak stops the start and
//! names the remedy; a variable of Pocket ID that has no meaning here is only mentioned.

mod network;
mod outside;
mod settings;
pub mod telemetry;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use chancery_adapters::mailer::Security;
use chancery_domain::secret::Secret;
use ipnet::IpNet;
use url::Url;

pub use settings::{SETTINGS, Setting, settings_table};
pub use telemetry::{Headers, Telemetry};
use values::Values;
pub use values::{TOO_WEAK, is_weak};

/// All that can be set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The issuer, the WebAuthn origin and the base of every link; no path, no trailing slash.
    pub app_url: Url,
    pub app_name: String,
    pub encryption_key: Option<Secret<Vec<u8>>>,
    /// The key that it takes the place of, while both are needed.
    pub encryption_key_previous: Option<Secret<Vec<u8>>>,
    pub database: Database,
    pub listen: Listen,
    /// How long a node goes on serving when it was told to stop.
    pub shutdown_delay: Duration,
    pub trust_proxy: TrustProxy,
    pub address_header: AddressHeader,
    pub proxy_protocol: bool,
    pub geolite_db_path: Option<PathBuf>,
    pub geo_download: Option<GeoDownload>,
    pub local_ranges: Vec<IpNet>,
    pub static_api_key: Option<Secret<String>>,
    /// Seconds without use after which a browser session is over.
    pub session_idle_seconds: i64,
    /// Seconds after which a browser session is over, however much it is used.
    pub session_lifetime_seconds: i64,
    /// Seconds that an authorization code lives.
    pub code_seconds: i64,
    pub allow_insecure_callback_urls: bool,
    /// None: no mail is sent.
    pub smtp: Option<Smtp>,
    /// How generous the rate limits are, in per cent of the built-in ones; None switches them off.
    pub rate_limit_percent: Option<u32>,
    pub log_level: String,
    pub log_format: LogFormat,
    pub telemetry: Telemetry,
    /// What the operator should know, though it does not stop the start.
    pub warnings: Vec<String>,
}

/// Where the events live.
#[derive(Clone, Debug)]
pub enum Database {
    /// A private Postgres in the data folder.
    Embedded { data_dir: PathBuf, bin_dir: Option<PathBuf> },
    /// A server of the operator's; `owner` migrates, if it is another role.
    Server { app: Login, owner: Option<Login> },
}

/// A role at a database.
#[derive(Clone, Debug)]
pub struct Login {
    pub url: Secret<String>,
    /// Where it is kept apart from the URL.
    pub password: Option<Secret<String>>,
}

/// Where the geo-location database is downloaded from.
#[derive(Clone, Debug)]
pub struct GeoDownload {
    pub account_id: Option<String>,
    pub license_key: Option<Secret<String>>,
    /// In place of MaxMind's own.
    pub url: Option<String>,
}

/// Where requests come in.
#[derive(Clone, Debug)]
pub enum Listen {
    Tcp(SocketAddr),
    /// `mode` are the rights on the socket: whoever may write to it is a trusted proxy.
    Unix {
        path: PathBuf,
        mode: u32,
    },
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix { path, .. } => path.display().fmt(formatter),
        }
    }
}

/// The mail server.
#[derive(Clone, Debug)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// Name and password go together.
    pub credentials: Option<(String, Secret<String>)>,
    /// A file of further certificates to trust.
    pub ca_certificate: Option<PathBuf>,
    /// The address mails are from.
    pub from: String,
    /// Whether people hear of sign-ins on a device or at a place that is new.
    pub tell_new_sign_ins: bool,
    /// Mails within an hour at most, of all nodes together.
    pub hourly: i64,
}

impl Smtp {
    pub fn security_in_words(&self) -> &'static str {
        match self.security {
            Security::None => "None",
            Security::StartTls => "STARTTLS",
            Security::Tls => "TLS",
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
    Logfmt,
}

/// Whose word about the client's address counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustProxy {
    Nobody,
    Everybody,
    These(Vec<IpNet>),
}

/// The one header that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressHeader {
    /// `X-Forwarded-For`: a chain, to which each proxy adds its peer.
    ForwardedFor,
    /// `Forwarded` (RFC 7239): the same, with more said.
    Forwarded,
    /// A platform's own, such as `CF-Connecting-IP`: one address.
    Single(HeaderName),
}

impl AddressHeader {
    pub fn name(&self) -> &str {
        match self {
            Self::ForwardedFor => "X-Forwarded-For",
            Self::Forwarded => "Forwarded",
            Self::Single(name) => name.as_str(),
        }
    }
}

impl TrustProxy {
    pub fn trusts(&self, address: IpAddr) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::These(ranges) => ranges.iter().any(|range| range.contains(&address.to_canonical())),
        }
    }
}

/// Everything that is wrong with the configuration, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All problems at once, each with the setting's name and what to do.
    pub fn from_env() -> Result<Self, ConfigError> {
        let (mut variables, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, value) in std::env::vars_os() {
            // What has no name in text is none of ours.
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(variables.insert(name, value)),
                // The value is not repeated: it may be a key.
                Err(_) if values::is_known(&name) => problems.push(format!("{name} is no text in UTF-8")),
                Err(_) => {}
            }
        }
        if problems.is_empty() { Self::read(variables) } else { Err(ConfigError(problems)) }
    }

    /// Reads from the given variables.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn read(variables: BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut values = Values::new(variables);
        let app_url = values.app_url();
        let database = values.database();
        if matches!(database, Database::Server { .. }) {
            values.require("ENCRYPTION_KEY", "make one with `openssl rand -base64 32` and keep it safe");
        }
        let (idle_minutes, lifetime_minutes) = values.session_minutes();
        let geo_download = values.geo_download();
        let (listen, trust_proxy) = (values.listen(), values.trust_proxy());
        let config = Self {
            app_url,
            app_name: values.text("APP_NAME", 1..=30),
            encryption_key: values.encryption_key("ENCRYPTION_KEY"),
            encryption_key_previous: values.encryption_key("ENCRYPTION_KEY_PREVIOUS"),
            database,
            proxy_protocol: values.proxy_protocol(&listen, &trust_proxy),
            listen,
            shutdown_delay: Duration::from_secs(values.integer("SHUTDOWN_DELAY", 0..=15).unsigned_abs()),
            trust_proxy,
            address_header: values.address_header(),
            geolite_db_path: values.geolite_db_path(geo_download.is_some()),
            geo_download,
            local_ranges: values.ranges("LOCAL_IPV6_RANGES"),
            static_api_key: values.static_api_key(),
            session_idle_seconds: idle_minutes * 60,
            session_lifetime_seconds: lifetime_minutes * 60,
            code_seconds: values.integer("AUTHORIZATION_CODE_LIFETIME", 1..=60),
            allow_insecure_callback_urls: values.flag("ALLOW_INSECURE_CALLBACK_URLS"),
            smtp: values.smtp(),
            rate_limit_percent: values.rate_limit_percent(),
            log_level: values.log_level(),
            log_format: values.log_format(),
            telemetry: telemetry::read(&mut values),
            warnings: Vec::new(),
        };
        let warnings = values.finish()?;
        Ok(Self { warnings, ..config })
    }

    /// The issuer identifier, byte for byte as in every token (OpenID Connect Discovery §3).
    pub fn issuer(&self) -> String {
        self.app_url.as_str().trim_end_matches('/').to_owned()
    }
}
