//! Cache mounts.
use crate::{Store, StoreError, Wait};
use std::path::Path;

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
    /// Its id.
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

/// A cache mount in use. Free again on drop, or when the process dies.
#[must_use = "dropped at once, the directory is not locked"]
pub struct CacheMount {
    _private: (),
}

impl CacheMount {
    /// The directory to mount.
    pub fn path(&self) -> &Path {
        todo!()
    }
    /// Whether it is new and empty: fill it from the mount's `source`, if it has one, and call [`CacheMount::mark_filled`].
    pub fn is_fresh(&self) -> bool {
        todo!()
    }
    /// Says that the first content is whole. Without, the next user gets it emptied, as fresh.
    pub fn mark_filled(&mut self) -> Result<(), StoreError> {
        todo!()
    }
}

impl Store {
    /// Takes the cache mounts of one step, in the one order that keeps two steps from waiting for each other; the result is in the order of `specs`. An id that occurs twice is taken once.
    pub fn cache_mounts(
        &self,
        specs: &[CacheMountSpec],
        wait: &mut Wait<'_>,
    ) -> Result<Vec<CacheMount>, StoreError> {
        let _ = (specs, wait);
        todo!()
    }
}
