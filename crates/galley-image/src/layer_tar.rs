//! Layers as tar archives: [`pack`] writes a [`crate::Diff`] in galley's one canonical form, [`read`] takes in what any builder wrote.
//!
//! Both are own code. The writer must give the same bytes for ever, because an image's identity is their digest; the
//! reader must understand an archive exactly as docker's does or refuse it, because an archive that two programs read
//! differently can smuggle files past one of them. Formats: pax and ustar (POSIX.1-2017, pax, "ustar Interchange
//! Format"), GNU tar's long names and base-256 numbers, V7; whiteouts as in OCI image-spec, layer.md.

mod header;
mod pack;
mod pax;
mod read;

pub use header::HeaderError;
pub use pack::{Open, PackError, Packed, TarProfile, Times, pack};
pub use read::{ArchiveError, LayerSink, ReadError, Summary, Whiteouts, read};

/// Archives are made of records of this many bytes.
const BLOCK: usize = 512;

/// The prefix of a file name that deletes the name behind it in the layers below.
pub const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// The name of a file that hides everything the layers below have in its directory.
pub const OPAQUE_NAME: &[u8] = b".wh..wh..opq";

/// Whether a component of `path` begins with `.wh.`: such a file cannot be stored in a layer, since it would read as a deletion.
#[must_use]
pub fn has_whiteout_name(path: &crate::TreePath) -> bool {
    path.components().any(|component| component.starts_with(WHITEOUT_PREFIX))
}

/// Bytes from the end of a member's content to the next block.
fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if over == 0 { 0 } else { BLOCK - over }
}
