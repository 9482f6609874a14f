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
fn a_static_api_key_can_be_sent_and_not_be_guessed() {
    for key in ["aaaaaaaaaaaaaaaaaaaaaaaa", "ein schlüssel für terraform", "a key with blanks in it"] {
        assert!(problem(&[("STATIC_API_KEY", key)]).contains("STATIC_API_KEY"), "{key}");
    }
    assert!(read(&[("STATIC_API_KEY", "a-static-api-key-for-tests")]).is_ok());
}

#[test]
fn a_secret_that_is_set_in_two_ways_must_be_the_same() {
    let path = std::env::temp_dir().join(format!("chancery-two-{}", std::process::id()));
    std::fs::write(&path, "a-long-enough-random-key\n").unwrap();
    let both = |key| [("ENCRYPTION_KEY", key), ("ENCRYPTION_KEY_FILE", path.to_str().unwrap())];

    assert!(problem(&both("another-long-enough-key")).contains("ENCRYPTION_KEY and ENCRYPTION_KEY_FILE differ"));
    assert!(read(&both("a-long-enough-random-key")).is_ok());
    let key = ("ENCRYPTION_KEY", "a-long-enough-random-key");
    let urls = |other| [key, ("DATABASE_URL", "postgres://db/chancery"), ("DB_CONNECTION_STRING", other)];
    assert!(problem(&urls("postgres://db/other")).contains("DATABASE_URL and DB_CONNECTION_STRING differ"));
    assert!(read(&urls("postgres://db/chancery")).is_ok());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_sign_in_never_outlasts_its_lifetime_however_long_it_may_be_idle() {
    let seconds = |variables: &[(&str, &str)]| {
        let config = read(variables).unwrap();
        (config.session_idle_seconds, config.session_lifetime_seconds)
    };

    assert_eq!(seconds(&[]), (86_400, 30 * 86_400));
    assert_eq!(seconds(&[("SESSION_LIFETIME", "60")]), (3_600, 3_600));
    assert_eq!(seconds(&[("SESSION_LIFETIME", "60"), ("SESSION_DURATION", "20")]), (1_200, 3_600));
    let message = problem(&[("SESSION_LIFETIME", "60"), ("SESSION_DURATION", "90")]);
    assert!(message.contains("SESSION_DURATION") && message.contains("SESSION_LIFETIME"), "{message}");
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
    for (slip, meant) in
        [("SMTP_USERNAME", "SMTP_USER"), ("SMTP_PASS", "SMTP_PASSWORD"), ("DATA_DIRECTORY", "DATA_DIR")]
    {
        assert!(problem(&[(slip, "x")]).contains(&format!("did you mean {meant}?")), "{slip}");
    }
    assert!(read(&[("HOSTNAME", "a"), ("PORTAL", "b"), ("SMTP_RELAY", "c")]).is_ok(), "others have settings, too");
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
fn the_proxy_may_come_by_a_unix_socket_and_name_its_own_header() {
    let config = read(&[("UNIX_SOCKET", "/run/chancery.sock"), ("TRUSTED_PLATFORM", "Forwarded")]).unwrap();
    assert!(matches!(config.listen, Listen::Unix { mode: 0o660, .. }));
    assert_eq!(config.address_header, AddressHeader::Forwarded);

    assert!(problem(&[("UNIX_SOCKET", "/run/a"), ("UNIX_SOCKET_MODE", "999")]).contains("UNIX_SOCKET_MODE"));
    assert!(problem(&[("TRUSTED_PLATFORM", "no header")]).contains("TRUSTED_PLATFORM"));
    assert!(problem(&[("PROXY_PROTOCOL", "true")]).contains("needs TRUST_PROXY"));
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
fn each_signal_is_sent_with_its_own_headers_or_those_of_all_which_may_be_in_files() {
    let path = std::env::temp_dir().join(format!("chancery-headers-{}", std::process::id()));
    std::fs::write(&path, "authorization=Basic%20of-traces, x=1\n").unwrap();
    let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE", path.to_str().unwrap());

    let telemetry = read(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=of-all"), of_traces]).unwrap().telemetry;

    assert!(!format!("{telemetry:?}").contains("of-"), "{telemetry:?}");
    let pairs = |headers: Option<Headers>| headers.unwrap().expose().clone();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(pairs(telemetry.trace_headers), [pair("authorization", "Basic of-traces"), pair("x", "1")]);
    assert_eq!(pairs(telemetry.metric_headers), [pair("authorization", "of-all")]);
    assert_eq!(pairs(telemetry.log_headers), [pair("authorization", "of-all")]);
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
fn a_license_key_is_sent_over_tls_only_and_never_shown() {
    let key = ("MAXMIND_LICENSE_KEY", "abcdef_0123456789_mmk");
    let config = read(&[("MAXMIND_ACCOUNT_ID", "123456"), key, ("DATA_DIR", "/data")]).unwrap();
    assert_eq!(config.geolite_db_path.as_deref(), Some(std::path::Path::new("/data/GeoLite2-City.mmdb")));
    assert!(!format!("{config:?}").contains(key.1));

    assert!(problem(&[("MAXMIND_ACCOUNT_ID", "123456")]).contains("MAXMIND_LICENSE_KEY"));
    assert!(problem(&[("MAXMIND_ACCOUNT_ID", "me@example.org"), key]).contains("the account's number"));
    assert!(problem(&[("MAXMIND_LICENSE_KEY", "a key?")]).contains("characters"));
    assert!(
        problem(&[("GEOLITE_DB_URL", "https://mirror.example/?key=%s")]).contains("there is no MAXMIND_LICENSE_KEY")
    );
    assert!(problem(&[("GEOLITE_DB_URL", "http://mirror.example/?key=%s"), key]).contains("https://"));
    assert!(problem(&[("GEOLITE_DB_URL", "city.mmdb")]).contains("must be a URL"));
    assert!(read(&[("GEOLITE_DB_URL", "http://mirror.example/city.mmdb")]).unwrap().geo_download.is_some());
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
    let from = ("SMTP_FROM", "id@example.org");
    for wrong in ["smtp.example.org:587", "smtps://smtp.example.org", "smtp example.org"] {
        assert!(problem(&[("SMTP_HOST", wrong), from]).contains("SMTP_HOST must be a host"), "{wrong}");
    }
    for right in ["localhost", "mail", "192.0.2.25", "2001:db8::25", "[2001:db8::25]"] {
        assert!(read(&[("SMTP_HOST", right), from]).is_ok(), "{right}");
    }
    assert!(problem(&[host]).contains("SMTP_FROM is required"));
    assert!(problem(&[host, ("SMTP_FROM", "id@example.org"), ("SMTP_USER", "id")]).contains("SMTP_PASSWORD"));
    assert!(problem(&[host, ("SMTP_TLS", "ssl")]).contains("SMTP_TLS must be starttls, tls or none"));
}

#[test]
fn half_a_database_stops_the_start_and_half_a_mail_server_is_mentioned() {
    let key = ("ENCRYPTION_KEY", "a-long-enough-random-key");
    for name in ["DATABASE_PASSWORD", "DATABASE_OWNER_URL", "DATABASE_OWNER_PASSWORD"] {
        assert_eq!(
            problem(&[key, (name, "postgres://owner@db/chancery")]),
            format!("{name} needs DATABASE_URL; set both, or neither")
        );
    }

    let config = read(&[("SMTP_FROM", "id@example.org"), ("SMTP_USER", "id")]).unwrap();
    assert!(config.smtp.is_none());
    assert_eq!(config.warnings, ["SMTP_FROM is set, but no SMTP_HOST: no mail is sent"]);
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

#[test]
fn nothing_is_exported_unless_it_is_asked_for() {
    let telemetry = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")]).unwrap().telemetry;
    assert!(!telemetry.traces && !telemetry.logs && !telemetry.counts());
    assert!(telemetry.trace_context);

    let asked = [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_METRICS_EXPORTER", "otlp,prometheus")];
    let telemetry = read(&asked).unwrap().telemetry;
    assert!(telemetry.traces && telemetry.metrics && !telemetry.logs);
    assert_eq!(telemetry.prometheus, Some(("localhost".to_owned(), 9464)));

    let telemetry = read(&[asked[0], asked[1], ("OTEL_SDK_DISABLED", "true")]).unwrap().telemetry;
    assert!(!telemetry.traces && !telemetry.counts());
}

#[test]
fn what_the_exporters_do_not_speak_stops_the_start_and_says_what_to_set() {
    let message = problem(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert!(message.contains("Set http/protobuf") && message.contains("4318"), "{message}");
    assert!(problem(&[("OTEL_TRACES_EXPORTER", "zipkin")]).contains("must be none or otlp"));
    assert!(problem(&[("OTEL_LOGS_EXPORTER", "console")]).contains("must be none or otlp"));
    assert!(problem(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")]).contains("gzip or none"));
    assert!(problem(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")]).contains("must be a URL"));
    assert!(problem(&[("OTEL_TRACES_SAMPLER", "sometimes")]).contains("traceidratio"));
    assert!(problem(&[("OTEL_TRACES_SAMPLER_ARG", "2")]).contains("from 0.0 to 1.0"));
    assert!(problem(&[("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem")]).contains("belong together"));
    assert!(problem(&[("LOG_FORMAT", "xml")]).contains("text, json or logfmt"));
}

/// The SDK would go on with its default, and say so where nobody looks.
#[test]
fn what_is_no_number_or_no_list_of_pairs_stops_the_start_too() {
    let numbers = [
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_SPAN_LINK_COUNT_LIMIT",
    ];
    for name in numbers {
        assert!(problem(&[(name, "5s")]).contains(&format!("{name} must be a whole number")), "{name}");
        assert!(read(&[(name, "5000")]).is_ok(), "{name}");
    }
    for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_LOGS_HEADERS", "OTEL_RESOURCE_ATTRIBUTES"] {
        let message = problem(&[(name, "the-password")]);
        assert!(message.contains(&format!("{name} must be name=value pairs")), "{message}");
        assert!(!message.contains("the-password"), "{message}");
    }
}

#[test]
fn what_is_said_about_this_service_is_decoded() {
    let telemetry = |text| read(&[("OTEL_RESOURCE_ATTRIBUTES", text)]).unwrap().telemetry.resource;

    let said = telemetry("deployment.environment.name=at%20home, service.namespace=a=b,");
    let pairs: Vec<_> = said.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("deployment.environment.name", "at home"), ("service.namespace", "a=b")]);
    assert!(problem(&[("OTEL_RESOURCE_ATTRIBUTES", "name=%ff")]).contains("OTEL_RESOURCE_ATTRIBUTES"));
}

#[test]
fn other_variables_of_opentelemetry_are_only_mentioned() {
    let config = read(&[("OTEL_SERVICE_NAMES", "x"), ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "x")]).unwrap();
    assert_eq!(config.warnings.len(), 2);
    // The SDK's batches are not timed by it, whatever the specification says; OTEL_EXPORTER_OTLP_TIMEOUT does that.
    let config = read(&[("OTEL_BSP_EXPORT_TIMEOUT", "30000"), ("OTEL_BLRP_EXPORT_TIMEOUT", "30000")]).unwrap();
    assert!(config.warnings.iter().all(|warning| warning.contains("has no effect here")));
    assert_eq!(config.warnings.len(), 2);
    let config = read(&[("OTEL_PROPAGATORS", "b3,tracecontext")]).unwrap();
    assert!(config.warnings[0].contains("b3") && config.telemetry.trace_context);
    assert!(!read(&[("OTEL_PROPAGATORS", "none")]).unwrap().telemetry.trace_context);
    let config = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")]).unwrap();
    assert!(config.warnings[0].contains("4318"));
}

#[test]
fn a_log_level_that_is_none_does_not_silence_the_log() {
    for wrong in ["verbose", "warning", "chancery_api", "info,sqlx", "chancery_api=debug,loud", "info, error"] {
        assert!(problem(&[("LOG_LEVEL", wrong)]).contains("is no level"), "{wrong}");
    }
    for right in ["info", "WARN", "off", "info,sqlx=warn", "chancery_api=debug,error"] {
        assert!(read(&[("LOG_LEVEL", right)]).is_ok(), "{right}");
    }
}

#[test]
fn a_name_is_one_line() {
    assert!(problem(&[("APP_NAME", "Our\nhouse")]).contains("APP_NAME holds characters that cannot be shown"));
}

#[test]
fn log_json_still_means_json() {
    assert_eq!(read(&[]).unwrap().log_format, LogFormat::Text);
    assert_eq!(read(&[("LOG_JSON", "true")]).unwrap().log_format, LogFormat::Json);
    assert_eq!(read(&[("LOG_JSON", "true"), ("LOG_FORMAT", "logfmt")]).unwrap().log_format, LogFormat::Logfmt);
}
