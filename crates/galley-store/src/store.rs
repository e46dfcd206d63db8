//! Opening a store.
use crate::StoreError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a step's root file system is put together and its changes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshotter {
    /// Overlay mounts.
    Overlay {
        /// Whiteouts' attributes are `user.overlay.*` (in a user namespace) and not `trusted.overlay.*`.
        userxattr: bool,
    },
    /// A tree of reflinks or copies for each running step, for kernels and containers without overlay mounts.
    Copy,
}

impl std::fmt::Display for Snapshotter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Overlay { userxattr: false } => "overlay",
            Self::Overlay { userxattr: true } => "overlay (userxattr)",
            Self::Copy => "copy",
        })
    }
}

/// How to open a store.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Creates the store where there is none.
    pub create: bool,
    /// The kind of snapshots: what a new store gets ([`Snapshotter::Copy`] when not said), and what an existing one must have.
    pub snapshotter: Option<Snapshotter>,
    /// Stands for the kernel's boot id, in tests.
    pub boot_id: Option<String>,
    /// What waiting processes are told about this one, such as `galley build -t app .`.
    pub process: String,
}

/// A store. Cheap to clone; may be used from several threads and several processes.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}
pub(crate) struct Inner {
    pub(crate) root: PathBuf,
}

impl Store {
    /// Opens the store at `root`.
    pub fn open(root: &Path, options: &OpenOptions) -> Result<Self, StoreError> {
        let _ = options;
        Ok(Self { inner: Arc::new(Inner { root: root.into() }) })
    }
    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }
    /// Its kind of snapshots.
    pub fn snapshotter(&self) -> Snapshotter {
        todo!()
    }
    /// Makes everything that this process wrote last through a power cut: one `syncfs`. Once, at the end of a build.
    pub fn sync(&self) -> Result<(), StoreError> {
        todo!()
    }
    /// Deletes the whole store. Fails if the directory holds no store.
    pub fn remove(root: &Path) -> Result<(), StoreError> {
        let _ = root;
        todo!()
    }
}
