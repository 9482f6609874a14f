//! Reading and checking single settings; problems are gathered, so that all are shown at once.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use chancery_adapters::mailer::Security;
use chancery_domain::secret::Secret;
use ipnet::IpNet;
use url::{Host, Url};

use super::settings::{POCKET_ID_ONLY, SETTINGS, Setting};
use super::{AddressHeader, ConfigError, Database, GeoDownload, Listen, LogFormat, Login, Smtp, TrustProxy};

pub(super) struct Values {
    variables: BTreeMap<String, String>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Values {
    pub fn new(mut variables: BTreeMap<String, String>) -> Self {
        variables.retain(|_, value| !value.is_empty());
        let mut values = Self { variables, problems: Vec::new(), warnings: Vec::new() };
        values.read_files();
        values.look_for_unknown();
        values
    }

    /// `<NAME>_FILE` of a secret: the file's text, without the newline that editors add.
    fn read_files(&mut self) {
        for setting in SETTINGS.iter().filter(|setting| setting.secret) {
            let Some(path) = self.variables.get(&format!("{}_FILE", setting.name)) else { continue };
            match std::fs::read_to_string(path) {
                Ok(text) => {
                    let text = text.trim_end_matches(['\r', '\n']).to_owned();
                    self.variables.entry(setting.name.to_owned()).or_insert(text);
                }
                Err(error) => self.problems.push(format!("{}_FILE: {path} cannot be read: {error}", setting.name)),
            }
        }
    }

    fn look_for_unknown(&mut self) {
        let known: Vec<String> = SETTINGS.iter().flat_map(Setting::names).collect();
        for name in self.variables.keys() {
            if known.iter().any(|setting| setting == name) {
                continue;
            }
            // OpenTelemetry has more variables than any SDK knows, and environments set them for all their programs.
            if name.starts_with("OTEL_") {
                self.warnings.push(format!("{name} is a variable of OpenTelemetry that has no effect here"));
            } else if POCKET_ID_ONLY.contains(&name.as_str()) {
                self.warnings.push(format!("{name} is a setting of Pocket ID that has no effect here"));
            } else if let Some(meant) = known.iter().find(|setting| is_slip(setting, name)) {
                self.problems.push(format!("{name} is unknown; did you mean {meant}? Rename or unset it"));
            }
        }
    }

    pub fn optional(&mut self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    pub fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    pub fn warning(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    pub fn value(&self, name: &str) -> String {
        let default = || SETTINGS.iter().find(|setting| setting.name == name).map(|setting| setting.default);
        self.variables.get(name).cloned().unwrap_or_else(|| default().unwrap_or_default().to_owned())
    }

    pub fn require(&mut self, name: &str, remedy: &str) {
        if !self.variables.contains_key(name) {
            self.problems.push(format!("{name} is required: {remedy}"));
        }
    }

    pub fn text(&mut self, name: &str, length: RangeInclusive<usize>) -> String {
        let text = self.value(name);
        if !length.contains(&text.chars().count()) {
            self.problems.push(format!("{name} must have {} to {} characters", length.start(), length.end()));
        }
        text
    }

    pub fn integer(&mut self, name: &str, range: RangeInclusive<i64>) -> i64 {
        let text = self.value(name);
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.problems.push(format!(
                    "{name} must be a whole number from {} to {}, not {text:?}",
                    range.start(),
                    range.end()
                ));
                *range.start()
            }
        }
    }

    pub fn port(&mut self, name: &str) -> u16 {
        u16::try_from(self.integer(name, 1..=65_535)).unwrap_or(1411)
    }

    pub fn flag(&mut self, name: &str) -> bool {
        match self.value(name).to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            other => {
                self.problems.push(format!("{name} must be true or false, not {other:?}"));
                false
            }
        }
    }

    pub fn log_format(&mut self) -> LogFormat {
        let json = self.flag("LOG_JSON");
        match self.optional("LOG_FORMAT").as_deref() {
            None if json => LogFormat::Json,
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some("logfmt") => LogFormat::Logfmt,
            Some(other) => {
                self.problems.push(format!("LOG_FORMAT must be text, json or logfmt, not {other:?}"));
                LogFormat::Text
            }
        }
    }

    pub fn address(&mut self, name: &str) -> IpAddr {
        let text = self.value(name);
        text.trim_matches(['[', ']']).parse().unwrap_or_else(|_| {
            self.problems.push(format!("{name} must be an IP address such as 0.0.0.0 or 127.0.0.1, not {text:?}"));
            IpAddr::from([127, 0, 0, 1])
        })
    }

    pub fn ranges(&mut self, name: &str) -> Vec<IpNet> {
        let text = self.value(name);
        let mut ranges = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let range = part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
            match range {
                Ok(range) => ranges.push(range),
                Err(_) => self.problems.push(format!("{name}: {part:?} is no address or CIDR range")),
            }
        }
        ranges
    }

    pub fn rate_limit_percent(&mut self) -> Option<u32> {
        let percent = self.integer("RATE_LIMIT_PERCENT", 1..=1_000_000);
        if self.flag("DISABLE_RATE_LIMITING") {
            self.warnings.push("DISABLE_RATE_LIMITING leaves every endpoint open to floods and guessing".to_owned());
            return None;
        }
        u32::try_from(percent).ok()
    }

    pub fn smtp(&mut self) -> Option<Smtp> {
        let host = self.optional("SMTP_HOST")?;
        self.require("SMTP_FROM", "the address that mails are from");
        let security = match self.value("SMTP_TLS").to_ascii_lowercase().as_str() {
            "none" => Security::None,
            "starttls" => Security::StartTls,
            "tls" => Security::Tls,
            other => {
                self.problems.push(format!("SMTP_TLS must be starttls, tls or none, not {other:?}"));
                Security::StartTls
            }
        };
        let port = match (self.variables.contains_key("SMTP_PORT"), security) {
            (true, _) => self.port("SMTP_PORT"),
            (false, Security::None) => 25,
            (false, Security::StartTls) => 587,
            (false, Security::Tls) => 465,
        };
        let credentials = match (self.optional("SMTP_USER"), self.optional("SMTP_PASSWORD")) {
            (Some(user), Some(password)) => Some((user, Secret::new(password))),
            (None, None) => None,
            _ => {
                self.problems.push("SMTP_USER and SMTP_PASSWORD go together; set both, or none".to_owned());
                None
            }
        };
        if security == Security::None {
            self.warnings.push("SMTP_TLS=none sends mail, and the password for it, in the clear".to_owned());
        }
        let from = self.value("SMTP_FROM");
        let tell_new_sign_ins = self.flag("EMAIL_LOGIN_NOTIFICATION_ENABLED");
        let hourly = self.integer("EMAIL_HOURLY_LIMIT", 1..=1_000_000);
        let ca_certificate = self.optional("SMTP_CA_CERTIFICATE").map(PathBuf::from);
        Some(Smtp { host, port, security, credentials, ca_certificate, from, tell_new_sign_ins, hourly })
    }

    pub fn trust_proxy(&mut self) -> TrustProxy {
        match self.value("TRUST_PROXY").to_ascii_lowercase().as_str() {
            "false" | "0" | "no" => TrustProxy::Nobody,
            "true" | "1" | "yes" => {
                self.warnings.push(
                    "TRUST_PROXY=true believes the address that anyone claims; name your proxy's address or range"
                        .to_owned(),
                );
                TrustProxy::Everybody
            }
            _ => {
                let ranges = self.ranges("TRUST_PROXY");
                if ranges.iter().any(|range| range.prefix_len() == 0) {
                    self.problems.push("TRUST_PROXY names every address there is; name your proxy's range".to_owned());
                }
                TrustProxy::These(ranges)
            }
        }
    }

    pub fn listen(&mut self) -> Listen {
        let tcp = SocketAddr::new(self.address("HOST"), self.port("PORT"));
        let Some(path) = self.optional("UNIX_SOCKET").map(PathBuf::from) else { return Listen::Tcp(tcp) };
        let text = self.value("UNIX_SOCKET_MODE");
        let mode = u32::from_str_radix(text.trim_start_matches("0o"), 8).ok().filter(|mode| *mode <= 0o777);
        let mode = mode.unwrap_or_else(|| {
            self.problems.push(format!("UNIX_SOCKET_MODE must be octal rights such as 0660, not {text:?}"));
            0o600
        });
        Listen::Unix { path, mode }
    }

    pub fn address_header(&mut self) -> AddressHeader {
        let name = self.value("TRUSTED_PLATFORM").to_ascii_lowercase();
        match (name.as_str(), name.parse()) {
            ("x-forwarded-for", _) => AddressHeader::ForwardedFor,
            ("forwarded", _) => AddressHeader::Forwarded,
            (_, Ok(name)) => AddressHeader::Single(name),
            (_, Err(_)) => {
                self.problems.push(format!("TRUSTED_PLATFORM must be the name of a header, not {name:?}"));
                AddressHeader::ForwardedFor
            }
        }
    }

    pub fn proxy_protocol(&mut self, listen: &Listen, trust: &TrustProxy) -> bool {
        let on = self.flag("PROXY_PROTOCOL");
        if on && matches!(listen, Listen::Tcp(_)) && *trust == TrustProxy::Nobody {
            self.problems.push("PROXY_PROTOCOL needs TRUST_PROXY: name the proxies that speak it".to_owned());
        }
        on
    }

    /// `https`, or `http` on this machine only: WebAuthn works in secure contexts alone.
    pub fn app_url(&mut self) -> Url {
        let text = self.value("APP_URL").to_ascii_lowercase();
        let url = Url::parse(&text).ok().filter(|url| url.host().is_some());
        let Some(url) = url else {
            self.problems.push(format!("APP_URL must be a URL such as https://id.example.org, not {text:?}"));
            return localhost();
        };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            self.problems.push("APP_URL must be scheme, host and port only, such as https://id.example.org".to_owned());
        }
        match (url.scheme(), url.host()) {
            ("https", Some(Host::Domain(_))) => {}
            ("http", Some(Host::Domain(host))) if host == "localhost" || host.ends_with(".localhost") => {}
            ("http" | "https", Some(Host::Ipv4(_) | Host::Ipv6(_))) => self.problems.push(
                "APP_URL must name a host, not an address: passkeys belong to a domain. For a trial use \
                 http://localhost:1411"
                    .to_owned(),
            ),
            _ => self.problems.push(
                "APP_URL must begin with https:// (http:// works on localhost only): passkeys need a secure context"
                    .to_owned(),
            ),
        }
        url
    }

    pub fn database(&mut self) -> Database {
        let url = self.optional("DATABASE_URL").or_else(|| self.optional("DB_CONNECTION_STRING"));
        match url {
            Some(url) => {
                if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                    self.problems.push("DATABASE_URL must begin with postgres://".to_owned());
                }
                let password = self.optional("DATABASE_PASSWORD").map(Secret::new);
                let owner_password = self.optional("DATABASE_OWNER_PASSWORD").map(Secret::new);
                let owner = self.optional("DATABASE_OWNER_URL").map(Secret::new);
                Database::Server {
                    app: Login { url: Secret::new(url), password },
                    owner: owner.map(|url| Login { url, password: owner_password }),
                }
            }
            None => Database::Embedded {
                data_dir: PathBuf::from(self.value("DATA_DIR")),
                bin_dir: self.optional("POSTGRES_BIN_DIR").map(PathBuf::from),
            },
        }
    }

    pub fn geo_download(&mut self) -> Option<GeoDownload> {
        let download = GeoDownload {
            account_id: self.optional("MAXMIND_ACCOUNT_ID"),
            license_key: self.optional("MAXMIND_LICENSE_KEY").map(Secret::new),
            url: self.optional("GEOLITE_DB_URL"),
        };
        if download.account_id.as_ref().is_some_and(|id| !id.bytes().all(|byte| byte.is_ascii_digit())) {
            self.problems.push("MAXMIND_ACCOUNT_ID must be the account's number".to_owned());
        }
        let key_characters = |key: &Secret<String>| {
            key.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        if !download.license_key.as_ref().is_none_or(key_characters) {
            self.problems.push("MAXMIND_LICENSE_KEY has characters that no license key has".to_owned());
        }
        if download.account_id.is_some() && download.license_key.is_none() {
            self.problems.push("MAXMIND_ACCOUNT_ID needs a MAXMIND_LICENSE_KEY of that account".to_owned());
        }
        if let Some(problem) = download.url.as_ref().and_then(|url| problem_of_download(url, &download)) {
            self.problems.push(format!("GEOLITE_DB_URL {problem}"));
        }
        (download.license_key.is_some() || download.url.is_some()).then_some(download)
    }

    pub fn geolite_db_path(&mut self, downloaded: bool) -> Option<PathBuf> {
        let own = PathBuf::from(self.value("DATA_DIR")).join("GeoLite2-City.mmdb");
        self.optional("GEOLITE_DB_PATH").map(PathBuf::from).or(downloaded.then_some(own))
    }

    pub fn encryption_key(&mut self, name: &'static str) -> Option<Secret<Vec<u8>>> {
        let key = self.optional(name)?;
        let distinct = key.bytes().collect::<std::collections::BTreeSet<_>>().len();
        if key.len() < 16 || distinct < 6 {
            self.problems.push(format!(
                "{name} is too weak: at least 16 bytes of randomness; make one with `openssl rand -base64 32`"
            ));
        }
        Some(Secret::new(key.into_bytes()))
    }

    pub fn static_api_key(&mut self) -> Option<Secret<String>> {
        let key = self.optional("STATIC_API_KEY")?;
        if key.len() < 16 {
            self.problems
                .push("STATIC_API_KEY needs at least 16 characters; make one with `openssl rand -hex 32`".into());
        }
        Some(Secret::new(key))
    }

    pub fn finish(self) -> Result<Vec<String>, ConfigError> {
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(ConfigError(self.problems)) }
    }
}

/// What is wrong with a URL to download from. The URL is not repeated: a key may be in it.
fn problem_of_download(url: &str, download: &GeoDownload) -> Option<&'static str> {
    let parsed = Url::parse(url).ok().filter(|url| url.host().is_some());
    let Some(parsed) = parsed else { return Some("must be a URL such as https://mirror.example.org/city.mmdb") };
    if url.contains("%s") && download.license_key.is_none() {
        return Some("has a place for the license key, but there is no MAXMIND_LICENSE_KEY");
    }
    let on_this_machine = match parsed.host() {
        Some(Host::Domain(host)) => host == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let secret = url.contains("%s") || download.account_id.is_some();
    match parsed.scheme() {
        "https" => None,
        "http" if on_this_machine || !secret => None,
        "http" => Some("must begin with https://: the license key is sent there"),
        _ => Some("must begin with https://"),
    }
}

fn localhost() -> Url {
    #[expect(clippy::expect_used, reason = "a constant")]
    Url::parse("http://localhost:1411").expect("a URL")
}

/// One letter too few, too many or wrong, or two neighbors swapped, in a name long enough to tell.
fn is_slip(setting: &str, name: &str) -> bool {
    let (a, b) = (setting.as_bytes(), name.as_bytes());
    if a.len() < 6 || a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same_start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same_start..], &b[same_start..]);
    let same_end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - same_end], &b[..b.len() - same_end]);
    match (a, b) {
        ([], [_]) | ([_], []) | ([_], [_]) => true,
        ([x1, x2], [y1, y2]) => x1 == y2 && x2 == y1,
        _ => false,
    }
}
