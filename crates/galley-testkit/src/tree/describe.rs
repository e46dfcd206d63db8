//! From a file tree back to its text.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::TreeError;
use super::line::quote;

/// What [`describe`] writes besides names, kinds, modes and contents.
#[derive(Debug, Clone, Copy, Default)]
pub struct Columns {
    /// `uid:gid`.
    pub owners: bool,
    /// `@mtime`, in seconds.
    pub times: bool,
}

/// The tree below `root` as text, sorted by path, in the form that [`super::create`] reads. Hard links inside the tree refer to the
/// first of their paths.
///
/// # Errors
/// [`TreeError::Io`].
pub fn describe(root: &Path, columns: Columns) -> Result<String, TreeError> {
    let mut paths = Vec::new();
    collect(root, &mut paths)?;
    paths.sort();
    let mut first_of_inode = BTreeMap::new();
    let mut out = String::new();
    for path in paths {
        let line = line_of(root, &path, columns, &mut first_of_inode)
            .map_err(|source| TreeError::Io { path: path.clone(), source })?;
        out.push_str(&line);
        out.push('\n');
    }
    Ok(out)
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> Result<(), TreeError> {
    let failed = |source| TreeError::Io { path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        paths.push(entry.path());
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(&entry.path(), paths)?;
        }
    }
    Ok(())
}

fn line_of(
    root: &Path,
    path: &Path,
    columns: Columns,
    first_of_inode: &mut BTreeMap<(u64, u64), String>,
) -> io::Result<String> {
    let metadata = path.symlink_metadata()?;
    let kind = metadata.file_type();
    let mut name = path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes().to_vec();
    if kind.is_dir() {
        name.push(b'/');
    }
    let name = quote(&name, false);
    if kind.is_file() && metadata.nlink() > 1 {
        let inode = (metadata.dev(), metadata.ino());
        if let Some(first) = first_of_inode.get(&inode) {
            return Ok(format!("{name} => {first}"));
        }
        first_of_inode.insert(inode, name.clone());
    }
    let mut line = name;
    if kind.is_symlink() {
        line += &format!(" -> {}", quote(fs::read_link(path)?.as_os_str().as_bytes(), false));
    } else {
        line += if kind.is_fifo() { " |" } else { "" };
        line += &format!(" {:04o}", metadata.mode() & 0o7777);
    }
    if columns.owners {
        line += &format!(" {}:{}", metadata.uid(), metadata.gid());
    }
    if columns.times {
        line += &format!(" @{}", metadata.mtime());
    }
    if kind.is_file() {
        line += &format!(" {}", quote(&fs::read(path)?, true));
    }
    Ok(line)
}
