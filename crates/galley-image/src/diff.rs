//! What a layer does to a tree, as a value: the sealed manifest of a layer is a [`Diff`].

mod between;
mod builder;

use std::collections::HashSet;

use crate::entry::Entry;
use crate::path::TreePath;
use crate::tree::Tree;

pub use builder::{DiffBuilder, DiffError};

/// What a layer does at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The path now holds this entry.
    Put {
        /// The entry.
        entry: Entry,
        /// For a directory: nothing of the directory below shows through (OCI image-spec, layer.md, "Opaque Whiteout").
        opaque: bool,
    },
    /// The path, and everything below it, is gone (OCI image-spec, layer.md, "Whiteouts").
    Whiteout,
}

impl Change {
    /// A change that puts `entry` there, transparent where it is a directory.
    #[must_use]
    pub fn put(entry: Entry) -> Self {
        Self::Put { entry, opaque: false }
    }
}

/// A layer as a value: changes in path order, each path at most once. The sealed manifest of a layer is its `Diff`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Diff {
    changes: Vec<(TreePath, Change)>,
}

impl Diff {
    /// A diff from changes in any order; of several changes to one path the last one counts.
    #[must_use]
    pub fn new(mut changes: Vec<(TreePath, Change)>) -> Self {
        let sorted = changes.is_sorted_by(|a, b| a.0 < b.0);
        if !sorted {
            changes.sort_by(|a, b| a.0.cmp(&b.0));
            changes.reverse();
            changes.dedup_by(|later, earlier| later.0 == earlier.0);
            changes.reverse();
        }
        Self { changes }
    }

    /// The changes in path order.
    pub fn iter(&self) -> std::slice::Iter<'_, (TreePath, Change)> {
        self.changes.iter()
    }

    /// How many paths change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The change at `path`.
    #[must_use]
    pub fn get(&self, path: &TreePath) -> Option<&Change> {
        let at = self.changes.binary_search_by(|(other, _)| other.cmp(path)).ok()?;
        self.changes.get(at).map(|(_, change)| change)
    }

    /// The bytes of all regular files in it; hard links count once.
    #[must_use]
    pub fn size(&self) -> u64 {
        let mut seen = HashSet::new();
        let files = self.changes.iter().filter_map(|(_, change)| match change {
            Change::Put { entry, .. } => entry.file(),
            Change::Whiteout => None,
        });
        files
            .filter(|file| file.link_group.is_none_or(|group| seen.insert(group)))
            .map(|file| file.size)
            .sum()
    }

    /// The changes that turn `before` into `after`. Modification times count, so that applying the result to `before`
    /// gives `after` exactly. Hard links do not reach across layers: where a file gains a name, or two of its names part,
    /// all its names are put. Link groups are numbered anew, in path order.
    #[must_use]
    pub fn between(before: &Tree, after: &Tree) -> Self {
        between::between(before, after)
    }
}

impl FromIterator<(TreePath, Change)> for Diff {
    fn from_iter<I: IntoIterator<Item = (TreePath, Change)>>(changes: I) -> Self {
        Self::new(changes.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Diff {
    type Item = &'a (TreePath, Change);
    type IntoIter = std::slice::Iter<'a, (TreePath, Change)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
