//! A local directory as a build context: scanned into a [`Tree`], filtered by its ignore file, its files hashed when a
//! step selects them.
//!
//! A scan reads metadata only. Content digests come from the store's stat cache where nothing says that a file changed,
//! and else from reading the file when somebody asks for them. What a step copies is checked against them once more as it
//! passes, so a file that changes while the build runs is noticed and never recorded under the wrong key.

mod filesystem;
mod hashing;
mod listing;
mod stdin;
mod tree;
mod walk;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use galley_image::{ContentDigest, Tree, TreePath};
use galley_store::{StatCache, Store, StoreError};
use galley_syntax::ignore::IgnoreFile;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::copy::HiddenBy;
pub use stdin::{TarContextError, unpack_tar};

/// The patterns that keep files out of a context.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    /// The name that messages show: `.dockerignore`.
    pub name: String,
    /// The patterns.
    pub patterns: IgnoreFile,
}

/// A scanned context directory.
pub struct Context {
    root: PathBuf,
    directory: OwnedFd,
    tree: Tree,
    ignore: Ignore,
    warnings: Vec<String>,
    /// `None` once it has been written back, and where the file system's times cannot be trusted.
    cache: Mutex<Option<StatCache>>,
    /// The device of the root: files elsewhere are not remembered.
    device: u64,
    /// The digests of files that were read in this build.
    learned: Mutex<HashMap<TreePath, ContentDigest>>,
}

/// Why a context cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The kernel refused.
    #[error("cannot {action} {} in the build context: {source}{}", path.display(), hint(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The directory itself cannot be opened.
    #[error("cannot open the build context {}: {source}", path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file is not what it was when the context was scanned.
    #[error("{} changed while the build was running: build again when nothing writes to it any more", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A path is longer than the kernel takes.
    #[error(
        "cannot go into {} in the build context: its path has more than 4095 bytes; list the directory in .dockerignore",
        path.display()
    )]
    TooDeep {
        /// The path.
        path: PathBuf,
    },
    /// The stat cache cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Scans the directory `root`. `scan_started` is the time before the scan, in nanoseconds since 1970. `threads` walk side
/// by side; the result does not depend on how many.
///
/// Owners become 0:0, as docker does for a context. Sockets are left out with a warning. Named pipes and devices are
/// part of the tree, so that a COPY that selects one can say so.
///
/// # Errors
/// [`ContextError`]: a directory that cannot be read, among them.
pub fn scan(
    root: &Path,
    ignore: Ignore,
    store: &Store,
    scan_started: i128,
    threads: usize,
) -> Result<Context, ContextError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(root, flags, Mode::empty())
        .map_err(|error| ContextError::Root { path: root.into(), source: error.into() })?;
    let cache = match filesystem::keeps_times(&directory) {
        true => Some(StatCache::open(store, root, scan_started)?),
        false => None,
    };
    let found = walk::walk(root, &directory, &ignore.patterns, cache.as_ref(), threads)?;
    Ok(Context {
        root: root.into(),
        device: found.device,
        tree: found.tree,
        warnings: found.warnings,
        directory,
        ignore,
        cache: Mutex::new(cache),
        learned: Mutex::default(),
    })
}

impl Context {
    /// The context's files. A file's digest is there where it was known without reading.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What the user should know of, in path order.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where a file of the tree is on disk.
    #[must_use]
    pub fn disk_path(&self, path: &TreePath) -> PathBuf {
        on_disk(&self.root, path)
    }

    /// What keeps an existing path out of the tree.
    #[must_use]
    pub fn hidden(&self, path: &TreePath) -> Option<HiddenBy> {
        let name = OsStr::from_bytes(path.as_bytes());
        let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if let Some(by) = self.ignore.patterns.excluded(path.as_bytes()) {
            let (file, pattern) = (self.ignore.name.clone(), by.text.clone());
            return Some(HiddenBy::Line { file, line: by.line, pattern });
        }
        (FileType::from_raw_mode(stat.st_mode) == FileType::Socket).then_some(HiddenBy::Socket)
    }

    /// Opens a file of the tree. A link that has taken the place of the file, or of a directory above it, is not followed: it
    /// may lead anywhere.
    ///
    /// # Errors
    /// [`ContextError::Changed`] for a file that is not there any more; [`ContextError::Io`].
    pub fn open(&self, path: &TreePath) -> Result<File, ContextError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let name = OsStr::from_bytes(path.as_bytes());
        let opened = match rustix::fs::openat2(&self.directory, name, flags, Mode::empty(), inside) {
            // A kernel, or a container's filter, from before openat2(2).
            Err(Errno::NOSYS | Errno::PERM) => {
                rustix::fs::openat(&self.directory, name, flags, Mode::empty())
            }
            opened => opened,
        };
        match opened {
            Ok(file) => Ok(File::from(file)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NXIO) => {
                Err(ContextError::Changed { path: self.disk_path(path) })
            }
            Err(error) => {
                Err(ContextError::Io { action: "read", path: self.disk_path(path), source: error.into() })
            }
        }
    }

    /// Writes the digests that were learned back into the store. Later ones are not remembered.
    ///
    /// # Errors
    /// [`ContextError::Store`].
    pub fn save_digests(&self) -> Result<(), ContextError> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(cache.map_or(Ok(()), StatCache::save)?)
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; let the user who builds read it, or list it in .dockerignore if no step needs it"
        }
        _ => "",
    }
}

fn on_disk(root: &Path, path: &TreePath) -> PathBuf {
    root.join(OsStr::from_bytes(path.as_bytes()))
}
