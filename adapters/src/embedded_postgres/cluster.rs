//! The cluster on disk: made once, checked at each start, and the command that runs it.
//!
//! <https://www.postgresql.org/docs/current/app-initdb.html>. An operator may tune `postgresql.conf`; what safety rests
//! on is given on the command line, which wins over it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::EmbeddedError;
use super::account::Account;
use super::binaries::{self, Binaries};
use super::child;
use super::folder::{Place, make_private};
use super::roles;

/// Everything a run of the server needs, so that it can be run again.
pub struct Launch {
    program: PathBuf,
    arguments: Vec<String>,
    account: Account,
    directory: Directory,
}

impl Launch {
    pub fn command(&self) -> Command {
        let mut command = command(&self.program, &self.account, &self.directory);
        command.args(&self.arguments);
        command
    }
}

/// Makes the cluster if there is none, writes who may connect, and says how to run it.
pub fn prepare(place: &Place, bin_dir: Option<&Path>) -> Result<Launch, EmbeddedError> {
    let binaries = binaries::find(bin_dir, major_version(&place.cluster)?, &place.cluster)?;
    if !place.cluster.exists() {
        initialize(place, &binaries)?;
    }
    write_access_rules(place)?;
    let directory = Directory::open(&place.cluster, place.reachable)?;
    let mut arguments = vec!["-D".to_owned(), directory.name()];
    let socket_dir = place.socket_dir.to_string_lossy().replace('"', "\"\"");
    let socket_dirs = ("unix_socket_directories", format!("\"{socket_dir}\""));
    for (name, value) in INVARIANTS.map(|(name, value)| (name, value.to_owned())).into_iter().chain([socket_dirs]) {
        arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
    }
    Ok(Launch { program: binaries.postgres(), arguments, account: place.account.clone(), directory })
}

/// The version that made the cluster; none if there is no cluster.
fn major_version(cluster: &Path) -> Result<Option<u32>, EmbeddedError> {
    if !cluster.exists() {
        return Ok(None);
    }
    let file = cluster.join("PG_VERSION");
    let text = fs::read_to_string(&file).map_err(EmbeddedError::on(&file))?;
    text.trim().parse().map(Some).map_err(|error| EmbeddedError::on(&file)(io::Error::other(error)))
}

/// Made aside and renamed, so that an interruption leaves nothing half-made in its place.
fn initialize(place: &Place, binaries: &Binaries) -> Result<(), EmbeddedError> {
    let partial = place.cluster.with_extension("partial");
    tracing::info!(folder = %place.cluster.display(), version = binaries.major, "making the embedded database");
    let mut failure = String::new();
    for locale in locales(binaries.major) {
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(EmbeddedError::on(&partial))?;
        }
        make_private(&partial, &place.account)?;
        let directory = Directory::open(&partial, place.reachable)?;
        let output = command(&binaries.initdb(), &place.account, &directory)
            .args(["-D", &directory.name(), "--data-checksums", "--encoding=UTF8", "--no-instructions"])
            .args(["--username", roles::SUPERUSER, "--auth-local=peer", "--auth-host=reject"])
            .args(locale)
            .stdin(Stdio::null())
            .output()
            .map_err(EmbeddedError::Spawn)?;
        if output.status.success() {
            append(&partial.join("postgresql.conf"), TUNING).map_err(EmbeddedError::on(&partial))?;
            return fs::rename(&partial, &place.cluster).map_err(EmbeddedError::on(&place.cluster));
        }
        failure = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        if !failure.contains("locale") {
            break;
        }
    }
    Err(EmbeddedError::Init(failure))
}

/// Text sorts by code point, which no update of the C library changes under an index; letters of all scripts have case.
fn locales(major: u32) -> Vec<&'static [&'static str]> {
    let plain: &[&str] = &["--locale=C"];
    match major {
        17.. => vec![&["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"], plain],
        _ => vec![&["--locale=C.UTF-8"], plain],
    }
}

/// Who may connect: this user, the server's own, and root, who could become either; as our roles; over the socket.
fn write_access_rules(place: &Place) -> Result<(), EmbeddedError> {
    let roles = [roles::SUPERUSER, roles::OWNER, roles::APP];
    let rules = format!("# Written by Chancery at each start.\nlocal all {} peer map=chancery\n", roles.join(","));
    let mut map = "# Written by Chancery at each start.\n".to_owned();
    let mut users = vec![place.account.own_name.as_str(), "root"];
    users.dedup();
    for user in users {
        let user = user.replace('"', "\"\"");
        roles.iter().for_each(|role| map.push_str(&format!("chancery \"{user}\" {role}\n")));
    }
    for (name, text) in [("pg_hba.conf", rules), ("pg_ident.conf", map)] {
        let path = place.cluster.join(name);
        replace(&path, &text, &place.account).map_err(EmbeddedError::on(&path))?;
    }
    Ok(())
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn replace(path: &Path, text: &str, account: &Account) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::remove_file(&new).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    account.give(&new)?;
    fs::rename(&new, path)
}

/// A program of the server, as the server's user, apart from our terminal: Ctrl-C is for us, and we then stop it.
fn command(program: &Path, account: &Account, directory: &Directory) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("LC_ALL", "C").process_group(0);
    if let Some((user, group)) = account.change_to {
        command.uid(user).gid(group);
    }
    child::tie(&mut command, directory.handed());
    command
}

/// How the server is told its folder.
enum Directory {
    Path(PathBuf),
    /// Root's own folders are closed to the user that the server runs as, and a clone under `/root` is the usual case.
    /// The folder, opened by root, is handed down; every process of the server finds it as `/proc/self/fd/N`.
    Handed(OwnedFd),
}

impl Directory {
    fn open(path: &Path, reachable: bool) -> Result<Self, EmbeddedError> {
        if reachable {
            return Ok(Self::Path(path.to_owned()));
        }
        File::open(path).map(|file| Self::Handed(file.into())).map_err(EmbeddedError::on(path))
    }

    fn name(&self) -> String {
        match self {
            Self::Path(path) => path.to_string_lossy().into_owned(),
            Self::Handed(descriptor) => format!("/proc/self/fd/{}", descriptor.as_raw_fd()),
        }
    }

    fn handed(&self) -> Option<&OwnedFd> {
        match self {
            Self::Path(_) => None,
            Self::Handed(descriptor) => Some(descriptor),
        }
    }
}

/// No network, nothing acknowledged before it is on disk, and a log of the server's own fate only: what a client did
/// wrong is told to the client, and may hold personal values.
const INVARIANTS: [(&str, &str); 13] = [
    ("listen_addresses", ""),
    ("port", "5432"),
    ("unix_socket_permissions", "0700"),
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_line_prefix", ""),
    ("log_min_messages", "log"),
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
    ("lc_messages", "C"),
];

/// About 15 MB idle, measured as proportional set size. Written once; yours to change.
const TUNING: &str = "
# Chancery: small and idle most of the time. Written once; change it as you like.
max_connections = 40
shared_buffers = 32MB
max_wal_size = 256MB
wal_level = minimal
max_wal_senders = 0
max_replication_slots = 0
max_logical_replication_workers = 0
max_parallel_workers = 0
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
max_worker_processes = 2
autovacuum_max_workers = 2
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
";
