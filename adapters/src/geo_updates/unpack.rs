//! Takes the database out of what was downloaded: an archive (MaxMind), a compressed file (DB-IP), or the file itself.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::UpdateError;
use super::download::MOST_BYTES;

pub fn database(archive: &Path, to: &Path) -> Result<(), UpdateError> {
    let mut file = BufReader::new(File::open(archive)?);
    if file.fill_buf()?.starts_with(&GZIP) {
        return write(MultiGzDecoder::new(file), to);
    }
    write(file, to)
}

fn write(mut content: impl Read, to: &Path) -> Result<(), UpdateError> {
    let mut head = Vec::new();
    content.by_ref().take(TAR_BLOCK).read_to_end(&mut head).map_err(damaged)?;
    let is_tar = head.get(257..262) == Some(b"ustar");
    let content = Cursor::new(head).chain(content);
    if !is_tar {
        return copy(content, to);
    }
    for entry in tar::Archive::new(content).entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let is_database = entry.path().map_err(damaged)?.extension().is_some_and(|extension| extension == "mmdb");
        if is_database && entry.header().entry_type().is_file() {
            return copy(entry, to);
        }
    }
    Err(UpdateError::NoDatabase)
}

fn copy(content: impl Read, to: &Path) -> Result<(), UpdateError> {
    let mut file = File::create(to)?;
    let length = io::copy(&mut content.take(MOST_BYTES + 1), &mut file).map_err(damaged)?;
    if length > MOST_BYTES { Err(UpdateError::TooLarge) } else { Ok(()) }
}

/// What the decoders say of bad bytes; anything else is the disk's.
fn damaged(error: io::Error) -> UpdateError {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::Other => {
            UpdateError::Damaged(error)
        }
        _ => UpdateError::File(error),
    }
}

/// RFC 1952 §2.3.1
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The size of a header of a tar archive, which has `ustar` at 257 (POSIX.1-1988).
const TAR_BLOCK: u64 = 512;
