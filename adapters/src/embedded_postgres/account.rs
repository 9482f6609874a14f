//! Which operating system user we are, and which one the server runs as. Postgres refuses to run as root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use super::EmbeddedError;

/// The user that the server runs as.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name that Postgres sees when this process connects.
    pub own_name: String,
    pub user_id: u32,
    /// User and group to change to. Only root can, and must.
    pub change_to: Option<(u32, u32)>,
}

impl Account {
    /// For an ordinary user, that user. For root, the owner of `cluster` if there is one, else `postgres` or `nobody`.
    pub fn for_cluster(cluster: &Path) -> Result<Self, EmbeddedError> {
        let user_id = geteuid().as_raw();
        let own_name = id(&["-un"]).ok_or(EmbeddedError::NoUserName(user_id))?;
        let owner = fs::metadata(cluster).ok().map(|metadata| (metadata.uid(), metadata.gid()));
        if user_id != 0 {
            return match owner {
                Some((owner, _)) if owner != user_id => Err(EmbeddedError::NotOurs(cluster.to_owned())),
                _ => Ok(Self { own_name, user_id, change_to: None }),
            };
        }
        let (user_id, group_id) = owner
            .filter(|(owner, _)| *owner != 0)
            .or_else(|| UNPRIVILEGED.iter().find_map(|name| ids_of(name)))
            .ok_or(EmbeddedError::NoUnprivilegedUser)?;
        Ok(Self { own_name, user_id, change_to: Some((user_id, group_id)) })
    }

    /// Gives a file or folder to the server's user.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        match self.change_to {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    /// Whether the server's user may pass through this folder, by its mode. Access lists are not looked at.
    pub fn can_enter(&self, folder: &Path) -> bool {
        let Some((user, group)) = self.change_to else { return true };
        let Ok(metadata) = fs::metadata(folder) else { return false };
        let bit = match metadata {
            ref metadata if metadata.uid() == user => 0o100,
            ref metadata if metadata.gid() == group => 0o010,
            _ => 0o001,
        };
        metadata.mode() & bit != 0
    }
}

fn ids_of(name: &str) -> Option<(u32, u32)> {
    Some((id(&["-u", name])?.parse().ok()?, id(&["-g", name])?.parse().ok()?))
}

/// POSIX `id`, which asks every source of users that the machine is set up with.
fn id(arguments: &[&str]) -> Option<String> {
    let output = Command::new("id").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];
