//! Cache mounts: directories that steps share, outside of any layer.
//!
//! `mounts/<hash of the id>/<n>/data` is mounted. `filled` beside it says that the first content (from the mount's
//! `source`) is whole; a directory without it is emptied and given out as fresh. Number 0 is everybody's; the others exist
//! because a private one was busy.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Gid, Mode, Uid};

use crate::failpoint::{FailPoint, reached};
use crate::lock::{FileLock, Request};
use crate::remove::remove_tree;
use crate::{Store, StoreError, Wait};

/// What an interrupted wait was for.
const IN_USE: &str = "a cache mount that another step uses";

/// Who may use a cache mount at the same time (Dockerfile reference, `RUN --mount=type=cache`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Everybody.
    Shared,
    /// One step; another one gets a directory of its own.
    Private,
    /// One step; another one waits.
    Locked,
}

/// Which cache mount, and what a new one looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheMountSpec {
    /// Its id: mounts with the same one are the same.
    pub id: String,
    /// Who may use it at the same time.
    pub sharing: Sharing,
    /// Permission bits of a new one's root, `0o7777`.
    pub mode: u32,
    /// Owner of a new one's root.
    pub uid: u32,
    /// Group of a new one's root.
    pub gid: u32,
}

/// A cache mount in use. Free again when the last clone is dropped, or when the process dies.
#[derive(Clone, Debug)]
#[must_use = "dropped at once, the directory is not locked"]
pub struct CacheMount {
    directory: PathBuf,
    data: PathBuf,
    /// Held while the first content is made: nobody else looks at the mount then.
    filling: Option<Arc<FileLock>>,
    fresh: bool,
    _lock: Arc<FileLock>,
}

impl CacheMount {
    /// The directory to mount.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.data
    }

    /// Whether it is new and empty: fill it from the mount's `source`, if there is one, and then call
    /// [`CacheMount::mark_filled`] in any case.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Says that the first content is whole; a shared mount is locked for others until then. Without it, the next user
    /// gets the mount emptied.
    ///
    /// # Errors
    /// [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn mark_filled(&mut self) -> Result<(), StoreError> {
        if self.fresh {
            let filled = self.directory.join("filled");
            fs::write(&filled, b"").map_err(StoreError::on("write", &filled))?;
            self.fresh = false;
            self.filling = None;
        }
        Ok(())
    }
}

impl Store {
    /// Takes the cache mounts of one step, in an order that is the same for all steps, so that no two wait for each other.
    /// The result is in the order of `specs`; an id that occurs twice is taken once.
    ///
    /// # Errors
    /// [`StoreError::Interrupted`], [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn cache_mounts(
        &self,
        specs: &[CacheMountSpec],
        wait: &mut Wait<'_>,
    ) -> Result<Vec<CacheMount>, StoreError> {
        let mut order: Vec<(usize, &CacheMountSpec)> = specs.iter().enumerate().collect();
        order.sort_by_key(|(at, spec)| (spec.id.as_bytes(), *at));
        let mut taken: Vec<(usize, &str, CacheMount)> = Vec::with_capacity(specs.len());
        for (at, spec) in order {
            let mount = match taken.last() {
                Some((_, id, mount)) if *id == spec.id => mount.clone(),
                _ => self.cache_mount(spec, wait)?,
            };
            taken.push((at, &spec.id, mount));
        }
        taken.sort_by_key(|(at, _, _)| *at);
        Ok(taken.into_iter().map(|(_, _, mount)| mount).collect())
    }

    fn cache_mount(&self, spec: &CacheMountSpec, wait: &mut Wait<'_>) -> Result<CacheMount, StoreError> {
        let mut hash = blake3::Hasher::new_derive_key("galley cache mount 1");
        let name = hash.update(spec.id.as_bytes()).finalize().to_hex();
        let home = self.inner.root.join("mounts").join(name.as_str());
        let process = &self.inner.process;
        let lock_path = |number: u32| self.inner.locks().join(format!("mount-{name}-{number}"));
        let (number, lock) = match spec.sharing {
            Sharing::Private => {
                let mut number = 0;
                loop {
                    match FileLock::try_take(&lock_path(number), false, process)? {
                        Some(lock) => break (number, lock),
                        None => number += 1,
                    }
                }
            }
            Sharing::Shared | Sharing::Locked => {
                let shared = spec.sharing == Sharing::Shared;
                let mut request = Request { path: &lock_path(0), what: IN_USE, shared, wait };
                (0, FileLock::wait(&mut request, process)?)
            }
        };
        let directory = home.join(number.to_string());
        let (data, filled) = (directory.join("data"), directory.join("filled"));
        let mut filling = None;
        if spec.sharing == Sharing::Shared && !filled.exists() {
            // One of those who share it makes its first content, and the others wait for that alone.
            let path = self.inner.locks().join(format!("mount-{name}-{number}-fill"));
            let mut request = Request { path: &path, what: IN_USE, shared: false, wait };
            filling = Some(FileLock::wait(&mut request, process)?.removing());
        }
        let fresh = !filled.exists();
        if fresh {
            remove_tree(&directory)?;
            make(&directory, &data, spec)?;
            reached(FailPoint::CacheMountCreated);
        }
        let filling = filling.filter(|_| fresh).map(Arc::new);
        Ok(CacheMount { directory, data, filling, fresh, _lock: Arc::new(lock) })
    }
}

fn make(directory: &Path, data: &Path, spec: &CacheMountSpec) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(directory).map_err(StoreError::on("create", directory))?;
    fs::create_dir(data).map_err(StoreError::on("create", data))?;
    rustix::fs::chown(data, Some(Uid::from_raw(spec.uid)), Some(Gid::from_raw(spec.gid)))
        .map_err(StoreError::on("change the owner of", data))?;
    rustix::fs::chmod(data, Mode::from_raw_mode(spec.mode & 0o7777))
        .map_err(StoreError::on("change the mode of", data))
}
