//! What a step did, read off the upper directory of its overlay.
//!
//! What no image should hold is taken out of the directory too (it will be the layer): stubs that the sandbox made up,
//! sockets, whiteouts of nothing, and directories that the overlay copied up without anything in or about them changing.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use galley_image::layer_tar::WHITEOUT_PREFIX;
use galley_image::{Change, Diff, Entry, Kind, LinkGroup, TreePath};
use rustix::fs::{AtFlags, CWD};

use crate::StoreError;
use crate::view::View;
use crate::walk::{Found, What, walk};

/// The layer that the upper directory `upper` is, on `parent`.
pub(crate) fn read(upper: &Path, parent: &View, stubs: &[TreePath]) -> Result<Diff, StoreError> {
    let (cleared, stubbed) = Default::default();
    let mut upper = Upper { root: upper, parent, found: walk(upper)?, cleared, stubbed };
    refuse_whiteout_names(&upper.found)?;
    upper.clear(stubs)?;
    upper.drop_unchanged()?;
    let mut changes: Vec<(TreePath, Change)> = Vec::with_capacity(upper.found.len());
    let groups = link_groups(upper.found.iter());
    for found in std::mem::take(&mut upper.found) {
        let change = match found.what {
            What::Whiteout => Change::Whiteout,
            What::Entry(mut entry, opaque) => {
                if let Kind::File(file) = &mut entry.kind {
                    file.link_group = groups.get(&found.inode).copied();
                }
                let hides = || parent.get(&found.path).is_some_and(Entry::is_directory);
                let opaque = opaque && entry.is_directory() && hides();
                Change::Put { entry, opaque }
            }
            What::Socket => continue,
        };
        changes.push((found.path, change));
    }
    let diff = Diff::new(changes);
    upper.restore_times(&diff)?;
    Ok(diff)
}

/// Names that begin with `.wh.` would read as deletions.
pub(crate) fn refuse_whiteout_names(found: &[Found]) -> Result<(), StoreError> {
    let named = |found: &&Found| found.path.name().is_some_and(|name| name.starts_with(WHITEOUT_PREFIX));
    match found.iter().find(named) {
        Some(found) => Err(StoreError::WhiteoutName { path: found.path.clone() }),
        None => Ok(()),
    }
}

/// Numbers for the inodes that have several names among `found`, in the order in which they come.
pub(crate) fn link_groups<'a>(found: impl Iterator<Item = &'a Found>) -> HashMap<(u64, u64), LinkGroup> {
    let mut first: HashMap<(u64, u64), bool> = HashMap::new();
    let mut order = Vec::new();
    for found in found.filter(|found| found.names > 1) {
        if matches!(&found.what, What::Entry(entry, _) if entry.file().is_some()) {
            let several = first.entry(found.inode).and_modify(|several| *several = true).or_insert(false);
            if !*several {
                order.push(found.inode);
            }
        }
    }
    order.retain(|inode| first.get(inode) == Some(&true));
    order.into_iter().zip(0..).map(|(inode, number)| (inode, LinkGroup(number))).collect()
}

struct Upper<'a> {
    root: &'a Path,
    parent: &'a View,
    found: Vec<Found>,
    /// Directories that something was taken out of on disk, which changed their time.
    cleared: BTreeSet<TreePath>,
    /// Those whose time the sandbox's stubs may have changed before.
    stubbed: BTreeSet<TreePath>,
}

impl Upper<'_> {
    fn remove(&mut self, path: &TreePath, directory: bool) -> Result<(), StoreError> {
        let on_disk = self.root.join(OsStr::from_bytes(path.as_bytes()));
        let removed = if directory { fs::remove_dir(&on_disk) } else { fs::remove_file(&on_disk) };
        removed.map_err(StoreError::on("delete", &on_disk))?;
        self.cleared.insert(path.parent().unwrap_or_default());
        Ok(())
    }

    /// Takes out what is no change: sockets, whiteouts of nothing, and stubs that nothing was put into.
    fn clear(&mut self, stubs: &[TreePath]) -> Result<(), StoreError> {
        let stubs: BTreeSet<&TreePath> = stubs.iter().collect();
        let mut kept: Vec<Found> = Vec::with_capacity(self.found.len());
        // Backwards, so that what a directory holds is decided before the directory is.
        for found in std::mem::take(&mut self.found).into_iter().rev() {
            let holds = kept.last().is_some_and(|last| last.path.below(&found.path).is_some());
            let (gone, directory) = match &found.what {
                What::Socket => (true, false),
                What::Whiteout => (self.parent.get(&found.path).is_none(), false),
                What::Entry(entry, _) if stubs.contains(&found.path) => match &entry.kind {
                    Kind::Directory => (!holds && self.parent.get(&found.path).is_none(), true),
                    Kind::File(file) => (file.size == 0 && self.parent.get(&found.path).is_none(), false),
                    _ => (false, false),
                },
                What::Entry(..) => (false, false),
            };
            if gone {
                self.remove(&found.path, directory)?;
                if stubs.contains(&found.path) {
                    self.stubbed.insert(found.path.parent().unwrap_or_default());
                }
            } else {
                kept.push(found);
            }
        }
        kept.reverse();
        self.found = kept;
        Ok(())
    }

    /// Takes out directories that are as the parent has them and hold no change.
    fn drop_unchanged(&mut self) -> Result<(), StoreError> {
        let mut kept: Vec<Found> = Vec::with_capacity(self.found.len());
        for found in std::mem::take(&mut self.found).into_iter().rev() {
            let holds = kept.last().is_some_and(|last| last.path.below(&found.path).is_some());
            let unchanged = match &found.what {
                What::Entry(entry, false) if entry.is_directory() && !holds => {
                    self.parent.get(&found.path).is_some_and(|before| self.same(&found.path, before, entry))
                }
                _ => false,
            };
            if !unchanged {
                kept.push(found);
            } else if !found.path.is_root() {
                self.remove(&found.path, true)?;
            }
        }
        kept.reverse();
        // The root is the parent of all and needs no entry to be so.
        let root_same = |found: &Found| match &found.what {
            What::Entry(entry, _) if found.path.is_root() => {
                self.parent.get(&found.path).is_some_and(|before| self.same(&found.path, before, entry))
            }
            _ => false,
        };
        kept.retain(|found| !root_same(found));
        self.found = kept;
        Ok(())
    }

    /// Whether a directory is as it was. Where a stub was, its time says nothing.
    fn same(&self, path: &TreePath, before: &Entry, after: &Entry) -> bool {
        let mtime = if self.stubbed.contains(path) { before.mtime } else { after.mtime };
        *before == Entry { mtime, ..after.clone() }
    }

    /// Gives directories the times back that taking things out changed.
    fn restore_times(&self, diff: &Diff) -> Result<(), StoreError> {
        for path in &self.cleared {
            let entry = match diff.get(path) {
                Some(Change::Put { entry, .. }) => Some(entry),
                Some(Change::Whiteout) => None,
                None => self.parent.get(path),
            };
            let on_disk = if path.is_root() {
                self.root.into()
            } else {
                self.root.join(OsStr::from_bytes(path.as_bytes()))
            };
            let Some(entry) = entry else { continue };
            match rustix::fs::utimensat(
                CWD,
                &on_disk,
                &crate::writer::times_of(entry.mtime),
                AtFlags::SYMLINK_NOFOLLOW,
            ) {
                // It was taken out itself.
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(StoreError::io("set the time of", &on_disk, error)),
            }
        }
        Ok(())
    }
}
