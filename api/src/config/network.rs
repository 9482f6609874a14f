//! Where Chancery is reached: its address, what it listens on, and which proxies it believes.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::{Host, Url};

use super::values::Values;
use super::{AddressHeader, Listen, TrustProxy};

impl Values {
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
}

fn localhost() -> Url {
    #[expect(clippy::expect_used, reason = "a constant")]
    Url::parse("http://localhost:1411").expect("a URL")
}
