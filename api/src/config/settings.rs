//! The table of settings.

use std::fmt::Write as _;

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    /// May also come from the file named by `<name>_FILE`.
    pub secret: bool,
    pub default: &'static str,
    pub meaning: &'static str,
}

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, secret: false, default, meaning }
}

const fn secret(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, secret: true, default: "", meaning }
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
    secret("STATIC_API_KEY", "At least 16 characters; an API key with an administrator's rights, for automation."),
    setting("SESSION_DURATION", "1440", "Minutes without use after which a sign-in ends, 1 to 43200."),
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
        "RATE_LIMIT_PERCENT",
        "100",
        "How generous the rate limits are, in per cent of the built-in ones: 200 allows twice as much. 1 to 1000000.",
    ),
    setting("DISABLE_RATE_LIMITING", "false", "Whether there are no rate limits at all."),
    setting("LOG_LEVEL", "info", "`error`, `warn`, `info`, `debug`, `trace`, or a filter by module."),
    setting("LOG_JSON", "false", "Whether log lines are JSON."),
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
    for Setting { name, secret, default, meaning } in SETTINGS {
        let file = if *secret { format!("<br>`{name}_FILE`") } else { String::new() };
        let default = if default.is_empty() { "–".to_owned() } else { format!("`{default}`") };
        // Writing to a String cannot fail.
        _ = writeln!(table, "| `{name}`{file} | {default} | {meaning} |");
    }
    table
}
