//! Snapshots, chains, trees.
use crate::{LayerId, Lease, SnapshotId, Store, StoreError};
use galley_image::{ChainId, ContentDigest, Diff, Tree, TreeDigest, TreePath};
use std::path::PathBuf;
use std::sync::Arc;

/// Whether a snapshot's files are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotState {
    /// Its files and those of all its parents are there.
    Present,
    /// Only manifests and digests are left.
    Pruned,
}

/// A layer on a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub id: SnapshotId,
    /// What it stands on; `None` for nothing.
    pub parent: Option<SnapshotId>,
    /// The layer that it adds.
    pub layer: LayerId,
    /// Whether the files are there.
    pub state: SnapshotState,
}

impl Store {
    /// The snapshot named `id`.
    pub fn snapshot(&self, id: SnapshotId) -> Result<Snapshot, StoreError> {
        let _ = id;
        todo!()
    }
    /// The snapshot and all below it, lowest first; empty for `None`.
    pub fn chain(&self, top: Option<SnapshotId>) -> Result<Vec<Snapshot>, StoreError> {
        let _ = top;
        todo!()
    }
    /// The merged tree; `Node::origin` is the index into [`Store::chain`]. Works for pruned snapshots too.
    pub fn tree(&self, top: Option<SnapshotId>) -> Result<Arc<Tree>, StoreError> {
        let _ = top;
        todo!()
    }
    /// A layer's sealed manifest.
    pub fn diff(&self, layer: LayerId) -> Result<Arc<Diff>, StoreError> {
        let _ = layer;
        todo!()
    }
    /// Where the bytes of a file lie that a layer's manifest lists.
    pub fn file_path(&self, layer: LayerId, path: &TreePath) -> PathBuf {
        let _ = (layer, path);
        todo!()
    }
    /// Where the bytes of a tree's node lie; `None` if `origin` is no index into `chain`.
    pub fn source_path(&self, chain: &[Snapshot], origin: u32, path: &TreePath) -> Option<PathBuf> {
        let _ = (chain, origin, path);
        todo!()
    }
    /// The digests of files, read from the manifests where known and else hashed (on two threads) and remembered there.
    pub fn digest_files(&self, files: &[(LayerId, TreePath)]) -> Result<Vec<ContentDigest>, StoreError> {
        let _ = files;
        todo!()
    }
    /// A new snapshot: the layer of `layer_of` on `parent`. `layer_of` must have been made on nothing.
    pub fn stack(
        &self,
        parent: Option<SnapshotId>,
        layer_of: SnapshotId,
        lease: &Lease,
    ) -> Result<Snapshot, StoreError> {
        let _ = (parent, layer_of, lease);
        todo!()
    }
    /// A remembered digest of a selection of a snapshot's tree. Outlives the files.
    pub fn tree_digest(
        &self,
        snapshot: SnapshotId,
        selector: &[u8; 32],
    ) -> Result<Option<TreeDigest>, StoreError> {
        let _ = (snapshot, selector);
        todo!()
    }
    /// Remembers the digest of a selection.
    pub fn put_tree_digest(
        &self,
        snapshot: SnapshotId,
        selector: &[u8; 32],
        digest: TreeDigest,
    ) -> Result<(), StoreError> {
        let _ = (snapshot, selector, digest);
        todo!()
    }
    /// The snapshot into which the layers of a base image were unpacked, if it is there; held by `lease`.
    pub fn chain_snapshot(&self, chain: ChainId, lease: &Lease) -> Result<Option<Snapshot>, StoreError> {
        let _ = (chain, lease);
        todo!()
    }
    /// The snapshot of a base image, also when its files were pruned: its tree is still known.
    pub fn chain_snapshot_any_state(&self, chain: ChainId) -> Result<Option<Snapshot>, StoreError> {
        let _ = chain;
        todo!()
    }
    /// Remembers that `snapshot` holds the unpacked layers of `chain`.
    pub fn bind_chain(&self, chain: ChainId, snapshot: SnapshotId) -> Result<(), StoreError> {
        let _ = (chain, snapshot);
        todo!()
    }
}
