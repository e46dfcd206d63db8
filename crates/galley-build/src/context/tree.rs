//! Puts the listings of a walk together: depth first, excluded directories only where something below them is in, files
//! with several names as link groups.

use std::collections::HashMap;

use galley_image::{Entry, Kind, LinkGroup, Mtime, Tree, TreePath};
use rustix::fs::Statx;

use super::listing::{Found, Listing, device};

/// One directory's listing, and where the listings of the directories in it are.
pub(super) struct Directory {
    pub listing: Listing,
    pub children: Vec<usize>,
}

/// What a walk found.
pub(super) struct Scanned {
    pub tree: Tree,
    pub warnings: Vec<String>,
    /// The device of the root.
    pub device: u64,
}

/// Puts the directories together; the first is the root, whose metadata is `root`.
pub(super) fn assemble(root: &Statx, mut directories: Vec<Option<Directory>>) -> Scanned {
    let count = directories.iter().flatten().map(|directory| directory.listing.found.len()).sum::<usize>();
    let mut all =
        Assembly { entries: Vec::with_capacity(count + 1), warnings: Vec::new(), inodes: HashMap::new() };
    let mtime = Mtime { seconds: root.stx_mtime.tv_sec, nanoseconds: root.stx_mtime.tv_nsec };
    let entry = Entry::directory(u32::from(root.stx_mode) & 0o7777, mtime);
    all.entries.push((TreePath::root(), entry));
    all.directory(&mut directories, 0);
    Scanned { tree: Tree::from_entries(all.entries), warnings: all.warnings, device: device(root) }
}

struct Assembly {
    entries: Vec<(TreePath, Entry)>,
    warnings: Vec<String>,
    /// The first entry of each inode with several names.
    inodes: HashMap<(u64, u64), usize>,
}

impl Assembly {
    /// Adds a directory's content. The recursion is as deep as the context's directories are, which the length of a
    /// path limits (path_resolution(7)).
    fn directory(&mut self, directories: &mut [Option<Directory>], slot: usize) {
        let Some(Directory { listing, children }) = directories.get_mut(slot).and_then(Option::take) else {
            return;
        };
        self.warnings.extend(listing.warnings);
        let mut children = children.into_iter();
        for found in listing.found {
            if found.below.is_none() {
                self.leaf(found);
                continue;
            }
            let before = self.entries.len();
            self.entries.push((found.path, found.entry));
            if let Some(slot) = children.next() {
                self.directory(directories, slot);
            }
            if found.excluded && self.entries.len() == before + 1 {
                self.entries.pop();
            }
        }
    }

    fn leaf(&mut self, mut found: Found) {
        if let Some(inode) = found.inode {
            let here = self.entries.len();
            let first = *self.inodes.entry(inode).or_insert(here);
            let group = LinkGroup(u32::try_from(first).unwrap_or(u32::MAX));
            let earlier = self.entries.get_mut(first).map(|(_, entry)| entry);
            // Only a second name makes a group: the others may lie outside of the context.
            for entry in earlier.into_iter().chain((first != here).then_some(&mut found.entry)) {
                if let Kind::File(content) = &mut entry.kind {
                    content.link_group = Some(group);
                }
            }
        }
        self.entries.push((found.path, found.entry));
    }
}
