//! The table of settings.

use std::fmt::Write as _;

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    /// May also come from the file named by `<name>_FILE`.
    pub secret: bool,
    /// Further names that are told together with it: the same for one kind of telemetry alone, or what goes with it.
    pub also: &'static [&'static str],
    pub default: &'static str,
    pub meaning: &'static str,
}

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, secret: false, also: &[], default, meaning }
}

const fn secret(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, secret: true, also: &[], default: "", meaning }
}

impl Setting {
    const fn also(self, names: &'static [&'static str]) -> Self {
        Self { also: names, ..self }
    }

    /// Every name under which it may be set.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let file = self.secret.then(|| format!("{}_FILE", self.name));
        std::iter::once(self.name.to_owned()).chain(file).chain(self.also.iter().map(|name| (*name).to_owned()))
    }
}

/// The names of an OTLP setting for traces, metrics and logs alone.
macro_rules! of_each_signal {
    ($what:literal) => {
        &[
            concat!("OTEL_EXPORTER_OTLP_TRACES_", $what),
            concat!("OTEL_EXPORTER_OTLP_METRICS_", $what),
            concat!("OTEL_EXPORTER_OTLP_LOGS_", $what),
        ]
    };
}

/// Every setting, in the order in which people need them. Names that Pocket ID has too mean the same.
pub const SETTINGS: &[Setting] = &[
    setting(
        "APP_URL",
        "http://localhost:1411",
        "Where people reach Chancery: scheme, host and port, no path. It is the issuer of every token and the place \
         passkeys belong to; changing the host later orphans them. `https` everywhere but on localhost.",
    ),
    setting("APP_NAME", "Chancery", "The name people see, 1 to 30 characters."),
    secret(
        "ENCRYPTION_KEY",
        "At least 16 bytes; seals personal data and signing keys. Required with a database of your own; with the \
         embedded one, a key is made in the data folder on the first start. Back it up: without it nothing opens.",
    ),
    secret(
        "ENCRYPTION_KEY_PREVIOUS",
        "While `ENCRYPTION_KEY` is changed: the key before it, which opens what is not sealed anew yet.",
    ),
    secret("DATABASE_URL", "A Postgres of your own, `postgres://user:password@host/database`. Unset: an embedded one."),
    secret("DB_CONNECTION_STRING", "The same as `DATABASE_URL`."),
    secret("DATABASE_PASSWORD", "The password for `DATABASE_URL`, if it is kept apart from it."),
    secret(
        "DATABASE_OWNER_URL",
        "The role that owns the schema and migrates it, if `DATABASE_URL` names one with fewer rights.",
    ),
    secret("DATABASE_OWNER_PASSWORD", "The password for `DATABASE_OWNER_URL`, if it is kept apart from it."),
    setting("DATA_DIR", "data", "The folder of the embedded Postgres and its key."),
    setting("POSTGRES_BIN_DIR", "", "Where `postgres` and `initdb` are, if they are not found by themselves."),
    setting("HOST", "0.0.0.0", "The address to listen on."),
    setting("PORT", "1411", "The port to listen on."),
    setting("UNIX_SOCKET", "", "A Unix socket to listen on instead. Whoever may open it is a trusted proxy."),
    setting("UNIX_SOCKET_MODE", "0660", "The rights on that socket, octal."),
    setting(
        "SHUTDOWN_DELAY",
        "3",
        "Seconds, 0 to 15, that a node which was told to stop goes on serving, while `/readyz` sends load balancers \
         elsewhere. None with the embedded database, which has one node.",
    ),
    setting(
        "TRUST_PROXY",
        "false",
        "Whose word about visitors' addresses counts: addresses and CIDR ranges of proxies, comma-separated, or `true` \
         for everybody's.",
    ),
    setting(
        "TRUSTED_PLATFORM",
        "X-Forwarded-For",
        "The header in which that proxy tells the visitor's address: `X-Forwarded-For`, `Forwarded`, or one that holds a \
         single address, such as `CF-Connecting-IP`. No other counts.",
    ),
    setting(
        "PROXY_PROTOCOL",
        "false",
        "Whether those proxies begin each connection with the PROXY protocol, version 1 or 2; they then must.",
    ),
    setting(
        "GEOLITE_DB_PATH",
        "",
        "A city database in MaxMind's format, nested or flat; it is read again when the file changes. Unset, but with \
         something to download: `GeoLite2-City.mmdb` in `DATA_DIR`.",
    ),
    setting("MAXMIND_ACCOUNT_ID", "", "The number of your MaxMind account."),
    secret(
        "MAXMIND_LICENSE_KEY",
        "A license key of that account: GeoLite2 City is then downloaded twice a week. Without the account's number, by \
         MaxMind's former URL.",
    ),
    setting(
        "GEOLITE_DB_URL",
        "",
        "Another place to download from twice a week: a `.mmdb` file, as it is, compressed or in a `.tar.gz`. `%s` stands \
         for the license key.",
    ),
    setting("LOCAL_IPV6_RANGES", "", "Further ranges to be shown as internal, comma-separated."),
    secret(
        "STATIC_API_KEY",
        "At least 16 characters; an API key with an administrator's rights, for automation. Its account is disabled at a start without it.",
    ),
    setting(
        "SESSION_DURATION",
        "1440",
        "Minutes without use after which a sign-in ends, 1 to 43200; `SESSION_LIFETIME` at most.",
    ),
    setting("SESSION_LIFETIME", "43200", "Minutes after which a sign-in ends, however much it is used."),
    setting("AUTHORIZATION_CODE_LIFETIME", "60", "Seconds that an authorization code lives, 1 to 60."),
    setting(
        "ALLOW_INSECURE_CALLBACK_URLS",
        "false",
        "Whether apps may register plain-http callbacks on hosts other than loopback.",
    ),
    setting("SMTP_HOST", "", "The mail server. Unset: no mail is sent."),
    setting("SMTP_PORT", "", "Its port. Unset: 587, or 465 with `SMTP_TLS=tls`, or 25 with `none`."),
    setting("SMTP_TLS", "starttls", "How the connection is encrypted: `starttls`, `tls` from the start, or `none`."),
    setting("SMTP_FROM", "", "The address that mails are from. Required with `SMTP_HOST`."),
    setting("SMTP_USER", "", "The name to sign in to the mail server with, if it asks for one."),
    secret("SMTP_PASSWORD", "The password that goes with it."),
    setting("SMTP_CA_CERTIFICATE", "", "A PEM file of further certificates to trust, for a mail server of your own."),
    setting(
        "EMAIL_LOGIN_NOTIFICATION_ENABLED",
        "true",
        "Whether people are told by mail of sign-ins on a device or at a place that is new.",
    ),
    setting(
        "EMAIL_HOURLY_LIMIT",
        "1000",
        "Mails that are sent within an hour at most, by all nodes together; what is more waits. 1 to 1000000.",
    ),
    setting(
        "RATE_LIMIT_PERCENT",
        "100",
        "How generous the rate limits are, in per cent of the built-in ones: 200 allows twice as much. 1 to 1000000.",
    ),
    setting("DISABLE_RATE_LIMITING", "false", "Whether there are no rate limits at all."),
    setting("LOG_LEVEL", "info", "`error`, `warn`, `info`, `debug`, `trace`, or a filter by module."),
    setting("LOG_FORMAT", "text", "`text`, `json` or `logfmt`."),
    setting("LOG_JSON", "false", "`true` means `LOG_FORMAT=json`."),
    setting("OTEL_SDK_DISABLED", "false", "`true` exports nothing, whatever is set below."),
    setting("OTEL_TRACES_EXPORTER", "none", "`otlp` sends traces to a collector."),
    setting(
        "OTEL_METRICS_EXPORTER",
        "none",
        "`otlp` sends metrics to a collector, `prometheus` lets them be scraped; both, comma-separated.",
    ),
    setting("OTEL_LOGS_EXPORTER", "none", "`otlp` sends the log, and each event as a log record, to a collector."),
    setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://localhost:4318",
        "The collector's address for OTLP over HTTP; `/v1/traces` and so on are added to it. Those for one signal are \
         taken as they are.",
    )
    .also(of_each_signal!("ENDPOINT")),
    setting("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "The only one that is spoken.")
        .also(of_each_signal!("PROTOCOL")),
    secret(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "Sent along to the collector, `name=value`, comma-separated, percent-encoded.",
    ),
    secret("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "Sent along with traces, instead of those for all."),
    secret("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "Sent along with metrics, instead of those for all."),
    secret("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "Sent along with log records, instead of those for all."),
    setting("OTEL_EXPORTER_OTLP_TIMEOUT", "10000", "Milliseconds for one export, with its repetitions.")
        .also(of_each_signal!("TIMEOUT")),
    setting("OTEL_EXPORTER_OTLP_COMPRESSION", "none", "`gzip` or `none`.").also(of_each_signal!("COMPRESSION")),
    setting(
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "",
        "A PEM file with the authority of the collector, beside the system's.",
    ),
    setting("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "", "A PEM file with a certificate to show to the collector."),
    setting("OTEL_EXPORTER_OTLP_CLIENT_KEY", "", "A PEM file with that certificate's key."),
    setting(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "cumulative",
        "`cumulative`, `delta` or `lowmemory`: whether metrics count from the start or from the last export.",
    ),
    setting("OTEL_METRIC_EXPORT_INTERVAL", "60000", "Milliseconds between two exports of metrics."),
    setting(
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "localhost",
        "Where Prometheus may scrape `/metrics`. Anybody who reaches it may read it.",
    ),
    setting("OTEL_EXPORTER_PROMETHEUS_PORT", "9464", "The port of that listener."),
    setting("OTEL_SERVICE_NAME", "chancery", "The name of this service in traces, metrics and logs."),
    setting("OTEL_RESOURCE_ATTRIBUTES", "", "More about this service, `name=value`, comma-separated, percent-encoded."),
    setting(
        "OTEL_PROPAGATORS",
        "tracecontext",
        "`tracecontext` follows the trace that a trusted proxy began; `none` does not.",
    ),
    setting(
        "OTEL_TRACES_SAMPLER",
        "parentbased_always_on",
        "Which requests are traced: `always_on`, `always_off`, `traceidratio`, or with `parentbased_` what the proxy \
         decided, where there is one.",
    ),
    setting("OTEL_TRACES_SAMPLER_ARG", "", "For `traceidratio`: a share, from 0.0 to 1.0."),
    setting(
        "OTEL_BSP_SCHEDULE_DELAY",
        "5000",
        "Milliseconds between two exports of spans; how many may wait (2048), and go at once (512).",
    )
    .also(&["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"]),
    setting(
        "OTEL_BLRP_SCHEDULE_DELAY",
        "1000",
        "Milliseconds between two exports of log records; how many may wait (2048), and go at once (512).",
    )
    .also(&["OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"]),
    setting("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "128", "At most so many attributes, and likewise links, on a span.")
        .also(&["OTEL_SPAN_LINK_COUNT_LIMIT"]),
];

/// Variables that Pocket ID reads and Chancery does not.
pub(super) const POCKET_ID_ONLY: &[&str] = &[
    "INTERNAL_APP_URL",
    "SYSTEMD_SOCKET",
    "TLS_CERT",
    "TLS_KEY",
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "AUDIT_LOG_RETENTION_DAYS",
    "UI_CONFIG_DISABLED",
    "ANALYTICS_DISABLED",
    "VERSION_CHECK_DISABLED",
    "ALLOW_USER_SIGNUPS",
    "ALLOW_OWN_ACCOUNT_EDIT",
    "EMAILS_VERIFIED",
    "DISABLE_ANIMATIONS",
    "ACCENT_COLOR",
    "SMTP_SKIP_CERT_VERIFY",
    "LDAP_ENABLED",
    "LDAP_URL",
    "LDAP_BIND_DN",
    "LDAP_BIND_PASSWORD",
    "LDAP_BIND_PASSWORD_FILE",
    "LDAP_BASE",
    "KEYS_PATH",
    "KEYS_STORAGE",
    "UPLOAD_PATH",
    "FILE_BACKEND",
    "DB_PROVIDER",
];

/// The table as Markdown, for the documentation.
pub fn settings_table() -> String {
    let mut table = String::from("| Setting | Default | Meaning |\n|---|---|---|\n");
    for setting in SETTINGS {
        let Setting { default, meaning, .. } = setting;
        let names: Vec<String> = setting.names().map(|name| format!("`{name}`")).collect();
        let default = if default.is_empty() { "–".to_owned() } else { format!("`{default}`") };
        // Writing to a String cannot fail.
        _ = writeln!(table, "| {} | {default} | {meaning} |", names.join("<br>"));
    }
    table
}
