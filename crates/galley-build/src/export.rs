//! Writes an image of the store out: as an OCI layout, a docker archive, or a root file system.
//!
//! Layers that came with an image are handed on as the blobs they came as. Layers that galley made are packed and
//! compressed once: the blob stays in the store, and the image remembers it.

mod archive;
mod blobs;
pub mod gzip;
mod layout;
mod rootfs;
mod target;

use std::io;
use std::path::{Path, PathBuf};

use galley_image::layer_tar::{PackError, TarProfile};
use galley_image::{Descriptor, Digest, ImageConfig, Reference, TreePath};
use galley_store::{Image, Snapshot, Store, StoreError};

use crate::copy::ReadError;
use crate::request::{Destination, Output, OutputFormat};
pub use blobs::{Packaged, package};
pub use rootfs::write_subtree;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where; `-` for standard output.
    pub path: String,
    /// Bytes: of the file, or of all files in the directory.
    pub size: u64,
    /// The digest of the manifest, for the formats that have one.
    pub manifest: Option<Digest>,
}

/// Why an image cannot be written out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or directory of the output.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A layer's file cannot be read.
    #[error(transparent)]
    Bytes(#[from] ReadError),
    /// The root file system cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A layer is known by its digest alone.
    #[error("layer {} of the image is not in the store: pull or load the image again", .0.digest)]
    MissingBlob(Box<Descriptor>),
    /// The files of a layer were pruned.
    #[error("the files of the image's layer {0} were pruned: pull, load or build the image again")]
    MissingLayer(Digest),
    /// The image was built with another `SOURCE_DATE_EPOCH`, so its layers cannot be packed the same way.
    #[error(
        "layer {0} packs to other bytes now: write it out with the SOURCE_DATE_EPOCH that it was built with"
    )]
    OtherProfile(Digest),
}

impl From<io::Error> for ExportError {
    /// What the compressor's own plumbing says: writing the blob failed.
    fn from(source: io::Error) -> Self {
        Self::Write { path: "the compressed layer".into(), source }
    }
}

impl ExportError {
    fn write(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Write { path: path.into(), source }
    }
}

/// How layers are packed: with `epoch` (seconds since 1970, `SOURCE_DATE_EPOCH`) later times become that one.
#[must_use]
pub fn profile(epoch: Option<i64>) -> TarProfile {
    TarProfile::current(epoch)
}

/// A configuration as the bytes whose digest is the image's id: compact JSON, fields in a fixed order.
#[must_use]
pub fn config_bytes(config: &ImageConfig) -> Vec<u8> {
    // A configuration is made of strings, numbers and maps with string keys, which JSON can always write.
    serde_json::to_vec(config).unwrap_or_default()
}

/// Bytes of all files in the layers of `chain`, uncompressed.
///
/// # Errors
/// [`StoreError`].
pub fn size_of(store: &Store, chain: &[Snapshot]) -> Result<u64, StoreError> {
    chain.iter().map(|snapshot| Ok(store.diff(snapshot.layer)?.size())).sum()
}

/// Writes the image `id` to `output`, under the names `tags`. Files appear whole or not at all.
///
/// # Errors
/// [`ExportError`].
pub fn write(
    store: &Store,
    id: Digest,
    tags: &[Reference],
    output: &Output,
    epoch: Option<i64>,
) -> Result<Written, ExportError> {
    let image = store.image_by_id(&id.to_string())?;
    let format = output.format;
    match (format, &output.destination) {
        (OutputFormat::Local, Destination::Path(path)) => {
            let size = rootfs::directory(store, &image, path)?;
            Ok(Written { path: path.display().to_string(), size, manifest: None })
        }
        (OutputFormat::OciDirectory, Destination::Path(path)) => {
            let packaged = package(store, &image, &profile(epoch))?;
            let size = layout::directory(store, &packaged, tags, path)?;
            Ok(Written { path: path.display().to_string(), size, manifest: Some(packaged.manifest.digest) })
        }
        (OutputFormat::Local | OutputFormat::OciDirectory, Destination::Stdout) => {
            let source =
                io::Error::new(io::ErrorKind::InvalidInput, "a directory cannot go to standard output");
            Err(ExportError::Write { path: "-".into(), source })
        }
        (OutputFormat::Tar, destination) => target::write(destination, |out| {
            rootfs::tar(store, &image, epoch, out)?;
            Ok(None)
        }),
        (OutputFormat::Oci | OutputFormat::Docker, destination) => {
            let packaged = package(store, &image, &profile(epoch))?;
            let is_docker = format == OutputFormat::Docker;
            target::write(destination, |out| {
                archive::write(store, &packaged, tags, is_docker, out)?;
                Ok(Some(packaged.manifest.digest))
            })
        }
    }
}

/// The blobs of the image `id` that [`write`] needs and the store lacks, to be fetched before.
///
/// # Errors
/// [`ExportError::Store`].
pub fn missing_blobs(store: &Store, id: Digest) -> Result<Vec<Descriptor>, ExportError> {
    let image: Image = store.image_by_id(&id.to_string())?;
    let named = image.layers.into_iter().filter_map(|layer| layer.blob);
    Ok(named.filter(|blob| !store.has_blob(&blob.digest)).collect())
}

/// A path of an image's tree below a directory on disk.
fn on_disk(root: &Path, path: &TreePath) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    root.join(std::ffi::OsStr::from_bytes(path.as_bytes()))
}
