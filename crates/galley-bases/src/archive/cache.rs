//! The package cache: a directory that any number of processes share without a lock.
//!
//! ```text
//! by-sha256/ab/abcd…   packages' files; a name there means that the whole file came, with this hash
//! partial/abcd…        what has come so far of such a file; whoever holds its flock goes on with it
//! releases/KEY         the last `InRelease` of a suite at a mirror, behind what the mirror says about its version
//! indexes/KEY.v1       an index that a release lists by hash, condensed, behind its own hash
//! ```
//!
//! Everything but `partial` appears by rename. All of it can be fetched again, so nothing is synced: what is read back is checked by hash.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::error::ArchiveError;

/// The directory.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    directory: PathBuf,
}

impl Cache {
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.into() }
    }

    /// Where the file of this hash lies.
    pub fn package(&self, sha256: &str) -> PathBuf {
        let (front, _) = sha256.split_at(2.min(sha256.len()));
        self.directory.join("by-sha256").join(front).join(sha256)
    }

    /// Where what came of it lies meanwhile.
    pub fn partial(&self, sha256: &str) -> PathBuf {
        self.directory.join("partial").join(sha256)
    }

    /// Where the release at a URI lies. The URI's path is no file name, so its hash is.
    pub fn release(&self, uri: &str) -> PathBuf {
        self.directory.join("releases").join(sha256_of(uri.as_bytes()))
    }

    /// Where the index of this hash lies.
    pub fn index(&self, sha256: &str) -> PathBuf {
        self.directory.join("indexes").join(format!("{sha256}.v1"))
    }
}

/// Hexadecimal digits in lower case, as everything writes them.
pub(super) fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    super::openpgp::hex(bytes).to_ascii_lowercase()
}

/// Makes the directory that a file is to lie in.
pub(super) fn make_parent(path: &Path) -> Result<(), ArchiveError> {
    let parent = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(parent).map_err(ArchiveError::disk("create", parent))
}

/// Writes a file under another name, and renames it.
pub(super) fn write(path: &Path, pieces: &[&[u8]]) -> Result<(), ArchiveError> {
    make_parent(path)?;
    let written = || -> io::Result<()> {
        let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new("")))?;
        for piece in pieces {
            file.write_all(piece)?;
        }
        // Other users of a shared cache may read it.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path).map_err(|error| error.error).map(drop)
    };
    written().map_err(ArchiveError::disk("write", path))
}

/// A file's bytes; `None` where there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, ArchiveError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ArchiveError::disk("read", path)(error)),
    }
}
