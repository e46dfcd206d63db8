//! Writes an image of the store out: as an OCI layout, a docker archive, or a root file system.
//!
//! Layers that came with an image are handed on as the blobs they came as. Layers that galley made are packed and
//! compressed once: the blob stays in the store, and the image remembers it.

mod archive;
mod blobs;
pub mod gzip;
mod layout;
mod rootfs;
mod sparse;
mod target;

use std::io;
use std::path::{Path, PathBuf};

use galley_image::layer_tar::{PackError, TarProfile, Times};
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
    #[error("cannot write {}: {source}{}", path.display(), hint(source))]
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
    /// Nothing says how the layer was packed when it got its diff ID.
    #[error("how layer {0} of the image was packed is not known any more: build the image again")]
    UnknownProfile(Digest),
    /// The files of a layer are not those that it was made with.
    #[error(
        "the layer packs to {found} and not to {expected}: `galley store check --deep` tells which files of the store changed"
    )]
    Changed {
        /// The diff ID in the image's configuration.
        expected: Digest,
        /// What its files pack to.
        found: Digest,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room there, or write it to another place"
        }
        _ => "",
    }
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

/// What becomes of the times in a layer. `epoch` is `SOURCE_DATE_EPOCH` in seconds since 1970; `checkout` says that the
/// times of the layer's files are those of some checkout, which differ from one to the next.
#[must_use]
pub fn profile(epoch: Option<i64>, checkout: bool) -> TarProfile {
    TarProfile::current(match (epoch, checkout) {
        (None, _) => Times::Kept,
        (Some(epoch), true) => Times::All(epoch),
        (Some(epoch), false) => Times::AtMost(epoch),
    })
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

/// Writes `image` to `output`, under the names `tags`. Files appear whole or not at all.
///
/// # Errors
/// [`ExportError`].
pub fn write(
    store: &Store,
    image: &Image,
    tags: &[Reference],
    output: &Output,
) -> Result<Written, ExportError> {
    match (output.format, &output.destination) {
        (OutputFormat::Local, Destination::Path(path)) => {
            let size = rootfs::directory(store, image, path)?;
            Ok(Written { path: path.display().to_string(), size, manifest: None })
        }
        (OutputFormat::OciDirectory, Destination::Path(path)) => {
            let images = [Named { packaged: package(store, image)?, tags: tags.to_vec() }];
            let size = layout::directory(store, &images, path)?;
            let manifest = images.first().map(|image| image.packaged.manifest.digest);
            Ok(Written { path: path.display().to_string(), size, manifest })
        }
        (OutputFormat::Local | OutputFormat::OciDirectory, Destination::Stdout) => {
            let source =
                io::Error::new(io::ErrorKind::InvalidInput, "a directory cannot go to standard output");
            Err(ExportError::Write { path: "-".into(), source })
        }
        (OutputFormat::Tar, destination) => target::write(destination, |out| {
            rootfs::tar(store, image, out)?;
            Ok(None)
        }),
        (OutputFormat::Oci | OutputFormat::Docker, destination) => {
            let docker = output.format == OutputFormat::Docker;
            save(store, &[(image.clone(), tags.to_vec())], docker, destination)
        }
    }
}

/// Writes several images into one archive, each under the names beside it: an OCI layout in a tar, and a docker archive
/// at once where `docker` says so.
///
/// # Errors
/// [`ExportError`].
pub fn save(
    store: &Store,
    images: &[(Image, Vec<Reference>)],
    docker: bool,
    destination: &Destination,
) -> Result<Written, ExportError> {
    let named = |(image, tags): &(Image, Vec<Reference>)| {
        Ok(Named { packaged: package(store, image)?, tags: tags.clone() })
    };
    let images: Vec<Named> = images.iter().map(named).collect::<Result<_, ExportError>>()?;
    target::write(destination, |out| {
        archive::write(store, &images, docker, out)?;
        Ok(images.first().map(|image| image.packaged.manifest.digest))
    })
}

/// An image whose blobs are all in the store, and the names that it is written out under.
struct Named {
    packaged: Packaged,
    tags: Vec<Reference>,
}

/// The blobs of `image` that an archive needs and no image of the store has, to be fetched before.
///
/// # Errors
/// [`StoreError`].
pub fn missing_blobs(store: &Store, image: &Image) -> Result<Vec<Descriptor>, StoreError> {
    let named = image.layers.iter().filter_map(|layer| Some((layer.diff_id, layer.blob.clone()?)));
    let missing: Vec<_> = named.filter(|(_, blob)| !store.has_blob(&blob.digest)).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let known = blobs::known(store)?;
    let unknown = missing.into_iter().filter(|(diff_id, _)| !known.contains_key(diff_id));
    Ok(unknown.map(|(_, blob)| blob).collect())
}

/// A path of an image's tree below a directory on disk.
fn on_disk(root: &Path, path: &TreePath) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    root.join(std::ffi::OsStr::from_bytes(path.as_bytes()))
}
