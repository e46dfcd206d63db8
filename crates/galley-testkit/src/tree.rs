//! File trees written as text. One line is one entry, parents before children:
//!
//! ```text
//! # a comment
//! bin/ 0755
//! bin/tool 0755 "#!/bin/sh\necho hi\n"
//! bin/alias -> tool
//! bin/twin => bin/tool
//! pipe | 0600
//! owned 0644 1000:1000 @1700000000 "x"
//! "odd \xff name" 0644 ""
//! ```
//!
//! `/` at the end of a name makes a directory, `->` a symbolic link, `=>` a hard link to an earlier entry, `|` a FIFO, anything
//! else a file. The mode (octal), `uid:gid`, `@mtime` (seconds since 1970) and the content may be left out; they are 0755 or
//! 0644, the caller's ids, now, and nothing. A name or content in quotes knows `\n \t \\ \"` and `\xHH`.

mod describe;
mod line;

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};

pub use describe::{Columns, describe};
pub(crate) use line::quote;
use line::{Kind, Line};

/// Why a tree could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A line is not in the form that the module's documentation shows.
    #[error("line {line} of the tree, `{text}`: {problem}")]
    Syntax {
        /// The line's number, from 1.
        line: usize,
        /// The line.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file system refused.
    #[error("cannot make {}: {source}", path.display())]
    Io {
        /// The entry.
        path: PathBuf,
        /// The file system's answer.
        source: io::Error,
    },
}

/// Makes the tree that `text` describes below `root`, which exists or is made.
///
/// # Errors
/// [`TreeError`].
pub fn create(root: &Path, text: &str) -> Result<(), TreeError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TreeError::Io { path, source }
    };
    fs::create_dir_all(root).map_err(failed(root))?;
    let mut entries = Vec::new();
    for (number, text) in text.lines().enumerate() {
        let entry = Line::parse(text).map_err(|problem| TreeError::Syntax {
            line: number + 1,
            text: text.into(),
            problem,
        })?;
        if let Some(entry) = entry {
            let path = root.join(OsStr::from_bytes(&entry.path));
            make(root, &path, &entry).map_err(failed(&path))?;
            entries.push((path, entry));
        }
    }
    // A directory's time changes with each entry made in it, so times come last, children first.
    for (path, entry) in entries.iter().rev() {
        set_time(path, entry).map_err(failed(path))?;
    }
    Ok(())
}

/// A temporary directory with the tree that `text` describes.
///
/// # Errors
/// [`TreeError`].
pub fn temporary(text: &str) -> Result<tempfile::TempDir, TreeError> {
    let directory = tempfile::tempdir()
        .map_err(|source| TreeError::Io { path: "a temporary directory".into(), source })?;
    create(directory.path(), text)?;
    Ok(directory)
}

fn make(root: &Path, path: &Path, entry: &Line) -> io::Result<()> {
    match &entry.kind {
        Kind::Directory => match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made?,
        },
        Kind::File(content) => fs::write(path, content)?,
        Kind::Symlink(target) => symlink(OsStr::from_bytes(target), path)?,
        Kind::HardLink(earlier) => return fs::hard_link(root.join(OsStr::from_bytes(earlier)), path),
        Kind::Fifo => mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?,
    }
    let is_link = matches!(entry.kind, Kind::Symlink(_));
    if let Some((uid, gid)) = entry.owner {
        let change = if is_link { lchown } else { chown };
        change(path, Some(uid), Some(gid))?;
    }
    if !is_link {
        fs::set_permissions(path, Permissions::from_mode(entry.mode()))?;
    }
    Ok(())
}

fn set_time(path: &Path, entry: &Line) -> io::Result<()> {
    let Some(seconds) = entry.mtime else { return Ok(()) };
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
