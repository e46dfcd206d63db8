//! Leases.
use crate::{SnapshotId, Store, StoreError};

/// Keeps snapshots from being pruned while it lives. Cheap to clone; ends with the last clone, or with the process.
#[derive(Clone)]
pub struct Lease {
    _private: std::sync::Arc<()>,
}

impl Store {
    /// A new lease that holds nothing yet.
    pub fn lease(&self) -> Result<Lease, StoreError> {
        todo!()
    }
}
impl Lease {
    /// Holds a snapshot and all it stands on.
    ///
    /// # Errors
    /// [`StoreError::UnknownSnapshot`] and [`StoreError::Pruned`].
    pub fn hold(&self, snapshot: SnapshotId) -> Result<(), StoreError> {
        let _ = snapshot;
        todo!()
    }
}
