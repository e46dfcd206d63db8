//! Unpack.
use crate::{Lease, Snapshot, SnapshotId, Store, StoreError};
use galley_image::DiffId;
use std::io::Read;

impl Store {
    /// Unpacks a layer of an image on `parent`, verified against its diff ID. Nothing appears unless all of it was right.
    pub fn unpack_layer(
        &self,
        parent: Option<SnapshotId>,
        compressed: &mut dyn Read,
        media_type: &str,
        expect: DiffId,
        lease: &Lease,
    ) -> Result<Snapshot, StoreError> {
        let _ = (parent, compressed, media_type, expect, lease);
        todo!()
    }
}
