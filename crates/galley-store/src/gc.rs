//! GC.
use crate::{Store, StoreError};
use std::time::Duration;

/// What to prune. The default prunes all files that no image and no running galley needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneFilter {
    /// Keeps results that a build used within this time.
    pub unused_for: Option<Duration>,
    /// Stops when the layers' files are down to this many bytes; the least recently used go first.
    pub keep_bytes: Option<u64>,
    /// Cache mounts that are not in use go too.
    pub cache_mounts: bool,
}

/// What a prune did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Bytes.
    pub bytes: u64,
    /// Layers whose files were deleted.
    pub layers: usize,
    /// Blobs deleted.
    pub blobs: usize,
    /// Cache mounts deleted.
    pub cache_mounts: usize,
}

/// What takes room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Layers with files.
    pub layers: usize,
    /// Their bytes.
    pub layer_bytes: u64,
    /// Blobs.
    pub blobs: usize,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Images.
    pub images: usize,
}

impl Store {
    /// Deletes files that nothing needs; manifests, records and digests stay.
    pub fn prune(&self, filter: &PruneFilter) -> Result<Freed, StoreError> {
        let _ = filter;
        todo!()
    }
    /// What takes room.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        todo!()
    }
}
