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
fn the_passwords_of_the_database_may_be_kept_apart_from_its_urls() {
    let config = read(&[
        ("ENCRYPTION_KEY", "a-long-enough-random-key"),
        ("DATABASE_URL", "postgres://chancery@postgres/chancery"),
        ("DATABASE_PASSWORD", "of the app"),
        ("DATABASE_OWNER_URL", "postgres://chancery_owner@postgres/chancery"),
        ("DATABASE_OWNER_PASSWORD", "of the owner"),
    ]);

    let Database::Server { app, owner: Some(owner) } = config.unwrap().database else { panic!("not two roles") };
    assert_eq!(app.password.unwrap().expose(), "of the app");
    assert_eq!(owner.password.unwrap().expose(), "of the owner");
}

#[test]
fn the_page_on_settings_is_the_table_of_the_code() {
    assert!(include_str!("../../../docs/SETTINGS.md").ends_with(&super::settings::settings_table()));
}
