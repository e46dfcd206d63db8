//! The trait that the conductor pulls through.

use std::io::Read;

use galley_image::{Descriptor, ImageConfig, Manifest, Platform, Reference};

use crate::error::RegistryError;

/// A place that images come from.
pub trait Images: Send + Sync {
    /// Finds the image that `reference` names and reads what describes it. An index leads to the manifest for `platform`;
    /// an image without an index is taken whatever it is for, as docker does: compare `config.platform`.
    ///
    /// # Errors
    /// [`RegistryError`], naming the image and what to do.
    fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<RemoteImage, RegistryError>;

    /// The bytes of a blob of the image's repository from byte `offset` on. A broken connection is taken up again where
    /// it broke. From offset 0 the digest is checked on the way and a mismatch is an error at the end; from any other
    /// offset only the length is, and the caller checks the digest of the whole.
    ///
    /// # Errors
    /// [`RegistryError`] where the blob cannot be had. Errors of the reader carry one as well: see
    /// [`RegistryError::behind`].
    fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, RegistryError>;
}

/// An image as its registry describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteImage {
    /// The reference, pinned to the digest that the tag points at: an index's where there is one.
    pub reference: Reference,
    /// The manifest for the platform.
    pub manifest: Manifest,
    /// The manifest's exact bytes.
    pub manifest_bytes: Vec<u8>,
    /// Media type, digest and size of those bytes.
    pub manifest_descriptor: Descriptor,
    /// The configuration.
    pub config: ImageConfig,
    /// The configuration's exact bytes. Their digest is the image's id.
    pub config_bytes: Vec<u8>,
}
