//! Everything that can go wrong in the store, each with what it happened to and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use galley_image::{DiffId, Digest, TreePath};

use crate::{LayerId, SnapshotId, Snapshotter};

/// Why the store could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The kernel refused an operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "create", "read"...
        action: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The disk, or the user's quota on it, is full. Nothing half-written is left.
    #[error(
        "no space left in the store for {}: free some with `galley prune`, or choose another disk with `--store`",
        path.display()
    )]
    NoSpace {
        /// What could not be written.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The database refused an operation.
    #[error("the store's database {} failed: {source}; `galley store check` tells what is damaged", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// There is no store there, and none was to be created.
    #[error("there is no store at {}", root.display())]
    NoStore {
        /// The store's directory.
        root: PathBuf,
    },
    /// The directory holds something else than a store of a version that this galley understands.
    #[error("{} is not a store that this galley can use: {reason}; choose another with `--store`", root.display())]
    Format {
        /// The store's directory.
        root: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The store was made for another kind of snapshot.
    #[error(
        "the store at {} keeps {has} snapshots and this run needs {wants}: choose another store with `--store`, \
         or remove this one with `galley store reset`",
        root.display()
    )]
    SnapshotterMismatch {
        /// The store's directory.
        root: PathBuf,
        /// What its format file says.
        has: Snapshotter,
        /// What the caller asked for.
        wants: Snapshotter,
    },
    /// A file of the store does not hold what it must.
    #[error("{} is damaged: {reason}; `galley store check` lists all damage", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No such snapshot.
    #[error("the store has no snapshot {0}")]
    UnknownSnapshot(SnapshotId),
    /// No such layer.
    #[error("the store has no layer {0}")]
    UnknownLayer(LayerId),
    /// The snapshot's bytes were pruned; only its manifest is left.
    #[error("the files of snapshot {0} were pruned: the step that made it has to run again")]
    Pruned(SnapshotId),
    /// A file had other bytes when it was copied than when it was hashed.
    #[error("{path} changed while it was copied: build again when nothing writes to it any more", path = path.display())]
    ChangedWhileCopied {
        /// Where the bytes came from.
        path: PathBuf,
    },
    /// The source of a copy is not a regular file.
    #[error("{} is not a regular file any more: it was replaced while the build ran", path.display())]
    NotAFile {
        /// The source.
        path: PathBuf,
    },
    /// Names that begin with `.wh.` mean deletions in an image layer.
    #[error(
        "`{}` cannot be stored in an image: names that begin with `.wh.` mark deletions in layers; rename it",
        path.display()
    )]
    WhiteoutName {
        /// The offending path.
        path: TreePath,
    },
    /// A component above a path is not a directory.
    #[error("cannot put `{}` into the layer: `{}` above it is not a directory", path.display(), at.display())]
    NotADirectory {
        /// What was to be written.
        path: TreePath,
        /// What is in the way.
        at: TreePath,
    },
    /// A hard link names nothing, or not a file.
    #[error("`{}` cannot be a hard link to `{}`: {reason}", path.display(), target.display())]
    HardLink {
        /// The link.
        path: TreePath,
        /// What it should be a link to.
        target: TreePath,
        /// Why not.
        reason: &'static str,
    },
    /// This process may not make device nodes.
    #[error(
        "cannot make the device node `{}`: only the machine's root may; run galley as root, or leave the node out of the image",
        path.display()
    )]
    DeviceRefused {
        /// The device node.
        path: TreePath,
    },
    /// A path is longer than the kernel takes.
    #[error("`{start}...` has {length} bytes: below this store a path may have {most}")]
    PathTooLong {
        /// How it begins.
        start: String,
        /// Its bytes.
        length: usize,
        /// How many it may have.
        most: usize,
    },
    /// An extended attribute cannot be stored.
    #[error(
        "the extended attribute `{name}` ({size} bytes) of `{path}` cannot be stored: {source}; \
         file systems take a few kilobytes a file, and some none: leave it out, or choose another disk with `--store`",
        path = path.display()
    )]
    Attribute {
        /// The file.
        path: TreePath,
        /// The attribute.
        name: String,
        /// Bytes of its value.
        size: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel's overlay used a feature under which an upper directory is no layer.
    #[error(
        "`{}` carries {xattr}: the overlay was mounted with metacopy or redirect_dir, which layers cannot have",
        path.display()
    )]
    OverlayFeature {
        /// Where.
        path: TreePath,
        /// The attribute.
        xattr: String,
    },
    /// A layer archive cannot be unpacked.
    #[error("layer {diff_id}: {reason}")]
    Layer {
        /// Which layer: the diff ID that was expected.
        diff_id: DiffId,
        /// What is wrong with it.
        reason: LayerProblem,
    },
    /// A blob's bytes have another digest than its name.
    #[error("blob {expected} arrived with other content ({found}): download it again")]
    BlobDigest {
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// A blob has another length than its descriptor says.
    #[error("blob {digest} has {found} bytes instead of {expected}: it is cut off or damaged")]
    BlobSize {
        /// The blob.
        digest: Digest,
        /// Bytes promised.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// No such blob.
    #[error("the store has no blob {0}")]
    UnknownBlob(Digest),
    /// No image has this name or id.
    #[error("the store has no image `{0}`: `galley images` lists those it has")]
    UnknownImage(String),
    /// Several images' ids begin so.
    #[error("several images' ids begin with `{0}`: write more digits")]
    AmbiguousImage(String),
    /// An image's configuration or manifest is not what its media type says.
    #[error("image {image}: {reason}")]
    BadImage {
        /// The image's id.
        image: Digest,
        /// What is wrong.
        reason: String,
    },
    /// Waiting for a lock was interrupted.
    #[error("interrupted while waiting for {0}")]
    Interrupted(String),
    /// A layer tar could not be written.
    #[error("cannot pack layer {layer}: {reason}")]
    Pack {
        /// The layer.
        layer: LayerId,
        /// What is wrong.
        reason: String,
    },
}

/// What is wrong with a layer archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerProblem {
    /// The bytes end in the middle.
    #[error("the archive is cut off: download it again")]
    Truncated,
    /// Compressed data is damaged.
    #[error("its compressed data is damaged: {0}")]
    Compression(io::Error),
    /// The source of the bytes failed.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// The uncompressed bytes have another digest.
    #[error("its content has the digest {0} instead: the image is damaged or was tampered with")]
    WrongDigest(DiffId),
    /// The archive is not a tar that galley understands.
    #[error("its archive is damaged: {0}")]
    Archive(String),
    /// An entry's path leads out of the root.
    #[error("it holds `{0}`, which leads out of the root file system: the image is hostile or damaged")]
    Escapes(String),
    /// More bytes, or more entries, than any honest layer has.
    #[error("it unpacks to more than {0}: refused as an archive bomb")]
    Bomb(String),
    /// An entry needs rights that this process lacks, or cannot be represented.
    #[error("`{path}` cannot be unpacked: {source}")]
    Entry {
        /// The entry.
        path: String,
        /// Why not.
        source: Box<StoreError>,
    },
}

/// `PATH_MAX` of Linux, in bytes.
const LONGEST_PATH: usize = 4096;

impl StoreError {
    /// How long a path below the directory `root` may be: with a slash between them and a NUL behind.
    pub(crate) fn longest_below(root: &Path) -> usize {
        LONGEST_PATH.saturating_sub(root.as_os_str().len() + 2)
    }

    /// A [`StoreError::PathTooLong`] about `path` below the directory `root`.
    pub(crate) fn path_too_long(path: &TreePath, root: &Path) -> Self {
        let start = path.display().to_string().chars().take(60).collect();
        Self::PathTooLong { start, length: path.as_bytes().len(), most: Self::longest_below(root) }
    }

    /// An [`StoreError::Io`], or [`StoreError::NoSpace`] where that is what the kernel said.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        let (path, source) = (path.as_ref().to_path_buf(), source.into());
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path, source },
            _ => Self::Io { action, path, source },
        }
    }

    /// For `map_err`: an [`StoreError::io`] about `path`.
    pub(crate) fn on<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::io(action, path, source)
    }
}
