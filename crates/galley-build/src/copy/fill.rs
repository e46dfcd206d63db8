//! Carries out a plan of [`super::place`] with the store's writer.

use std::collections::HashMap;

use galley_image::{Change, Diff, Entry, LinkGroup, Tree, TreePath};
use galley_store::{FileSource, LayerId, LayerWriter, StoreError};

use super::place::{Action, FileFrom, PlaceOptions, Put};
use super::source::{Bytes, ReadError, SourceBytes};
use super::unpack::{UnpackError, unpack};

/// The layer that the same step made the last time. Files that did not change are taken from it, so that they can share
/// their blocks or their inode.
#[derive(Clone, Copy)]
pub struct Previous<'p> {
    /// The layer.
    pub layer: LayerId,
    /// Its sealed manifest.
    pub diff: &'p Diff,
}

/// Why a layer cannot be filled.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// A source cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The layer cannot be written, or a file changed while it was copied.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An archive cannot be unpacked.
    #[error("cannot unpack {archive:?}: {source}")]
    Unpack {
        /// The archive, in its source's tree.
        archive: TreePath,
        /// Why not.
        source: UnpackError,
    },
}

/// Does `actions`, which [`super::place`] made for `dest_tree` and `options`. `sources` has one element for each selection
/// that was placed.
///
/// # Errors
/// [`FillError`]. A file whose bytes are not the ones that were hashed is [`StoreError::ChangedWhileCopied`], from here or
/// from the commit.
pub fn fill(
    writer: &mut LayerWriter,
    dest_tree: &Tree,
    actions: &[Action<'_>],
    sources: &[SourceBytes<'_>],
    options: &PlaceOptions<'_>,
    previous: Option<Previous<'_>>,
) -> Result<(), FillError> {
    let mut linked: HashMap<LinkGroup, &TreePath> = HashMap::new();
    for action in actions {
        match &action.put {
            Put::Entry(entry) | Put::Archive { entry, .. } if entry.is_directory() => {
                writer.put_directory(&action.path, entry)?;
            }
            Put::Entry(entry) | Put::Archive { entry, .. } => writer.put_special(&action.path, entry)?,
            Put::File { entry, from } => {
                let group = entry.file().and_then(|file| file.link_group);
                match group.and_then(|group| linked.get(&group)) {
                    Some(first) => writer.put_hardlink(&action.path, first)?,
                    None => put_file(writer, &action.path, entry, *from, sources, previous)?,
                }
                if let Some(group) = group {
                    linked.entry(group).or_insert(&action.path);
                }
            }
        }
    }
    for action in actions {
        let Put::Archive { archives, .. } = &action.put else { continue };
        for (from, compression) in archives {
            let failed = |source| FillError::Unpack { archive: from.path.clone(), source };
            let source = sources.get(from.selection).ok_or_else(|| ReadError::Unknown(from.path.clone()))?;
            let reader = source.open(from.path, from.origin)?;
            let mut reader =
                compression.reader(reader).map_err(|source| failed(UnpackError::Damaged(source)))?;
            unpack(writer, dest_tree, actions, &action.path, options, &mut reader).map_err(failed)?;
        }
    }
    Ok(())
}

fn put_file(
    writer: &mut LayerWriter,
    path: &TreePath,
    entry: &Entry,
    from: FileFrom<'_>,
    sources: &[SourceBytes<'_>],
    previous: Option<Previous<'_>>,
) -> Result<(), FillError> {
    if let Some(layer) = previous.and_then(|previous| unchanged(previous, path, entry)) {
        return Ok(writer.put_file_from(path, entry, FileSource::Layer { layer, path: path.clone() })?);
    }
    let source = sources.get(from.selection).ok_or_else(|| ReadError::Unknown(from.path.clone()))?;
    match source.bytes(from.path, from.origin, from.digest)? {
        Bytes::Stored(source) => writer.put_file_from(path, entry, source)?,
        Bytes::Here(mut bytes) => {
            writer.put_file(path, entry, &mut bytes)?;
        }
    }
    Ok(())
}

/// The previous layer, if it has the very same file at `path`.
fn unchanged(previous: Previous<'_>, path: &TreePath, entry: &Entry) -> Option<LayerId> {
    let Change::Put { entry: before, .. } = previous.diff.get(path)? else { return None };
    let (old, new) = (before.file()?, entry.file()?);
    let same_bytes = old.digest.is_some() && old.digest == new.digest && old.size == new.size;
    // A file that was one of several links there would bring its inode along.
    let alone = old.link_group.is_none() && new.link_group.is_none();
    let same_metadata = (before.mode, before.uid, before.gid, before.mtime)
        == (entry.mode, entry.uid, entry.gid, entry.mtime)
        && before.xattrs == entry.xattrs;
    (same_bytes && alone && same_metadata).then_some(previous.layer)
}
