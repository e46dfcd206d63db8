//! Deleting trees that anybody may have made: links are not followed, and no depth takes more stack or descriptors.

use std::ffi::CString;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::StoreError;

/// Levels that are gone through one in another. What lies deeper is moved up first.
const DEEPEST: usize = 64;

/// Deletes a file or a directory with all that is in it; symbolic links are not followed. Nothing there is fine.
pub(crate) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    let result = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => remove_directory(path).map_err(std::io::Error::from),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.map_err(StoreError::on("delete", path)),
    }
}

fn remove_directory(path: &Path) -> Result<(), Errno> {
    let top = open(CWD, path)?;
    let mut moved = 0;
    loop {
        let before = moved;
        empty(&top, &top, 0, &mut moved)?;
        if moved == before {
            return rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR);
        }
    }
}

fn open(parent: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Deletes what is in `directory`, `depth` levels below `top`. Directories that lie too deep are moved into `top`, and
/// counted in `moved`.
fn empty(directory: &OwnedFd, top: &OwnedFd, depth: usize, moved: &mut u64) -> Result<(), Errno> {
    for (name, is_directory) in entries(directory)? {
        if !is_directory {
            gone(rustix::fs::unlinkat(directory, &name, AtFlags::empty()))?;
            continue;
        }
        match rustix::fs::unlinkat(directory, &name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) if depth < DEEPEST => {
                empty(&open(directory, &name)?, top, depth + 1, moved)?;
                gone(rustix::fs::unlinkat(directory, &name, AtFlags::REMOVEDIR))?;
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => move_up(directory, &name, top, moved)?,
            removed => gone(removed)?,
        }
    }
    Ok(())
}

fn move_up(directory: &OwnedFd, name: &CString, top: &OwnedFd, moved: &mut u64) -> Result<(), Errno> {
    loop {
        *moved += 1;
        match rustix::fs::renameat(directory, name, top, format!("moved-{moved}")) {
            // The tree itself has something of that name.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            renamed => return gone(renamed),
        }
    }
}

/// The names in a directory, and which are directories.
fn entries(directory: &OwnedFd) -> Result<Vec<(CString, bool)>, Errno> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Not every file system tells.
            FileType::Unknown => FileType::from_raw_mode(
                rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode,
            ),
            kind => kind,
        };
        entries.push((name.to_owned(), kind == FileType::Directory));
    }
    Ok(entries)
}

/// Somebody else may delete the same.
fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_tree_deeper_than_any_path_goes() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir_all(tree.join("moved-1/full")).unwrap();
        fs::write(tree.join("moved-2"), "").unwrap();
        let mut at = open(CWD, &tree).unwrap();
        for _ in 0..5000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            rustix::fs::symlinkat("/", &at, "l").unwrap();
            at = open(&at, "d").unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn links_are_deleted_and_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (tree, other) = (directory.path().join("tree"), directory.path().join("other"));
        fs::create_dir(&other).unwrap();
        fs::write(other.join("file"), "kept").unwrap();
        fs::create_dir(&tree).unwrap();
        symlink(&other, tree.join("link")).unwrap();
        remove_tree(&tree).unwrap();
        assert_eq!(fs::read(other.join("file")).unwrap(), b"kept");
        symlink(&other, &tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(fs::symlink_metadata(&tree).is_err() && other.join("file").exists());
        remove_tree(&tree).unwrap();
    }
}
