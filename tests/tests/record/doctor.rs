//! `chancery doctor` on databases that are well, unprepared, and set up with another key.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Output;
use std::time::{Duration, Instant};

use chancery_adapters::postgres;
use chancery_adapters::vault::Vault;
use chancery_domain::secret::Secret;
use chancery_tests::mailbox::{Mailbox, Tls, certificate};
use chancery_tests::node::ENCRYPTION_KEY;
use chancery_tests::postgres::{fresh_database, url_of};
use chancery_tests::process::Process;
use chancery_tests::relay::Relay;
use chancery_tests::server::Server;
use sqlx::postgres::PgConnectOptions;
use tokio::process::Command;
use url::Url;

use crate::support::serving_role;

/// Whether it is content, and what it prints.
async fn doctor(database: &PgConnectOptions, settings: &[(&str, &str)]) -> (bool, String) {
    let mut url = url_of(database);
    url.set_username(database.get_username()).unwrap();
    let output = chancery("doctor", &url, settings).await;
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

async fn chancery(command: &str, database: &Url, settings: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chancery_node"))
        .arg(command)
        .env_clear()
        .env("DATABASE_URL", database.as_str())
        .env("ENCRYPTION_KEY", ENCRYPTION_KEY)
        .env("LOG_LEVEL", "off")
        .envs(settings.iter().copied())
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_sound_deployment_is_called_so() {
    let server = Server::start().await;
    let role = serving_role(&server.database).await;

    // The throw-away server of the tests does not flush; everything else is as it should be.
    let (_, says) = doctor(&role, &[]).await;

    assert!(says.contains("can read the log and append to it, and no more"), "{says}");
    assert!(says.contains("opens this database; is a copy kept"), "{says}");
    assert!(says.contains("signing keys are active"), "{says}");
    assert!(says.contains("this machine and the database agree"), "{says}");
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_to_do() {
    let server = Server::start().await;

    let (content, says) = doctor(&server.database, &[("ENCRYPTION_KEY", "another encryption key")]).await;
    assert!(!content);
    assert!(says.contains("BAD   keys") && says.contains("restore ENCRYPTION_KEY"), "{says}");
    assert!(says.contains("could change the log"), "the tests' role is the master of the server: {says}");

    let https = [("APP_URL", "https://id.example.org"), ("GEOLITE_DB_PATH", "/nowhere/city.mmdb")];
    let (content, says) = doctor(&server.database, &https).await;
    assert!(!content);
    assert!(says.contains("mind  proxy") && says.contains("set TRUST_PROXY"), "{says}");
    assert!(says.contains("BAD   places") && says.contains("/nowhere/city.mmdb"), "{says}");
}

/// As far as a mail goes before it is one, and no further.
#[tokio::test]
async fn the_mail_server_is_greeted_and_sent_nothing() {
    let server = Server::start().await;
    let (pem, acceptor) = certificate();
    let trusted = std::env::temp_dir().join(format!("chancery-doctor-{}.pem", std::process::id()));
    std::fs::write(&trusted, pem).unwrap();
    let mut mailbox = Mailbox::speaking(Tls::Asked(acceptor)).await;
    let port = mailbox.port();
    let smtp = [
        ("SMTP_HOST", "localhost"),
        ("SMTP_PORT", port.as_str()),
        ("SMTP_FROM", "id@example.org"),
        ("SMTP_USER", "id"),
        ("SMTP_PASSWORD", "of the mail server"),
        ("SMTP_CA_CERTIFICATE", trusted.to_str().unwrap()),
    ];
    let line = async |settings: &[(&str, &str)]| {
        let (_, says) = doctor(&server.database, settings).await;
        says.lines().find(|line| line.get(6..).is_some_and(|rest| rest.starts_with("mail "))).unwrap().to_owned()
    };

    assert!(line(&[]).await.starts_with("mind  mail      nobody is sent any: set SMTP_HOST"));
    let says = line(&smtp).await;
    assert!(says.starts_with(&format!("ok    mail      localhost:{port} lets us in")), "{says}");
    assert_eq!(mailbox.passwords(), ["\0id\0of the mail server"]);

    let says = line(&smtp[..5]).await;
    assert!(says.starts_with("BAD") && says.contains("ertificate") && says.contains("check SMTP_HOST"), "{says}");
    mailbox.bar("535 5.7.8 Who are you?");
    let says = line(&smtp).await;
    assert!(says.starts_with("BAD") && says.contains("Who are you?") && says.contains("SMTP_PASSWORD"), "{says}");
    mailbox.go_away().await;
    let says = line(&smtp).await;
    assert!(says.starts_with("BAD") && says.contains("Connection refused") && says.contains("SMTP_PORT"), "{says}");
    assert!(!says.contains("of the mail server"));
    assert!(mailbox.mails().is_empty());
    std::fs::remove_file(trusted).unwrap();
}

#[tokio::test]
async fn a_pooler_that_passes_no_search_path_on_is_named_by_it_and_stops_the_start() {
    let database = fresh_database().await;
    let relay = Relay::to_test_server().await;
    relay.withhold(b"-c search_path=views,public");
    let mut url = url_of(&database);
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(relay.port)).unwrap();

    let [doctor, server] = [chancery("doctor", &url, &[]).await, chancery("serve", &url, &[]).await];

    let says = String::from_utf8(doctor.stdout).unwrap();
    assert!(!doctor.status.success() && says.contains("BAD   database") && says.contains("a pooler"), "{says}");
    let says = String::from_utf8(server.stderr).unwrap();
    assert!(!server.status.success() && says.contains("DATABASE_URL leads to a pooler"), "{says}");
    let mut connection = postgres::connect(&database).await.unwrap();
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'views')";
    assert_eq!(sqlx::query_scalar::<_, i64>(tables).fetch_one(&mut connection).await.unwrap(), 0);
}

#[tokio::test]
async fn a_database_that_is_away_is_named_at_once_with_the_cause() {
    let nobody: Url = "postgres://chancery@127.0.0.1:1/chancery".parse().unwrap();
    let begun = Instant::now();

    let [doctor, server] = [chancery("doctor", &nobody, &[]).await, chancery("serve", &nobody, &[]).await];

    let says = String::from_utf8(doctor.stdout).unwrap();
    assert!(!doctor.status.success() && says.contains("BAD   database"), "{says}");
    assert!(says.contains("Connection refused"), "{says}");
    let says = String::from_utf8(server.stderr).unwrap();
    assert!(!server.status.success());
    assert_eq!(says.matches("Connection refused").count(), 1, "nothing is said twice: {says}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_setting_that_is_no_text_is_named_and_not_repeated() {
    let garbled = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chancery_node"));
        command.arg("healthcheck").env_clear().env(name, OsStr::from_bytes(b"\xff a key of bytes")).env("PORT", "1");
        command
    };

    let says = String::from_utf8(garbled("ENCRYPTION_KEY").output().await.unwrap().stderr).unwrap();
    assert_eq!(says, "chancery: ENCRYPTION_KEY is no text in UTF-8\n");
    let says = String::from_utf8(garbled("OF_ANOTHER_PROGRAM").output().await.unwrap().stderr).unwrap();
    assert!(says.contains("the server does not listen"), "{says}");
}

/// Somebody who is locked out, in a shell that lacks the server's settings.
#[tokio::test]
async fn a_command_about_what_is_there_makes_no_other_instance() {
    let folder = std::env::temp_dir().join(format!("chancery-nothing-there-{}", std::process::id()));
    for command in [&["one-time-access-token", "ada"][..], &["rebuild"], &["sign-out-everybody"], &["doctor"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_chancery_node"))
            .args(command)
            .env_clear()
            .env("DATA_DIR", &folder)
            .output()
            .await
            .unwrap();
        let says = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let is_told = match command[0] {
            "doctor" => says.contains("mind  database") && says.contains("none yet"),
            _ => !output.status.success() && says.contains(&format!("no database in {}", folder.display())),
        };
        assert!(is_told, "{command:?}: {says}");
        assert!(!folder.exists(), "{command:?}");
    }
}

#[tokio::test]
async fn that_a_command_ends_with_its_embedded_database_is_no_error() {
    let folder = std::env::temp_dir().join(format!("chancery-ends-{}", std::process::id()));
    let process = Process::embedded(env!("CARGO_BIN_EXE_chancery_node"), &folder);

    let output = process.run(&["setup"]).await;

    let link = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && link.contains("/enroll/"), "{link}");
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(!says.contains("ERROR"), "{says}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// As keys from files are everywhere: an editor's newline is none of them, and too little is none.
#[tokio::test]
async fn the_key_in_the_data_folder_is_read_like_one_from_a_file() {
    let folder = std::env::temp_dir().join(format!("chancery-key-by-hand-{}", std::process::id()));
    let process = Process::embedded(env!("CARGO_BIN_EXE_chancery_node"), &folder);
    assert!(process.run(&["setup"]).await.status.success());
    let file = folder.join("encryption_key");
    let key = std::fs::read_to_string(&file).unwrap();

    std::fs::write(&file, format!("{key}\n")).unwrap();
    let output = process.run(&["doctor"]).await;
    let says = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && says.contains("opens this database"), "{says}");

    std::fs::write(&file, "").unwrap();
    let says = String::from_utf8(process.run(&["setup"]).await.stderr).unwrap();
    assert!(says.contains(&format!("the key in {} is too weak", file.display())), "{says}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn it_changes_nothing() {
    let database = fresh_database().await;

    let (_, says) = doctor(&database, &[]).await;

    assert!(says.contains("it has no schema yet"), "{says}");
    let mut connection = postgres::connect(&database).await.unwrap();
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'views')")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(tables, 0);
}

#[tokio::test]
async fn a_change_of_the_encryption_key_is_followed_to_its_end() {
    let server = Server::start().await;
    let both = [("ENCRYPTION_KEY", "the encryption key that comes next"), ("ENCRYPTION_KEY_PREVIOUS", ENCRYPTION_KEY)];

    let (_, says) = doctor(&server.database, &both).await;
    assert!(says.contains("is in use still") && says.contains("chancery encryption-key-rotate"), "{says}");

    let vault = |key: &str| Vault::new(server.app.pool.clone(), &Secret::new(key.as_bytes().to_vec())).unwrap();
    let vault = vault(both[0].1).with_previous(&Secret::new(ENCRYPTION_KEY.into())).unwrap();
    let rotation = vault.rotation().await.unwrap().unwrap();
    vault.take_into_use(&rotation, server.app.now()).await.unwrap();
    let (_, says) = doctor(&server.database, &both).await;
    let remaining = vault.remaining(&rotation.key).await.unwrap();
    assert!(
        remaining > 0 && says.contains(&format!("{remaining} keys are sealed under {}", rotation.replaces)),
        "{says}"
    );

    while vault.reseal(&rotation, "").await.unwrap().is_some() {}
    vault.settle(&rotation).await.unwrap();
    let (_, says) = doctor(&server.database, &both).await;
    assert!(says.contains("nothing is left under the former one: remove ENCRYPTION_KEY_PREVIOUS"), "{says}");
    let (_, says) = doctor(&server.database, &both[..1]).await;
    assert!(says.contains(&format!("the encryption key {} opens this database", rotation.key)), "{says}");
    assert!(!says.contains("ENCRYPTION_KEY_PREVIOUS"), "{says}");
}
