//! Files that need not be made: those that a layer has at the same path as another one, which may then show through.
//!
//! Whether they do is known only at the end, when the layer is whole. So they are held back until then; if the layer cannot lie over
//! the other one, they are linked or copied like all others.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use galley_image::{Change, Entry, Kind, TreePath};

use super::file::Attributes;
use super::link::Family;
use super::pool::Job;
use super::source::Source;
use super::{Bytes, LayerWriter, Put};
use crate::underlay::Underlay;
use crate::{LayerId, StoreError};

/// With fewer shared files than this, making them costs less than one more directory in every mount.
const FEWEST: usize = 32;

impl LayerWriter {
    /// Hands a file to the worker threads.
    pub(super) fn copy(
        &mut self,
        directory: Arc<OwnedFd>,
        path: &TreePath,
        entry: &Entry,
        source: Source,
    ) -> Result<Bytes, StoreError> {
        let attributes = Attributes::of(entry);
        self.pool.copy(Job { directory, path: path.clone(), attributes, source }).map(Bytes::Copied)
    }

    /// Takes a file that `layer` has at `from`: holds it back if it may show through, and then `entry` learns the digest; else hands it to
    /// the worker threads.
    pub(super) fn take_from_layer(
        &mut self,
        directory: Arc<OwnedFd>,
        path: &TreePath,
        entry: &mut Entry,
        layer: LayerId,
        from: &TreePath,
    ) -> Result<Bytes, StoreError> {
        let (digest, family) = self.links.find(&self.store, layer, from, entry)?;
        if let (Some(family), Kind::File(file)) = (&family, &mut entry.kind)
            && from == path
            && self.may_hold(family, path)?
        {
            file.digest = digest;
            return Ok(Bytes::Held(Arc::clone(family)));
        }
        // The inode is in the layer already if it shows through.
        let held = matches!(self.puts.get(from), Some(Put { bytes: Bytes::Held(_), .. }));
        let family = family.filter(|_| !held && self.links.use_once(layer, from));
        let on_disk = self.store.file_path(layer, from);
        self.copy(
            directory,
            path,
            entry,
            Source::layer(on_disk, digest, family.map(|family| (layer, family))),
        )
    }

    /// Whether a file may be held back that is to be at the path where a layer of this family has it.
    fn may_hold(&mut self, family: &Family, path: &TreePath) -> Result<bool, StoreError> {
        let underlay = self.store.underlay(family.from)?;
        let layer = match &underlay {
            Some(underlay) if underlay.shows(path) => underlay.layer,
            Some(_) => return Ok(false),
            None => family.from,
        };
        let free = !family.has_some_below() && !self.links.is_used(family.from, path);
        Ok(free && *self.held_of.get_or_insert(layer) == layer)
    }

    /// Makes a file that was held back.
    pub(super) fn release(&mut self, path: &TreePath) -> Result<(), StoreError> {
        let Some(Put { entry, bytes: Bytes::Held(family) }) = self.puts.get(path).cloned() else {
            return Ok(());
        };
        let digest = entry.file().and_then(|file| file.digest);
        let source =
            Source::layer(self.store.file_path(family.from, path), digest, Some((family.from, family)));
        let directory = self.directories.open(&path.parent().unwrap_or_default())?;
        let bytes = self.copy(directory, path, &entry, source)?;
        self.puts.insert(path.clone(), Put { entry, bytes });
        Ok(())
    }

    /// Decides about what was held back: what the layer lies over, or else it is all being made.
    pub(super) fn settle(&mut self) -> Result<Option<Underlay>, StoreError> {
        let Some(layer) = self.held_of else { return Ok(None) };
        let held = |put: &Put| matches!(put.bytes, Bytes::Held(_));
        if self.may_lie_over(layer)? {
            let own: HashSet<TreePath> =
                self.puts.iter().filter(|(_, put)| !held(put)).map(|(path, _)| path.clone()).collect();
            return Ok(Some(Underlay::new(layer, own)));
        }
        let held: Vec<TreePath> =
            self.puts.iter().filter(|(_, put)| held(put)).map(|(path, _)| path.clone()).collect();
        for path in held {
            self.release(&path)?;
        }
        Ok(None)
    }

    /// Whether nothing of `layer` would show that is not held, and sharing is worth it.
    fn may_lie_over(&self, layer: LayerId) -> Result<bool, StoreError> {
        let files = self.puts.values().filter(|put| !put.entry.is_directory());
        let (held, own): (Vec<&Put>, Vec<&Put>) = files.partition(|put| matches!(put.bytes, Bytes::Held(_)));
        if held.len() < FEWEST || own.len() > held.len() {
            return Ok(false);
        }
        if !self.whiteouts.is_empty() || !self.opaques.is_empty() {
            return Ok(false);
        }
        // A file of the layer's own hides whatever is below it; a directory hides a file, and merges with a directory.
        let hides = |below: &Entry, above: &Entry| !below.is_directory() || above.is_directory();
        let diff = self.store.diff(layer)?;
        let mut puts = self.puts.iter().peekable();
        Ok(diff.iter().filter(|(path, _)| !path.is_root()).all(|(path, change)| {
            while puts.next_if(|(put, _)| *put < path).is_some() {}
            let above = puts.peek().filter(|(put, _)| *put == path).map(|(_, put)| &put.entry);
            match (change, above) {
                (Change::Put { entry, opaque: false }, Some(above)) => hides(entry, above),
                _ => false,
            }
        }))
    }
}
