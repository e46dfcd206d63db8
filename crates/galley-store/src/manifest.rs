//! The sealed manifest of a layer: a [`Diff`] as bytes.
//!
//! ```text
//! "galley manifest 1\n"
//! count                       entries
//! entry*                      in path order
//! blake3                      32 bytes, over everything before
//! ```
//! An entry is: how many bytes of the path before are shared, the rest of the path, a tag, and what belongs to the tag.
//! Numbers are LEB128, byte strings have their length in front. Written to be read fast: 50,000 entries take a few
//! milliseconds.

mod decode;
mod encode;

use std::fs;
use std::io::Write;
use std::path::Path;

use galley_image::Diff;

use crate::StoreError;

pub(crate) const MAGIC: &[u8] = b"galley manifest 1\n";
const CHECKSUM: usize = 32;

/// An entry's tag: its low bits say what it is ...
mod tag {
    pub(super) const WHITEOUT: u8 = 0;
    pub(super) const FILE: u8 = 1;
    pub(super) const DIRECTORY: u8 = 2;
    pub(super) const SYMLINK: u8 = 3;
    pub(super) const CHAR_DEVICE: u8 = 4;
    pub(super) const BLOCK_DEVICE: u8 = 5;
    pub(super) const FIFO: u8 = 6;
    pub(super) const KIND: u8 = 0x0f;
    /// ... and its high bits what it has.
    pub(super) const XATTRS: u8 = 0x10;
    pub(super) const OPAQUE: u8 = 0x20;
    pub(super) const DIGEST: u8 = 0x40;
    pub(super) const LINK_GROUP: u8 = 0x80;
}

/// The bytes of a sealed manifest.
pub(crate) fn seal(diff: &Diff) -> Vec<u8> {
    encode::encode(diff)
}

/// Reads a sealed manifest back.
///
/// # Errors
/// What is wrong with the bytes, for people.
pub(crate) fn unseal(bytes: &[u8]) -> Result<Diff, &'static str> {
    decode::decode(bytes)
}

/// Writes a sealed manifest to a new file.
pub(crate) fn write(path: &Path, diff: &Diff) -> Result<(), StoreError> {
    let mut file = fs::File::create_new(path).map_err(StoreError::on("create", path))?;
    file.write_all(&seal(diff)).map_err(StoreError::on("write", path))
}

/// Reads a layer's manifest.
pub(crate) fn read(path: &Path) -> Result<Diff, StoreError> {
    let bytes = fs::read(path).map_err(StoreError::on("read", path))?;
    unseal(&bytes).map_err(|reason| StoreError::Corrupt { path: path.into(), reason: reason.into() })
}

#[cfg(test)]
mod tests;
