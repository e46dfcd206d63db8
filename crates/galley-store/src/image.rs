//! Images.
use crate::{Lease, SnapshotId, Store, StoreError};
use galley_image::{Descriptor, DiffId, Digest, Reference};

/// A layer of an image, and what of it the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLayer {
    /// The digest of its tar.
    pub diff_id: DiffId,
    /// Its compressed blob, as a registry names it; the blob itself need not be in the store.
    pub blob: Option<Descriptor>,
    /// The snapshot that ends with this layer.
    pub snapshot: Option<SnapshotId>,
}

/// An image to put into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewImage {
    /// The configuration's exact bytes: their digest is the image's id.
    pub config: Vec<u8>,
    /// The layers, lowest first.
    pub layers: Vec<ImageLayer>,
    /// The manifest's exact bytes, where the image came with one.
    pub manifest: Option<Vec<u8>>,
}

/// An image of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The digest of the configuration.
    pub id: Digest,
    /// The configuration's exact bytes.
    pub config: Vec<u8>,
    /// The layers, lowest first.
    pub layers: Vec<ImageLayer>,
    /// The manifest's exact bytes, if there is one.
    pub manifest: Option<Vec<u8>>,
    /// Its names, sorted.
    pub tags: Vec<Reference>,
    /// When it came into the store: seconds since 1970-01-01 UTC.
    pub created: i64,
    /// Bytes of all its files, uncompressed.
    pub size: u64,
}

impl Store {
    /// Adds an image, or adds to it what it lacked; returns its id.
    pub fn put_image(&self, image: &NewImage) -> Result<Digest, StoreError> {
        let _ = image;
        todo!()
    }
    /// Names an image; the name leaves the image that had it.
    pub fn tag(&self, reference: &Reference, image: Digest) -> Result<(), StoreError> {
        let _ = (reference, image);
        todo!()
    }
    /// Takes a name away; returns the image that had it. The image stays.
    pub fn untag(&self, reference: &Reference) -> Result<Option<Digest>, StoreError> {
        let _ = reference;
        todo!()
    }
    /// The image that a reference names (by tag; or by the digest of its manifest or its id), its snapshots held by `lease` where their files are there.
    pub fn image(&self, reference: &Reference, lease: &Lease) -> Result<Option<Image>, StoreError> {
        let _ = (reference, lease);
        todo!()
    }
    /// The image whose id begins with these hex digits (with or without `sha256:`).
    pub fn image_by_id(&self, prefix: &str) -> Result<Image, StoreError> {
        let _ = prefix;
        todo!()
    }
    /// All images, the newest first.
    pub fn images(&self) -> Result<Vec<Image>, StoreError> {
        todo!()
    }
    /// Removes an image and all its names. Its files go with the next prune.
    pub fn remove_image(&self, image: Digest) -> Result<(), StoreError> {
        let _ = image;
        todo!()
    }
}
