//! The end of a layer's writing: the account becomes its diff, and what lies on disk is made to fit.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use galley_image::{Change, Diff, Entry, Kind, LinkGroup, TreePath};
use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid, XattrFlags};
use rustix::io::Errno;

use super::failure::Failure;
use super::{Bytes, LayerWriter, Put, pool::Pool};
use crate::underlay::Underlay;
use crate::{LayerId, Snapshotter, StoreError};

/// A layer that is written to the end.
#[derive(Debug)]
pub(crate) struct Written {
    /// What it does.
    pub(crate) diff: Diff,
    /// Layers that it shares inodes with.
    pub(crate) linked: Vec<LayerId>,
    /// The one among them that shows through.
    pub(crate) underlay: Option<Underlay>,
    /// Keeps those layers from being mounted until the new one is committed as their relative.
    pub(crate) _links: super::link::Links,
}

impl LayerWriter {
    /// Waits for the copies and finishes the layer on disk.
    pub(crate) fn finish(mut self) -> Result<Written, StoreError> {
        let underlay = self.settle()?;
        let born = self.files.born();
        let (results, mut linked) = std::mem::replace(&mut self.pool, Pool::new(born)).finish()?;
        for (path, put) in &mut self.puts {
            let (Kind::File(file), Bytes::Copied(job)) = (&mut put.entry.kind, &put.bytes) else { continue };
            // Somebody was told of a failure and went on all the same.
            let lost = || self.directories.error("copy", path, Errno::CANCELED);
            let (digest, size) = results.get(*job).copied().flatten().ok_or_else(lost)?;
            (file.digest, file.size) = (Some(digest), size);
        }
        self.add_opaque_directories()?;
        let deletions = self.write_whiteouts()?;
        self.number_link_groups();
        self.finish_directories()?;
        let (puts, opaques, whiteouts, parent) = (&self.puts, &self.opaques, &self.whiteouts, &self.parent);
        let hides = |path: &TreePath| {
            (opaques.contains(path) || whiteouts.contains(path))
                && parent.get(path).is_some_and(Entry::is_directory)
        };
        let put = puts.iter().map(|(path, Put { entry, .. })| {
            let opaque = entry.is_directory() && hides(path);
            (path.clone(), Change::Put { entry: entry.clone(), opaque })
        });
        let diff = put.chain(deletions.into_iter().map(|path| (path, Change::Whiteout))).collect();
        linked.extend(underlay.as_ref().map(|underlay| underlay.layer));
        Ok(Written { diff, linked, underlay, _links: self.links })
    }

    /// A directory that only hides what is below it needs an entry to do so.
    fn add_opaque_directories(&mut self) -> Result<(), StoreError> {
        if self.opaques.remove(&TreePath::root()) {
            // The root of an overlay always merges: its content goes name by name.
            let below = self.parent.tree();
            self.whiteouts
                .extend(below.children(&TreePath::root()).map(|(name, _)| TreePath::root().join(name)));
        }
        for path in std::mem::take(&mut self.opaques) {
            let hides = self.parent.get(&path).is_some_and(Entry::is_directory);
            if hides && !self.puts.contains_key(&path) && !self.hidden(&path) {
                self.ensure_directory(&path, &path)?;
            }
            self.opaques.insert(path);
        }
        Ok(())
    }

    /// Writes the whiteouts that hide something, and returns them.
    fn write_whiteouts(&mut self) -> Result<Vec<TreePath>, StoreError> {
        let wanted: Vec<TreePath> = self.whiteouts.iter().cloned().collect();
        let mut written = Vec::new();
        for path in wanted {
            let hides = self.parent.get(&path).is_some() && !path.is_root();
            if !hides || self.puts.contains_key(&path) || self.hidden(&path) {
                continue;
            }
            let above = path.parent().unwrap_or_default();
            self.ensure_directory(&above, &path)?;
            if self.overlay.is_some() {
                let parent = self.directories.open(&above)?;
                let (name, mode) = (path.name().unwrap_or_default(), Mode::empty());
                rustix::fs::mknodat(&parent, name, FileType::CharacterDevice, mode, 0)
                    .map_err(|error| self.directories.error("create the whiteout", &path, error))?;
            }
            written.push(path);
        }
        Ok(written)
    }

    /// Whether something above `path` in this layer keeps the parent's `path` from showing.
    fn hidden(&self, path: &TreePath) -> bool {
        path.ancestors().any(|above| {
            self.opaques.contains(&above)
                || self.whiteouts.contains(&above)
                || self.puts.get(&above).is_some_and(|put| !put.entry.is_directory())
        })
    }

    /// Groups are numbered as they come in the layer, and one file alone is none.
    fn number_link_groups(&mut self) {
        let mut sizes: HashMap<LinkGroup, u32> = HashMap::new();
        let group_of = |put: &Put| put.entry.file().and_then(|file| file.link_group);
        for group in self.puts.values().filter_map(group_of) {
            *sizes.entry(group).or_default() += 1;
        }
        let mut numbers: BTreeMap<LinkGroup, LinkGroup> = BTreeMap::new();
        for put in self.puts.values_mut() {
            if let Kind::File(file) = &mut put.entry.kind {
                let group = file.link_group.filter(|group| sizes.get(group).is_some_and(|size| *size > 1));
                let next = LinkGroup(u32::try_from(numbers.len()).unwrap_or(u32::MAX));
                file.link_group = group.map(|group| *numbers.entry(group).or_insert(next));
            }
        }
    }

    /// Directories get their attributes last, since whatever is put into one changes its time; the deepest first.
    fn finish_directories(&mut self) -> Result<(), StoreError> {
        let root = self.directories.open(&TreePath::root())?;
        let born = self.files.born();
        let below = self.parent.get(&TreePath::root()).cloned();
        let own_root = self.puts.contains_key(&TreePath::root());
        let root_entry = below.filter(|_| !own_root).map(|entry| (TreePath::root(), entry));
        let mut directories: Vec<(&TreePath, &Entry)> =
            root_entry.iter().map(|(path, entry)| (path, entry)).collect();
        directories.extend(
            self.puts
                .iter()
                .filter(|(_, put)| put.entry.is_directory())
                .map(|(path, put)| (path, &put.entry)),
        );
        for (path, entry) in directories.into_iter().rev() {
            let on_disk = self.directories.path(path);
            if let Some(name) = self.opaque_xattr(path) {
                rustix::fs::lsetxattr(&on_disk, name, b"y", XattrFlags::empty())
                    .map_err(StoreError::on("set the attributes of", &on_disk))?;
            }
            born.set_directory(&root, &on_disk, path, entry)?;
        }
        Ok(())
    }

    fn opaque_xattr(&self, path: &TreePath) -> Option<&'static OsStr> {
        let marked = self.opaques.contains(path) || self.whiteouts.contains(path);
        if !marked || !self.parent.get(path).is_some_and(Entry::is_directory) {
            return None;
        }
        self.overlay.map(opaque_name)
    }
}

/// The attribute by which an overlay knows that a directory is opaque.
pub(crate) fn opaque_name(snapshotter: Snapshotter) -> &'static OsStr {
    OsStr::from_bytes(match snapshotter {
        Snapshotter::Overlay { userxattr: true } => b"user.overlay.opaque",
        _ => b"trusted.overlay.opaque",
    })
}

impl super::file::Born {
    /// Gives a directory of a layer, whose root is open, its owner, mode, attributes and time.
    pub(crate) fn set_directory(
        self,
        root: &OwnedFd,
        on_disk: &Path,
        path: &TreePath,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        for (name, value) in &entry.xattrs {
            rustix::fs::lsetxattr(on_disk, &**name, value, XattrFlags::empty())
                .map_err(|error| Failure::Attribute(name.clone(), value.len(), error.into()).at(path))?;
        }
        let set = || -> Result<(), Errno> {
            if !path.is_root() {
                self.set_node(root, path.as_bytes(), entry)?;
                // It may have been made with another mode, as the parent's, before it was put.
                let mode = Mode::from_raw_mode(entry.mode & 0o7777);
                return rustix::fs::chmodat(root, path.as_bytes(), mode, AtFlags::empty());
            }
            rustix::fs::fchown(root, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))?;
            rustix::fs::fchmod(root, Mode::from_raw_mode(entry.mode & 0o7777))?;
            rustix::fs::futimens(root, &super::times_of(entry.mtime))
        };
        set().map_err(StoreError::on("set the attributes of", on_disk))
    }
}
