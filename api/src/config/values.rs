//! Reading and checking single settings; problems are gathered, so that all are shown at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use chancery_domain::secret::Secret;
use ipnet::IpNet;

use super::settings::{POCKET_ID_ONLY, SETTINGS, Setting};
use super::{ConfigError, LogFormat};

pub(super) struct Values {
    pub(super) variables: BTreeMap<String, String>,
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
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
                    let set = self.variables.entry(setting.name.to_owned()).or_insert_with(|| text.clone());
                    if *set != text {
                        self.problems.push(format!("{0} and {0}_FILE differ; unset one of them", setting.name));
                    }
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
        if text.chars().any(char::is_control) {
            self.problems.push(format!("{name} holds characters that cannot be shown; write it in one line"));
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

    /// A word that is no level would be read as the name of a module, and every line of the others be left out.
    pub fn log_level(&mut self) -> String {
        let filter = self.text("LOG_LEVEL", 1..=200);
        for word in filter.split(',').filter(|part| !part.contains('=')) {
            if !["off", "error", "warn", "info", "debug", "trace"].contains(&word.to_ascii_lowercase().as_str()) {
                self.problems.push(format!(
                    "LOG_LEVEL: {word:?} is no level; use error, warn, info, debug or trace, and for a module \
                     chancery_api=debug"
                ));
            }
        }
        filter
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

    /// How long a sign-in lasts without use, and in all. What is not set follows what is.
    pub fn session_minutes(&mut self) -> (i64, i64) {
        let idle = self.integer("SESSION_DURATION", 1..=43_200);
        let lifetime = self.integer("SESSION_LIFETIME", 1..=525_600);
        if idle > lifetime && self.variables.contains_key("SESSION_DURATION") {
            self.problems.push(
                "SESSION_DURATION is longer than SESSION_LIFETIME, which ends a sign-in however much it is used; \
                 shorten the one or lengthen the other"
                    .to_owned(),
            );
        }
        (idle.min(lifetime), lifetime)
    }

    pub fn rate_limit_percent(&mut self) -> Option<u32> {
        let percent = self.integer("RATE_LIMIT_PERCENT", 1..=1_000_000);
        if self.flag("DISABLE_RATE_LIMITING") {
            self.warnings.push("DISABLE_RATE_LIMITING leaves every endpoint open to floods and guessing".to_owned());
            return None;
        }
        u32::try_from(percent).ok()
    }

    pub fn encryption_key(&mut self, name: &'static str) -> Option<Secret<Vec<u8>>> {
        let key = self.optional(name)?;
        if is_weak(key.as_bytes()) {
            self.problems.push(format!("{name} {TOO_WEAK}"));
        }
        Some(Secret::new(key.into_bytes()))
    }

    pub fn static_api_key(&mut self) -> Option<Secret<String>> {
        let key = self.optional("STATIC_API_KEY")?;
        // A header carries it; what is no visible ASCII could never be sent (RFC 9110 §5.5).
        if is_weak(key.as_bytes()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.problems.push(
                "STATIC_API_KEY is too weak or cannot be sent: at least 16 letters, digits and signs of ASCII; make one with \
                 `openssl rand -hex 32`"
                    .into(),
            );
        }
        Some(Secret::new(key))
    }

    pub fn finish(self) -> Result<Vec<String>, ConfigError> {
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(ConfigError(self.problems)) }
    }
}

/// Whether a key could be guessed, as far as that can be told of it.
pub fn is_weak(key: &[u8]) -> bool {
    key.len() < 16 || key.iter().collect::<BTreeSet<_>>().len() < 6
}

pub const TOO_WEAK: &str = "is too weak: at least 16 bytes of randomness; make one with `openssl rand -base64 32`";

/// Whether a setting has this name.
pub(super) fn is_known(name: &str) -> bool {
    SETTINGS.iter().flat_map(Setting::names).any(|setting| setting == name)
}

/// One letter too few, too many or wrong, two neighbors swapped, or a word that is cut off or goes on, in a name long enough
/// to tell.
fn is_slip(setting: &str, name: &str) -> bool {
    let (short, long) = if setting.len() < name.len() { (setting, name) } else { (name, setting) };
    let rest = long.strip_prefix(short).filter(|_| short.len() >= 8);
    if rest.is_some_and(|rest| !rest.contains('_')) {
        return true;
    }
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
