//! Stat cache.
use crate::{Store, StoreError};
use galley_image::{ContentDigest, TreePath};
use std::path::Path;

/// What tells that a file did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatKey {
    /// Device of the file system (`st_dev`).
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970.
    pub mtime: i128,
    /// Status change time, nanoseconds since 1970.
    pub ctime: i128,
    /// `st_mode`.
    pub mode: u32,
}

/// The digests of a context's files as of the last scan.
pub struct StatCache {
    _private: (),
}

impl StatCache {
    /// The cache of the context directory `root`. `scan_started`: now, before the first file is looked at, nanoseconds since 1970.
    pub fn open(store: &Store, root: &Path, scan_started: i128) -> Result<Self, StoreError> {
        let _ = (store, root, scan_started);
        todo!()
    }
    /// The digest of the file at `path`, if it is known and nothing says that the file changed.
    pub fn get(&self, path: &TreePath, key: &StatKey) -> Option<ContentDigest> {
        let _ = (path, key);
        todo!()
    }
    /// Remembers a digest. One that cannot be trusted later is not kept.
    pub fn put(&mut self, path: &TreePath, key: &StatKey, digest: ContentDigest) {
        let _ = (path, key, digest);
        todo!()
    }
    /// Writes the cache back, if it changed.
    pub fn save(self) -> Result<(), StoreError> {
        todo!()
    }
}
