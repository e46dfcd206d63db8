//! Collects a layer from changes in the order in which an archive brings them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Diff};
use crate::entry::{Entry, Kind, LinkGroup, Mtime};
use crate::path::TreePath;
use crate::tree::Tree;

/// Builds a [`Diff`] from events in any order, with the rules that unpacking an archive follows: the last event at a path
/// counts, what is not a directory removes everything put below it, a whiteout hides only what the layers below have.
#[derive(Default)]
pub struct DiffBuilder {
    puts: BTreeMap<TreePath, Entry>,
    whiteouts: BTreeSet<TreePath>,
    opaques: BTreeSet<TreePath>,
    groups: u32,
}

/// Why an event cannot follow those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiffError {
    /// A hard link's target is not a file of this layer.
    #[error("{path:?} is a hard link to {target:?}, which the layer does not have before it")]
    LinkTarget {
        /// The link.
        path: TreePath,
        /// The missing file.
        target: TreePath,
    },
    /// The layer itself put something else where a directory is needed.
    #[error("{path:?} cannot be put: {above:?}, which the layer put before it, is not a directory")]
    NotADirectory {
        /// The new entry.
        path: TreePath,
        /// What is above it.
        above: TreePath,
    },
}

impl DiffBuilder {
    /// A builder of an empty layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `path` now holds `entry`.
    ///
    /// # Errors
    /// [`DiffError::NotADirectory`].
    pub fn put(&mut self, path: TreePath, entry: Entry) -> Result<(), DiffError> {
        if let Some(above) = self.not_a_directory_above(&path) {
            return Err(DiffError::NotADirectory { path, above });
        }
        let directory = entry.is_directory();
        if self.puts.insert(path.clone(), entry).is_none_or(|before| before.is_directory()) && !directory {
            self.remove_below(&path);
        }
        Ok(())
    }

    /// `path` is another name of the file `target`, put before.
    ///
    /// # Errors
    /// [`DiffError`].
    pub fn hard_link(&mut self, path: TreePath, target: &TreePath) -> Result<(), DiffError> {
        let next = LinkGroup(self.groups);
        let Some(entry) = self.puts.get_mut(target) else {
            return Err(DiffError::LinkTarget { path, target: target.clone() });
        };
        if let Kind::File(file) = &mut entry.kind {
            if file.link_group.is_none() {
                self.groups += 1;
            }
            file.link_group.get_or_insert(next);
        } else if entry.is_directory() {
            return Err(DiffError::LinkTarget { path, target: target.clone() });
        }
        let entry = entry.clone();
        self.put(path, entry)
    }

    /// What the layers below have at `path` is gone.
    pub fn whiteout(&mut self, path: TreePath) {
        self.whiteouts.insert(path);
    }

    /// What the layers below have inside the directory `path` is gone.
    pub fn opaque(&mut self, path: TreePath) {
        self.opaques.insert(path);
    }

    /// The layer. `below` is what it will lie on: a directory that is opaque without having an entry of its own takes its
    /// attributes from there.
    #[must_use]
    pub fn finish(mut self, below: &Tree) -> Diff {
        for path in &self.opaques {
            if !self.puts.contains_key(path) && self.not_a_directory_above(path).is_none() {
                let entry = below.get(path).map(|node| &node.entry).filter(|entry| entry.is_directory());
                let entry = entry.cloned().unwrap_or_else(|| Entry::directory(0o755, Mtime::default()));
                self.puts.insert(path.clone(), entry);
            }
        }
        let Self { puts, whiteouts, opaques, .. } = self;
        let gone = whiteouts.iter().filter(|path| !puts.contains_key(*path));
        let gone: Vec<_> = gone.map(|path| (path.clone(), Change::Whiteout)).collect();
        let put = puts.into_iter().map(|(path, entry)| {
            let opaque = entry.is_directory() && (opaques.contains(&path) || whiteouts.contains(&path));
            (path, Change::Put { entry, opaque })
        });
        put.chain(gone).collect()
    }

    fn not_a_directory_above(&self, path: &TreePath) -> Option<TreePath> {
        path.ancestors().find(|above| self.puts.get(above).is_some_and(|entry| !entry.is_directory()))
    }

    fn remove_below(&mut self, path: &TreePath) {
        let below = self.puts.range(path.clone()..).skip(1).map(|(other, _)| other);
        let below: Vec<_> = below.take_while(|other| other.below(path).is_some()).cloned().collect();
        for other in below {
            self.puts.remove(&other);
        }
    }
}
