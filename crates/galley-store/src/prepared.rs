//! Prepared.
use crate::{LayerWriter, Lease, Snapshot, SnapshotId, Store, StoreError};
use galley_image::{Tree, TreePath};
use std::path::{Path, PathBuf};

/// What to mount, or to change root into, so that a step sees its snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreparedRoot {
    /// An overlay mount.
    Overlay {
        /// Lower directories, topmost first; never empty.
        lowers: Vec<PathBuf>,
        /// The upper directory.
        upper: PathBuf,
        /// The work directory.
        work: PathBuf,
        /// Mount with `userxattr`.
        userxattr: bool,
    },
    /// A directory that holds the whole tree.
    Directory(PathBuf),
}

/// A layer in the making, on a parent. Dropped without a commit, it leaves nothing.
pub struct Prepared {
    store: Store,
    _lease: Lease,
}

impl Store {
    /// Begins a layer on `parent`. The lease holds the parent, and later the result.
    pub fn prepare(&self, parent: Option<SnapshotId>, lease: &Lease) -> Result<Prepared, StoreError> {
        let _ = (parent, lease);
        todo!()
    }
}

impl Prepared {
    /// What the step is on.
    pub fn parent(&self) -> Option<SnapshotId> {
        todo!()
    }
    /// The merged tree of the parent.
    pub fn parent_tree(&self) -> Result<std::sync::Arc<Tree>, StoreError> {
        let _ = &self.store;
        todo!()
    }
    /// The root for a step that runs. With [`crate::Snapshotter::Copy`] the first call makes the whole tree. While this value lives, the layers below count as mounted.
    pub fn root(&mut self) -> Result<PreparedRoot, StoreError> {
        todo!()
    }
    /// An empty directory for the caller's own use (the stub layer, files to bind), on the same file system, gone with this value.
    pub fn scratch(&self) -> &Path {
        todo!()
    }
    /// A writer of the layer's files, for steps that do not run anything.
    pub fn writer(&self) -> Result<LayerWriter, StoreError> {
        todo!()
    }
    /// Seals what `writer` wrote.
    pub fn commit_written(self, writer: LayerWriter) -> Result<Snapshot, StoreError> {
        let _ = writer;
        todo!()
    }
    /// Seals what a step did to [`Prepared::root`]. `stubs`: mount points that the sandbox made up; the empty ones are no part of the layer.
    pub fn commit_walked(self, stubs: &[TreePath]) -> Result<Snapshot, StoreError> {
        let _ = stubs;
        todo!()
    }
}
