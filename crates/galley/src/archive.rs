//! Images in archives: OCI image layouts and docker archives, in a tar of any compression or as a directory.
//!
//! Every file but the few that describe the archive goes straight into the store as a blob under its own digest; what the descriptions
//! then refer to is found by path. So nothing is unpacked twice, and nothing in an archive can claim a digest that is not its own.

mod contents;
mod describe;

use std::io;
use std::path::{Path, PathBuf};

use galley_image::layer_tar::ReadError;
use galley_image::{Digest, Platform, Reference};
use galley_store::{NewImage, Store, StoreError};

use contents::Contents;

/// An image that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its id.
    pub id: Digest,
    /// The names that the archive gives it.
    pub tags: Vec<Reference>,
}

/// Why an archive cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bytes cannot be read or decompressed.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file, or `standard input`.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The tar is damaged.
    #[error("the archive is damaged: {0}")]
    Tar(galley_image::layer_tar::ArchiveError),
    /// It is not an archive of images.
    #[error("this is no archive of images: it has neither index.json (OCI) nor manifest.json (docker)")]
    NoImages,
    /// One of its descriptions cannot be read.
    #[error("{file} in the archive cannot be understood: {problem}")]
    Description {
        /// The file in the archive.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// Something that a description refers to is missing.
    #[error("the archive has no {what}, which {by} refers to: it was cut off, or written for another tool")]
    Missing {
        /// A path or digest.
        what: String,
        /// Who refers to it.
        by: String,
    },
    /// Nothing in it is for the platform.
    #[error("the archive has no image for {0}")]
    Platform(Platform),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes in every image of the archive in `reader`; `name` is what messages call it. Of an image for several platforms, the one for
/// `platform` is taken.
///
/// # Errors
/// [`ArchiveError`]. Blobs that came before the failure stay in the store until the next prune.
pub fn load(
    reader: Box<dyn io::Read>,
    name: &Path,
    store: &Store,
    platform: &Platform,
) -> Result<Vec<Loaded>, ArchiveError> {
    take_in(&Contents::from_tar(reader, name, store)?, store, platform)
}

/// Takes in every image of the OCI image layout in `directory`.
///
/// # Errors
/// As [`load`].
pub fn load_directory(
    directory: &Path,
    store: &Store,
    platform: &Platform,
) -> Result<Vec<Loaded>, ArchiveError> {
    take_in(&Contents::from_directory(directory, store)?, store, platform)
}

fn take_in(contents: &Contents, store: &Store, platform: &Platform) -> Result<Vec<Loaded>, ArchiveError> {
    let mut loaded = Vec::new();
    for image in describe::images(contents, store, platform)? {
        let new = NewImage { config: image.config, layers: image.layers, manifest: image.manifest };
        let id = store.put_image(&new)?;
        for tag in &image.tags {
            store.tag(tag, id)?;
        }
        loaded.push(Loaded { id, tags: image.tags });
    }
    Ok(loaded)
}

fn archive_error(error: ReadError<ArchiveError>) -> ArchiveError {
    match error {
        ReadError::Sink(error) => error,
        ReadError::Archive(error) => ArchiveError::Tar(error),
    }
}
