//! The data folder: who owns it now, and where in it the cluster and the socket are.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::EmbeddedError;
use super::account::Account;

/// The data folder, by its absolute path.
pub struct Folder {
    pub path: PathBuf,
}

/// Where things are, and as whom the server finds them.
pub struct Place {
    pub account: Account,
    pub cluster: PathBuf,
    pub socket_dir: PathBuf,
    /// Whether the server's user can walk down to the cluster, or has to be handed it.
    pub reachable: bool,
}

impl Folder {
    /// Makes the folder if need be.
    pub fn open(path: &Path) -> Result<Self, EmbeddedError> {
        fs::create_dir_all(path).map_err(EmbeddedError::on(path))?;
        let path = path.canonicalize().map_err(EmbeddedError::on(path))?;
        Ok(Self { path })
    }

    /// Becomes the owner, unless another process is. The lock lives as long as the file is open in this process; the
    /// server does not inherit it.
    pub fn lock(&self) -> Result<Option<File>, EmbeddedError> {
        let path = self.lock_path();
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(|source| {
                match source.kind() {
                    ErrorKind::PermissionDenied => EmbeddedError::NotOurs(self.path.clone()),
                    _ => EmbeddedError::Folder { path: path.clone(), source },
                }
            })?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(EmbeddedError::Folder { path, source }),
        }
    }

    /// Tells guests where the owner's server listens, and lets its user be the owner another time.
    pub fn name_socket_dir(&self, mut lock: &File, place: &Place) -> Result<(), EmbeddedError> {
        let (path, socket_dir) = (self.lock_path(), place.socket_dir.to_string_lossy());
        lock.set_len(0)
            .and_then(|()| lock.write_all(socket_dir.as_bytes()))
            .and_then(|()| place.account.give(&path))
            .map_err(EmbeddedError::on(&path))
    }

    /// Where the owner's server listens, as the owner said.
    pub fn owners_socket_dir(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(self.lock_path()).ok()?;
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    /// Settles where things are. Only the owner does.
    pub fn place(&self) -> Result<Place, EmbeddedError> {
        let cluster = self.path.join("postgres");
        let account = Account::for_cluster(&cluster)?;
        let closed = self.path.ancestors().find(|folder| !account.can_enter(folder));
        // Linux can hand an open folder down to the server; see `cluster`.
        if let Some(path) = closed.filter(|_| !cfg!(target_os = "linux")) {
            return Err(EmbeddedError::Unreachable { path: path.to_owned(), user_id: account.user_id });
        }
        let reachable = closed.is_none();
        let socket_dir = self.socket_dir(&account, reachable);
        make_private(&socket_dir, &account)?;
        Ok(Place { account, cluster, socket_dir, reachable })
    }

    /// Beside the cluster, or else in a folder for such things, under a name that belongs to this data folder.
    fn socket_dir(&self, account: &Account, reachable: bool) -> PathBuf {
        let beside = self.path.join("socket");
        if reachable && fits(&beside) {
            return beside;
        }
        let digest = Sha256::digest(self.path.as_os_str().as_encoded_bytes());
        let name = digest[..8].iter().fold("chancery-".to_owned(), |name, byte| name + &format!("{byte:02x}"));
        // The session's own folder; root's is closed to the server's user.
        let session = env::var_os("XDG_RUNTIME_DIR").filter(|_| account.change_to.is_none());
        let system = account.change_to.map(|_| "/run".into());
        [session, system, Some(env::temp_dir().into_os_string())]
            .into_iter()
            .flatten()
            .map(|parent| PathBuf::from(parent).join(&name))
            .find(|dir| fits(dir) && dir.parent().is_some_and(|parent| parent.is_dir() && account.can_enter(parent)))
            .unwrap_or_else(|| Path::new("/tmp").join(name))
    }

    fn lock_path(&self) -> PathBuf {
        self.path.join("postgres.lock")
    }
}

/// unix(7): `sun_path` has 108 bytes, on macOS 104.
fn fits(socket_dir: &Path) -> bool {
    socket_dir.join(".s.PGSQL.5432").as_os_str().len() <= 100
}

/// Makes a folder that only the server's user enters, or checks that it is one: in a shared folder, somebody else might
/// have put something in its place.
pub fn make_private(dir: &Path, account: &Account) -> Result<(), EmbeddedError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => return account.give(dir).map_err(EmbeddedError::on(dir)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(EmbeddedError::on(dir)(error)),
    }
    let metadata = fs::symlink_metadata(dir).map_err(EmbeddedError::on(dir))?;
    let trusted = metadata.uid() == account.user_id || (account.change_to.is_some() && metadata.uid() == 0);
    if !metadata.is_dir() || !trusted {
        return Err(EmbeddedError::SocketFolder(dir.to_owned()));
    }
    fs::set_permissions(dir, Permissions::from_mode(0o700))
        .and_then(|()| account.give(dir))
        .map_err(EmbeddedError::on(dir))
}
