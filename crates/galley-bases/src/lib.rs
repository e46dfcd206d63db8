//! Root file systems made of Debian packages, where no image registry is.
//!
//! Two halves: [`archive`] knows mirrors, signatures, indexes and dependencies, and ends with verified `.deb` files on
//! disk; [`root`] makes a layer of them. What crosses between the two is a list of [`DebFile`]s.
#![forbid(unsafe_code)]

pub mod archive;
mod error;
pub mod root;

use std::path::PathBuf;

pub use error::BasesError;
pub use root::{
    ArchiveOptions, BasesWorld, BuiltRoot, MirrorChoice, Phase, Progress, RootSpec, Variant, build_root,
};

/// A `.deb` file whose size and SHA-256 are those that a signed index or a lock gives. Lists of them are sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebFile {
    /// The package's name, such as `libc6`.
    pub name: String,
    /// Its version as the index writes it, epoch included (deb-version(7)).
    pub version: String,
    /// `amd64`, `arm64`, `all` and the like.
    pub architecture: String,
    /// Bytes.
    pub size: u64,
    /// The SHA-256 of the file in lower-case hexadecimal digits.
    pub sha256: String,
    /// Where the file lies, in the package cache.
    pub path: PathBuf,
}
