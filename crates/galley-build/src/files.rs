//! Reads single files of a root file system that exists only as layers.

use std::io;
use std::os::unix::fs::OpenOptionsExt;

use galley_image::Tree;
use galley_store::{Snapshot, Store};
use std::io::Read;

/// The bytes of a regular file at `path`, links followed inside the tree; `None` where there is none.
///
/// # Errors
/// The layer's file cannot be read.
pub fn read_in_tree(
    store: &Store,
    tree: &Tree,
    chain: &[Snapshot],
    path: &str,
) -> io::Result<Option<Vec<u8>>> {
    let Ok(path) = tree.resolve(path.as_bytes(), true) else { return Ok(None) };
    let Some(node) = tree.get(&path).filter(|node| node.entry.file().is_some()) else { return Ok(None) };
    let Some(on_disk) = store.source_path(chain, node.origin, &path) else { return Ok(None) };
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut file = std::fs::OpenOptions::new().read(true).custom_flags(no_follow).open(on_disk)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
