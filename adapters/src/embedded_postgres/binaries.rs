//! The server programs of this machine.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

/// A folder with `postgres` and `initdb`, and their major version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binaries {
    pub major: u32,
    pub dir: PathBuf,
}

impl Binaries {
    pub fn postgres(&self) -> PathBuf {
        self.dir.join("postgres")
    }

    pub fn initdb(&self) -> PathBuf {
        self.dir.join("initdb")
    }

    /// The programs in this folder, if both are there and say their version.
    fn at(dir: &Path) -> Option<Self> {
        let dir = dir.canonicalize().ok()?;
        if !dir.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
        let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { major, dir })
    }
}

/// The programs for data of major version `data`; without data, the newest.
pub fn find(bin_dir: Option<&Path>, data: Option<u32>, folder: &Path) -> Result<Binaries, EmbeddedError> {
    let found: BTreeSet<Binaries> = match bin_dir {
        Some(dir) => [Binaries::at(dir).ok_or_else(|| EmbeddedError::NotInBinDir(dir.to_owned()))?].into(),
        None => usual_places().iter().filter_map(|dir| Binaries::at(dir)).collect(),
    };
    let newest = found.last().ok_or(EmbeddedError::NotInstalled)?;
    let Some(data) = data else {
        return if newest.major < OLDEST { Err(EmbeddedError::TooOld(newest.major)) } else { Ok(newest.clone()) };
    };
    found.iter().rfind(|binaries| binaries.major == data).cloned().ok_or_else(|| EmbeddedError::OtherMajor {
        folder: folder.to_owned(),
        data,
        found: found.iter().map(|binaries| binaries.major.to_string()).collect::<Vec<_>>().join(", "),
    })
}

/// Debian's and Red Hat's layout, Homebrew on both kinds of Mac, then `PATH`.
fn usual_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
    ] {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        places.extend(
            entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
                .map(|entry| entry.path().join("bin"))
                .filter(|dir| dir.join("postgres").is_file()),
        );
    }
    places.extend(env::var_os("PATH").iter().flat_map(env::split_paths).filter(|dir| dir.join("postgres").is_file()));
    places
}

/// `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`, or `… 18beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..digits].parse().ok()
}

/// The oldest that still gets fixes.
pub const OLDEST: u32 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_every_kind_of_build() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("something else"), None);
    }

    #[test]
    fn a_folder_without_the_programs_is_named_with_the_setting() {
        let error = find(Some(Path::new("/nonexistent")), None, Path::new("data")).unwrap_err();

        assert!(error.to_string().starts_with("POSTGRES_BIN_DIR is /nonexistent"));
    }
}
