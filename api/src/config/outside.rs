//! What Chancery asks of others: the database, a mail server, the source of the geo-location database.

use std::net::IpAddr;
use std::path::PathBuf;

use chancery_adapters::mailer::Security;
use chancery_domain::secret::Secret;
use url::{Host, Url};

use super::values::Values;
use super::{Database, GeoDownload, Login, Smtp};

impl Values {
    pub fn database(&mut self) -> Database {
        let (url, same) = (self.optional("DATABASE_URL"), self.optional("DB_CONNECTION_STRING"));
        if url.is_some() && same.is_some() && url != same {
            self.problems.push("DATABASE_URL and DB_CONNECTION_STRING differ; unset one of them".to_owned());
        }
        let url = url.or(same);
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
            None => {
                // Half of an operator's own database must not quietly become an embedded one.
                for name in ["DATABASE_PASSWORD", "DATABASE_OWNER_URL", "DATABASE_OWNER_PASSWORD"] {
                    if self.variables.contains_key(name) {
                        self.problems.push(format!("{name} needs DATABASE_URL; set both, or neither"));
                    }
                }
                Database::Embedded {
                    data_dir: PathBuf::from(self.value("DATA_DIR")),
                    bin_dir: self.optional("POSTGRES_BIN_DIR").map(PathBuf::from),
                }
            }
        }
    }

    pub fn smtp(&mut self) -> Option<Smtp> {
        let Some(host) = self.optional("SMTP_HOST") else {
            let idle = ["SMTP_FROM", "SMTP_USER", "SMTP_PASSWORD"];
            let idle = idle.into_iter().find(|name| self.variables.contains_key(*name));
            self.warnings.extend(idle.map(|name| format!("{name} is set, but no SMTP_HOST: no mail is sent")));
            return None;
        };
        if Host::parse(&host).is_err() && host.parse::<IpAddr>().is_err() {
            self.problems.push(format!(
                "SMTP_HOST must be a host such as smtp.example.org, not {host:?}; its port goes into SMTP_PORT"
            ));
        }
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
