//! The walk over a context directory: several threads take directories off one stack, each relative to its parent's
//! descriptor, so that no path is resolved from the root twice and a renamed directory cannot lead out of the context.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use galley_image::TreePath;
use galley_store::StatCache;
use galley_syntax::ignore::{DirectoryState, IgnoreFile};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::ContextError;
use super::listing::{Listing, Reading, device};
use super::tree::{Directory, Scanned, assemble};

/// A directory that is still to be listed.
struct Job {
    parent: Arc<OwnedFd>,
    path: TreePath,
    state: DirectoryState,
    /// Where its listing goes.
    slot: usize,
}

struct Queue {
    jobs: Vec<Job>,
    /// Jobs that are waiting or being worked on; the walk ends with the last one.
    open: usize,
    listings: Vec<Option<Directory>>,
    failed: Option<ContextError>,
}

struct Walk<'s> {
    reading: Reading<'s>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Lists everything below `directory`, the open directory `root`.
pub(super) fn walk(
    root: &Path,
    directory: &OwnedFd,
    patterns: &IgnoreFile,
    cache: Option<&StatCache>,
    threads: usize,
) -> Result<Scanned, ContextError> {
    let refused = |error: rustix::io::Errno| ContextError::Root { path: root.into(), source: error.into() };
    let stat =
        rustix::fs::statx(directory, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map_err(refused)?;
    let top = rustix::io::fcntl_dupfd_cloexec(directory, 0).map_err(refused)?;
    let job = Job { parent: Arc::new(top), path: TreePath::root(), state: patterns.root(), slot: 0 };
    let without_xattrs = AtomicBool::new(false);
    let walk = Walk {
        reading: Reading { root, patterns, cache, device: device(&stat), without_xattrs: &without_xattrs },
        queue: Mutex::new(Queue { jobs: vec![job], open: 1, listings: vec![None], failed: None }),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| walk.work());
        }
        walk.work();
    });
    let queue = walk.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    match queue.failed {
        Some(error) => Err(error),
        None => Ok(assemble(&stat, queue.listings)),
    }
}

impl Walk<'_> {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            let slot = job.slot;
            let listed = self.list(&job);
            let mut queue = self.lock();
            queue.open -= 1;
            match listed {
                Ok((directory, listing)) => queue.add(slot, &directory, listing),
                Err(error) => {
                    queue.failed.get_or_insert(error);
                    queue.jobs.clear();
                }
            }
            drop(queue);
            self.changed.notify_all();
        }
    }

    /// The next directory; `None` when there will be none any more.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.failed.is_some() {
                return None;
            }
            if let Some(job) = queue.jobs.pop() {
                return Some(job);
            }
            if queue.open == 0 {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn list(&self, job: &Job) -> Result<(Arc<OwnedFd>, Listing), ContextError> {
        let name = job.path.name().unwrap_or(b".");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&*job.parent, OsStr::from_bytes(name), flags, Mode::empty());
        let on_disk = || super::on_disk(self.reading.root, &job.path);
        let directory = directory.map_err(|error| match error {
            // It was a directory when the one above it was listed.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => ContextError::Changed { path: on_disk() },
            error => ContextError::Io { action: "open the directory", path: on_disk(), source: error.into() },
        })?;
        let listing = self.reading.list(&directory, &job.path, &job.state)?;
        Ok((Arc::new(directory), listing))
    }
}

impl Queue {
    /// Keeps a directory's listing and queues the directories in it.
    fn add(&mut self, slot: usize, directory: &Arc<OwnedFd>, listing: Listing) {
        let mut children = Vec::new();
        for found in &listing.found {
            let Some(state) = &found.below else { continue };
            children.push(self.listings.len());
            self.jobs.push(Job {
                parent: Arc::clone(directory),
                path: found.path.clone(),
                state: state.clone(),
                slot: self.listings.len(),
            });
            self.listings.push(None);
            self.open += 1;
        }
        if let Some(kept) = self.listings.get_mut(slot) {
            *kept = Some(Directory { listing, children });
        }
    }
}
