//! The embedded Postgres with real processes: made, restarted, killed, orphaned, shared, as root and as an ordinary user.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chancery_adapters::embedded_postgres::{EmbeddedError, EmbeddedPostgres, Settings};
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

const HELD_DIR: &str = "CHANCERY_TEST_HELD_DIR";

#[tokio::test]
async fn the_first_start_makes_a_durable_and_private_server() {
    let folder = Folder::new("first");

    let postgres = start(&folder.0).await.unwrap();

    let mut app = postgres.app_options().connect().await.unwrap();
    assert_eq!(text(&mut app, "SHOW fsync").await, "on");
    assert_eq!(text(&mut app, "SHOW data_checksums").await, "on");
    assert_eq!(text(&mut app, "SHOW server_encoding").await, "UTF8");
    assert_eq!(text(&mut app, "SHOW listen_addresses").await, "");
    assert_eq!(text(&mut app, "SELECT lower('ÅSA')").await, "åsa");
    let socket_dir = postgres.app_options().get_socket().unwrap().clone();
    assert_eq!(fs::metadata(socket_dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(folder.cluster()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn ev_01_the_application_owns_nothing_and_may_create_nothing() {
    let folder = Folder::new("roles");
    let postgres = start(&folder.0).await.unwrap();
    let mut owner = postgres.owner_options().connect().await.unwrap();
    let mut app = postgres.app_options().connect().await.unwrap();

    owner.execute("CREATE TABLE notes (text text)").await.unwrap();

    for forbidden in
        ["CREATE TABLE mine ()", "CREATE SCHEMA mine", "DROP TABLE notes", "SELECT * FROM notes", "SET ROLE postgres"]
    {
        let error = app.execute(forbidden).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("42501"), "{forbidden}: {error}");
    }
    for role in ["chancery", "chancery_owner"] {
        let superuser = format!("SELECT rolsuper::text FROM pg_roles WHERE rolname = '{role}'");
        assert_eq!(text(&mut app, &superuser).await, "false");
    }
}

#[tokio::test]
async fn a_restart_keeps_what_was_written_even_beside_a_pid_file_of_something_else() {
    let folder = Folder::new("restart");
    let postgres = start(&folder.0).await.unwrap();
    write_down(&postgres, "kept").await;

    postgres.stop().await.unwrap();
    postgres.stop().await.unwrap();
    drop(postgres);
    assert!(!folder.cluster().join("postmaster.pid").exists());
    fs::write(folder.cluster().join("postmaster.pid"), format!("{}\n{}\n", std::process::id(), folder.0.display()))
        .unwrap();
    let postgres = start(&folder.0).await.unwrap();

    assert_eq!(written(&postgres).await, "kept");
}

#[tokio::test]
async fn a_server_that_is_killed_is_started_again() {
    let folder = Folder::new("killed");
    let postgres = start(&folder.0).await.unwrap();
    write_down(&postgres, "kept").await;
    let killed = folder.postmaster();

    kill_process(killed, Signal::KILL).unwrap();

    let deadline = Instant::now() + Duration::from_secs(30);
    while folder.postmaster_if_any().is_none_or(|pid| pid == killed) || !reachable(&postgres.app_options()).await {
        assert!(Instant::now() < deadline, "it was not started again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(written(&postgres).await, "kept");
}

#[tokio::test]
async fn an_orphan_is_stopped_and_replaced() {
    let folder = Folder::new("orphan");
    let postgres = start(&folder.0).await.unwrap();
    write_down(&postgres, "kept").await;
    let program = fs::read_link(format!("/proc/{}/exe", folder.postmaster())).unwrap();
    drop(postgres);
    let owner = fs::metadata(folder.cluster()).unwrap();
    let mut orphan = Command::new(program)
        .arg("-D")
        .arg(folder.cluster())
        .args(["-c", "listen_addresses=", "-c"])
        .arg(format!("unix_socket_directories={}", folder.0.join("socket").display()))
        .current_dir("/")
        .uid(owner.uid())
        .gid(owner.gid())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while folder.postmaster_if_any().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let postgres = start(&folder.0).await.unwrap();

    assert!(orphan.wait().unwrap().success(), "it was stopped in good order");
    assert!(postgres.is_owner());
    assert_eq!(written(&postgres).await, "kept");
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
async fn a_holder_holds_the_server_when_asked_to() {
    let Some(dir) = std::env::var_os(HELD_DIR) else { return };
    let _postgres = start(Path::new(&dir)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn the_server_dies_with_its_parent_and_guests_share_it_until_then() {
    let folder = Folder::new("parent");
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_holder_holds_the_server_when_asked_to"])
        .env(HELD_DIR, &folder.0)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // By then it holds the lock, though the server may not be ready.
    while folder.postmaster_if_any().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let guest = start(&folder.0).await.unwrap();
    assert!(!guest.is_owner());
    write_down(&guest, "kept").await;
    guest.stop().await.unwrap();
    assert_eq!(written(&guest).await, "kept", "a guest stops nothing");
    let held = folder.postmaster();

    parent.kill().unwrap();
    parent.wait().unwrap();

    if cfg!(target_os = "linux") {
        let deadline = Instant::now() + Duration::from_secs(15);
        while folder.cluster().join("postmaster.pid").exists() {
            assert!(Instant::now() < deadline, "{held:?} outlived its parent");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let postgres = start(&folder.0).await.unwrap();
    assert!(postgres.is_owner());
    assert_eq!(written(&postgres).await, "kept");
}

#[tokio::test]
async fn dropping_stops_the_server() {
    let folder = Folder::new("drop");
    let postgres = start(&folder.0).await.unwrap();
    let pid = folder.postmaster();

    drop(postgres);

    assert!(test_kill_process(pid).is_err());
    assert!(!folder.cluster().join("postmaster.pid").exists());
}

#[tokio::test]
async fn data_of_another_major_version_is_left_alone_and_named() {
    let folder = Folder::new("major");
    start(&folder.0).await.unwrap();
    fs::write(folder.cluster().join("PG_VERSION"), "9\n").unwrap();

    let error = start(&folder.0).await.err().unwrap();

    assert!(matches!(error, EmbeddedError::OtherMajor { data: 9, .. }), "{error}");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_has_it_elsewhere() {
    let folder = Folder::new("long");
    let deep =
        folder.0.join("a-folder-with-quite-a-long-name/of-which-there-are-several/so-that-no-socket-fits, \"here\"");

    let postgres = start(&deep).await.unwrap();

    let socket_dir = postgres.app_options().get_socket().unwrap().clone();
    assert!(!socket_dir.starts_with(&folder.0));
    assert!(reachable(&postgres.app_options()).await);
    drop(postgres);
    fs::remove_dir_all(socket_dir).unwrap();
}

#[tokio::test]
async fn root_may_keep_its_data_in_a_folder_closed_to_others() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new("closed");
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = folder.0.join("clone/data");

    let postgres = start(&data_dir).await.unwrap();
    write_down(&postgres, "kept").await;
    postgres.stop().await.unwrap();
    drop(postgres);
    let postgres = start(&data_dir).await.unwrap();

    assert_eq!(written(&postgres).await, "kept");
    assert_ne!(fs::metadata(data_dir.join("postgres")).unwrap().uid(), 0);
    let socket_dir = postgres.app_options().get_socket().unwrap().clone();
    drop(postgres);
    fs::remove_dir_all(socket_dir).unwrap();
}

#[test]
fn an_ordinary_user_may_do_all_this_too() {
    if !geteuid().is_root() {
        return;
    }
    let program = std::env::current_exe().unwrap();
    let nobody = || {
        let mut command = Command::new(&program);
        command.uid(65534).gid(65534).current_dir("/").env("TMPDIR", "/tmp").env_remove("XDG_RUNTIME_DIR");
        command
    };
    // A build below root's own folder is out of that user's reach.
    if nobody().arg("--list").stdout(Stdio::null()).status().is_err() {
        return;
    }

    let status = nobody()
        .args(["--exact", "the_first_start_makes_a_durable_and_private_server"])
        .arg("the_server_dies_with_its_parent_and_guests_share_it_until_then")
        .status()
        .unwrap();

    assert!(status.success());
}

/// A folder that the server's user may enter, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(format!("/tmp/chancery-embedded-{}-{name}", std::process::id()));
        fs::DirBuilder::new().mode(0o755).create(&path).unwrap();
        Self(path)
    }

    fn cluster(&self) -> PathBuf {
        self.0.join("postgres")
    }

    fn postmaster_if_any(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.cluster().join("postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.parse().ok()?)
    }

    fn postmaster(&self) -> Pid {
        self.postmaster_if_any().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

async fn start(data_dir: &Path) -> Result<EmbeddedPostgres, EmbeddedError> {
    EmbeddedPostgres::start(Settings { data_dir: data_dir.to_owned(), bin_dir: None }).await
}

async fn reachable(options: &PgConnectOptions) -> bool {
    options.connect().await.is_ok()
}

async fn text(connection: &mut PgConnection, query: &str) -> String {
    sqlx::query_scalar(query).fetch_one(connection).await.unwrap()
}

async fn write_down(postgres: &EmbeddedPostgres, note: &str) {
    let mut owner = postgres.owner_options().connect().await.unwrap();
    owner.execute(format!("CREATE TABLE kept AS SELECT '{note}' AS note").as_str()).await.unwrap();
    owner.close().await.unwrap();
}

async fn written(postgres: &EmbeddedPostgres) -> String {
    let mut owner = postgres.owner_options().connect().await.unwrap();
    text(&mut owner, "SELECT note FROM kept").await
}
