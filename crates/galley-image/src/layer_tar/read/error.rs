//! What can be wrong with an archive.

use std::io;

use crate::layer_tar::HeaderError;
use crate::path::{PathError, TreePath};

/// Why an archive was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The archive is broken, or holds what a layer cannot hold.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The sink failed.
    #[error("{0}")]
    Sink(E),
}

/// What is wrong with an archive. Offsets are bytes from the start of the uncompressed archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The stream ends inside a member.
    #[error("the archive is cut off: it ends inside a member at byte {offset}; fetch or make it again")]
    Truncated {
        /// Where the bytes end.
        offset: u64,
    },
    /// The bytes could not be read: a broken connection or compression.
    #[error("cannot read the archive behind byte {offset}: {error}")]
    Read {
        /// Where reading failed.
        offset: u64,
        /// Why.
        error: io::Error,
    },
    /// A header block that is none.
    #[error("this is not a tar archive, or it is damaged, at byte {offset}: {error}")]
    Header {
        /// Where the header is.
        offset: u64,
        /// What is wrong with it.
        error: HeaderError,
    },
    /// A block of zeroes between members; two in a row end an archive.
    #[error("the archive is damaged: members follow half an end marker at byte {offset}")]
    LoneZeroBlock {
        /// Where the block is.
        offset: u64,
    },
    /// A pax record does not follow the grammar, or its value does not.
    #[error("the archive has a malformed pax record `{key}` at byte {offset}")]
    Record {
        /// Where the extended header is.
        offset: u64,
        /// The key, empty where the record itself cannot be read.
        key: String,
    },
    /// An extended header of unreasonable length.
    #[error("the archive has an extended header of {size} bytes at byte {offset}; galley reads up to 1 MiB")]
    ExtendedSize {
        /// Where it is.
        offset: u64,
        /// Its length in bytes.
        size: u64,
    },
    /// Two headers give the same member different names, so that programs would not agree on it.
    #[error(
        "the archive gives one member two extended headers for its {what} at byte {offset}: it is refused as ambiguous"
    )]
    Ambiguous {
        /// Where the second one is.
        offset: u64,
        /// What they set.
        what: &'static str,
    },
    /// A member has an empty name.
    #[error("the archive has a member without a name at byte {offset}")]
    NoName {
        /// Where the header is.
        offset: u64,
    },
    /// A name leads out of the tree.
    #[error("the archive is refused: {0}")]
    Name(#[source] PathError),
    /// The root of the tree is something else than a directory.
    #[error(
        "the archive is refused: the member at byte {offset} replaces the root directory by something else"
    )]
    Root {
        /// Where the header is.
        offset: u64,
    },
    /// A hard link to itself, to the root, or out of the tree.
    #[error(
        "the archive is refused: {path:?} is a hard link to `{target}`, which is not another file of the tree"
    )]
    HardLink {
        /// The link.
        path: TreePath,
        /// What it leads to, as written.
        target: String,
    },
    /// A symbolic link without a target, or with a NUL byte in it.
    #[error("the archive is refused: symbolic link `{name}` has no usable target")]
    SymlinkTarget {
        /// The link.
        name: String,
    },
    /// A `.wh.` name that deletes nothing sensible, or is no plain file.
    #[error(
        "the archive is refused: {path:?} has a name that begins with `.wh.` but is no deletion that a layer can make"
    )]
    Whiteout {
        /// The member.
        path: TreePath,
    },
    /// A sparse file, in any of GNU tar's forms.
    #[error(
        "`{name}` is stored as a sparse file, which layers do not have: make the archive without --sparse"
    )]
    Sparse {
        /// The member.
        name: String,
    },
    /// A type that a Linux layer does not have.
    #[error("`{name}` has the tar type `{kind}`, which galley does not unpack")]
    Unsupported {
        /// The member.
        name: String,
        /// The type byte.
        kind: String,
    },
    /// An owner that is no Linux id.
    #[error("`{name}` has {what} {id}, which is not a Linux id")]
    Owner {
        /// The member.
        name: String,
        /// `uid` or `gid`.
        what: &'static str,
        /// The number.
        id: u64,
    },
}
