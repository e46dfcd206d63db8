//! The directories of a layer that is being written: making, opening and removing them without following links.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use galley_image::TreePath;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::file::Born;
use crate::StoreError;
use crate::remove::remove_tree;

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The open directories on the way to the path that was used last. Callers go depth first, so nearly every path finds
/// its directory open.
#[derive(Debug)]
pub(super) struct Directories {
    base: PathBuf,
    /// The root, then each directory in the one before it, as far as [`MOST_OPEN`].
    open: Vec<(TreePath, Arc<OwnedFd>)>,
    /// The one that was opened last, where it lies deeper: a walk through deep directories begins no path anew.
    last: Option<(TreePath, Arc<OwnedFd>)>,
}

impl Directories {
    pub(super) fn new(base: PathBuf) -> Result<Self, StoreError> {
        let root = rustix::fs::open(&base, OPEN, Mode::empty()).map_err(StoreError::on("open", &base))?;
        Ok(Self { base, open: vec![(TreePath::root(), Arc::new(root))], last: None })
    }

    /// What a file that is made here starts out with.
    pub(super) fn born(&self) -> Result<Born, StoreError> {
        Born::probe(&self.base)
    }

    /// Where `path` is on disk.
    pub(super) fn path(&self, path: &TreePath) -> PathBuf {
        match path.is_root() {
            true => self.base.clone(),
            false => self.base.join(std::ffi::OsStr::from_bytes(path.as_bytes())),
        }
    }

    /// Refuses a path that the kernel could not open from the root any more (path_resolution(7)).
    pub(super) fn refuse_long(&self, path: &TreePath) -> Result<(), StoreError> {
        match path.as_bytes().len() > StoreError::longest_below(&self.base) {
            true => Err(StoreError::path_too_long(path, &self.base)),
            false => Ok(()),
        }
    }

    /// An I/O error about `path`.
    pub(super) fn error(&self, action: &'static str, path: &TreePath, error: Errno) -> StoreError {
        StoreError::io(action, self.path(path), error)
    }

    /// Opens a directory of the layer.
    pub(super) fn open(&mut self, path: &TreePath) -> Result<Arc<OwnedFd>, StoreError> {
        while self.open.len() > 1 && self.open.last().is_some_and(|(top, _)| path.below(top).is_none()) {
            self.open.pop();
        }
        let last = self.last.as_ref().filter(|(last, _)| path.below(last).is_some());
        let (mut at, mut directory) = match last.or(self.open.last()) {
            Some((top, directory)) => (top.clone(), Arc::clone(directory)),
            None => return Err(self.error("open", path, Errno::BADF)),
        };
        let rest = path.below(&at).unwrap_or_default().to_vec();
        for component in rest.split(|byte| *byte == b'/').filter(|component| !component.is_empty()) {
            at = at.join(component);
            let opened = rustix::fs::openat(&directory, component, OPEN, Mode::empty());
            directory = Arc::new(opened.map_err(|error| self.error("open", &at, error))?);
            // Thousands of levels must not take thousands of descriptors.
            if self.open.len() < MOST_OPEN {
                self.open.push((at.clone(), Arc::clone(&directory)));
            } else {
                self.last = Some((at.clone(), Arc::clone(&directory)));
            }
        }
        Ok(directory)
    }

    /// Makes a directory. Its special bits, owner and time are set at the end.
    pub(super) fn make(&self, parent: &OwnedFd, path: &TreePath, mode: u32) -> Result<(), StoreError> {
        let mode = Mode::from_raw_mode(mode & 0o777);
        rustix::fs::mkdirat(parent, path.name().unwrap_or_default(), mode)
            .map_err(|error| self.error("create", path, error))
    }

    /// Removes whatever is at `path`.
    pub(super) fn remove(&mut self, path: &TreePath) -> Result<(), StoreError> {
        self.open.retain(|(open, _)| open.below(path).is_none());
        self.last = self.last.take().filter(|(open, _)| open.below(path).is_none());
        remove_tree(&self.path(path))
    }
}

const MOST_OPEN: usize = 64;
