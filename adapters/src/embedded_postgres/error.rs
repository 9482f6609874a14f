use std::io;
use std::path::{Path, PathBuf};

/// Why the embedded Postgres does not run, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "no Postgres server is installed. Install one (Debian, Ubuntu: apt-get install postgresql; macOS: brew install \
         postgresql), name the folder of `postgres` and `initdb` in POSTGRES_BIN_DIR, or set DATABASE_URL"
    )]
    NotInstalled,
    #[error("POSTGRES_BIN_DIR is {}, where `postgres` and `initdb` are not, or do not run", .0.display())]
    NotInBinDir(PathBuf),
    #[error(
        "{} was made by Postgres {data}, but only {found} is here. Install Postgres {data} beside it, or name its folder \
         in POSTGRES_BIN_DIR",
        folder.display()
    )]
    OtherMajor { folder: PathBuf, data: u32, found: String },
    #[error("Postgres {0} is too old; version {oldest} or later is needed", oldest = super::binaries::OLDEST)]
    TooOld(u32),
    #[error("cannot use {}: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{} belongs to another user; start Chancery as that user, or change its owner", .0.display())]
    NotOurs(PathBuf),
    #[error(
        "user id {0} has no name on this machine, and Postgres needs one; add it to /etc/passwd, or set DATABASE_URL"
    )]
    NoUserName(u32),
    #[error(
        "Postgres does not run as root, and there is neither a user `postgres` nor `nobody` to run it as; start Chancery \
         as an ordinary user, or set DATABASE_URL"
    )]
    NoUnprivilegedUser,
    #[error(
        "Postgres does not run as root, and user id {user_id} cannot enter {}; let it (chmod o+x), or put the data \
         elsewhere with DATA_DIR, such as /var/lib/chancery",
        path.display()
    )]
    Unreachable { path: PathBuf, user_id: u32 },
    #[error("the socket folder {} is not a private folder of ours; remove it", .0.display())]
    SocketFolder(PathBuf),
    #[error("the database could not be made: {0}")]
    Init(String),
    #[error("Postgres could not be run: {0}")]
    Spawn(#[source] io::Error),
    #[error("Postgres ended while starting: {0}")]
    Ended(String),
    #[error("Postgres did not get ready: {0}")]
    NotReady(String),
    #[error("process {0} still runs on this data folder and could not be stopped; stop it, then start again")]
    Orphan(i32),
    #[error("another process owns {}, but its Postgres does not answer", folder.display())]
    OtherOwner { folder: PathBuf },
    #[error("Postgres runs with {0} off and would lose what was acknowledged; remove that setting")]
    NotDurable(&'static str),
    #[error("Postgres could not be set up: {0}")]
    Database(#[from] sqlx::Error),
    #[error("Postgres did not stop in time and was ended the hard way; the next start recovers")]
    SlowStop,
}

impl EmbeddedError {
    /// For `map_err`: what failed, failed on this path.
    pub(super) fn on(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Folder { path: path.to_owned(), source }
    }
}
