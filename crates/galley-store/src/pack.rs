//! Pack.
use crate::{LayerId, Store, StoreError};
use galley_image::DiffId;
use galley_image::layer_tar::TarProfile;
use std::io::Write;

impl Store {
    /// The diff ID of a layer packed under a profile; hashed once and remembered.
    pub fn diff_id(&self, layer: LayerId, profile: &TarProfile) -> Result<DiffId, StoreError> {
        let _ = (layer, profile);
        todo!()
    }
    /// Packs a layer; returns its diff ID, which is remembered.
    pub fn pack_layer(
        &self,
        layer: LayerId,
        profile: &TarProfile,
        out: &mut dyn Write,
    ) -> Result<DiffId, StoreError> {
        let _ = (layer, profile, out);
        todo!()
    }
    /// Remembers the diff ID of a layer that came from an image, so that it is not packed anew.
    pub fn set_diff_id(
        &self,
        layer: LayerId,
        profile: &TarProfile,
        diff_id: DiffId,
    ) -> Result<(), StoreError> {
        let _ = (layer, profile, diff_id);
        todo!()
    }
}
