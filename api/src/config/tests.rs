use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::read(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn problem(variables: &[(&str, &str)]) -> String {
    read(variables).unwrap_err().to_string()
}

#[test]
fn without_any_setting_it_runs_on_localhost_with_its_own_database() {
    let config = read(&[]).unwrap();

    assert_eq!(config.issuer(), "http://localhost:1411");
    assert!(matches!(config.database, Database::Embedded { .. }));
    assert_eq!(config.trust_proxy, TrustProxy::Nobody);
    assert!(config.warnings.is_empty());
}

#[test]
fn a_database_of_the_operators_needs_an_encryption_key() {
    let message = problem(&[("DATABASE_URL", "postgres://localhost/chancery")]);

    assert!(message.contains("ENCRYPTION_KEY is required"), "{message}");
    assert!(message.contains("openssl rand"), "{message}");
}

#[test]
fn weak_secrets_stop_the_start() {
    assert!(problem(&[("ENCRYPTION_KEY", "short")]).contains("ENCRYPTION_KEY is too weak"));
    assert!(problem(&[("ENCRYPTION_KEY", "aaaaaaaaaaaaaaaaaaaaaaaa")]).contains("ENCRYPTION_KEY is too weak"));
    assert!(problem(&[("STATIC_API_KEY", "fifteen-letters")]).contains("STATIC_API_KEY"));
}

#[test]
fn the_issuer_is_https_or_localhost_and_has_no_path() {
    assert!(problem(&[("APP_URL", "http://id.example.org")]).contains("https://"));
    assert!(problem(&[("APP_URL", "https://id.example.org/auth")]).contains("scheme, host and port only"));
    assert!(problem(&[("APP_URL", "https://192.0.2.1")]).contains("must name a host"));
    assert!(problem(&[("APP_URL", "id.example.org")]).contains("must be a URL"));
    assert_eq!(read(&[("APP_URL", "https://ID.example.org/")]).unwrap().issuer(), "https://id.example.org");
}

#[test]
fn a_slip_of_the_pen_is_named_and_all_problems_are_told_at_once() {
    let message = problem(&[("APP_ULR", "https://id.example.org"), ("PORT", "99999"), ("LOG_JSON", "maybe")]);

    assert!(message.contains("did you mean APP_URL?"), "{message}");
    assert!(message.contains("PORT must be a whole number"), "{message}");
    assert!(message.contains("LOG_JSON must be true or false"), "{message}");
}

#[test]
fn what_only_pocket_id_knows_is_mentioned_and_strangers_are_let_be() {
    let config = read(&[("DISABLE_ANIMATIONS", "true"), ("LANG", "C.UTF-8")]).unwrap();

    assert_eq!(config.warnings, ["DISABLE_ANIMATIONS is a setting of Pocket ID that has no effect here"]);
}

#[test]
fn trusting_every_address_is_refused() {
    assert!(problem(&[("TRUST_PROXY", "0.0.0.0/0")]).contains("TRUST_PROXY"));
    assert!(problem(&[("TRUST_PROXY", "10.0.0.0/33")]).contains("no address or CIDR range"));

    let TrustProxy::These(ranges) = read(&[("TRUST_PROXY", "172.16.0.0/12, 10.0.0.1")]).unwrap().trust_proxy else {
        panic!("not a list");
    };
    assert_eq!(ranges.len(), 2);
}

#[test]
fn a_secret_may_come_from_a_file_and_loses_its_newline() {
    let path = std::env::temp_dir().join(format!("chancery-key-{}", std::process::id()));
    std::fs::write(&path, "a-long-enough-random-key\n").unwrap();

    let config = read(&[("ENCRYPTION_KEY_FILE", path.to_str().unwrap())]).unwrap();

    assert_eq!(config.encryption_key.unwrap().expose(), b"a-long-enough-random-key");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_mail_server_is_reached_encrypted_unless_it_is_told_otherwise() {
    let smtp = |more: &[(&str, &str)]| {
        let variables = [&[("SMTP_HOST", "smtp.example.org"), ("SMTP_FROM", "id@example.org")], more].concat();
        let smtp = read(&variables).unwrap().smtp.unwrap();
        (smtp.security, smtp.port)
    };

    assert_eq!(smtp(&[]), (Security::StartTls, 587));
    assert_eq!(smtp(&[("SMTP_TLS", "tls")]), (Security::Tls, 465));
    assert_eq!(smtp(&[("SMTP_TLS", "none")]), (Security::None, 25));
    assert_eq!(smtp(&[("SMTP_TLS", "TLS"), ("SMTP_PORT", "2465")]), (Security::Tls, 2465));
    assert!(read(&[]).unwrap().smtp.is_none());
}

#[test]
fn what_a_mail_server_lacks_is_named() {
    let host = ("SMTP_HOST", "smtp.example.org");
    assert!(problem(&[host]).contains("SMTP_FROM is required"));
    assert!(problem(&[host, ("SMTP_FROM", "id@example.org"), ("SMTP_USER", "id")]).contains("SMTP_PASSWORD"));
    assert!(problem(&[host, ("SMTP_TLS", "ssl")]).contains("SMTP_TLS must be starttls, tls or none"));
}

#[test]
fn rate_limits_are_raised_in_per_cent_and_switched_off_with_a_warning() {
    assert_eq!(read(&[]).unwrap().rate_limit_percent, Some(100));
    assert_eq!(read(&[("RATE_LIMIT_PERCENT", "250")]).unwrap().rate_limit_percent, Some(250));
    assert!(problem(&[("RATE_LIMIT_PERCENT", "0")]).contains("RATE_LIMIT_PERCENT"));

    let off = read(&[("DISABLE_RATE_LIMITING", "true")]).unwrap();
    assert_eq!((off.rate_limit_percent, off.warnings.len()), (None, 1));
}

#[test]
fn the_page_on_settings_is_the_table_of_the_code() {
    assert!(include_str!("../../../docs/SETTINGS.md").ends_with(&super::settings::settings_table()));
}
