//! A file tree as a value, the difference that a layer makes to it, and how symbolic links resolve inside it.
//!
//! A step's root file system is never walked on disk to decide anything: it is the [`Tree`] that the sealed manifests of
//! its layers add up to. Both types are sorted vectors, so that merging a layer is one pass over two lists.

use std::cmp::Ordering;

use crate::entry::{Entry, Kind, LinkGroup, Mtime};
use crate::path::TreePath;

/// An entry and the layer that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The entry.
    pub entry: Entry,
    /// Index of the layer that holds the entry's bytes, counted from the lowest; 0 in trees that have no layers.
    pub origin: u32,
}

/// A whole file tree. It always has a root directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<(TreePath, Node)>,
}

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
        let mut seen = std::collections::HashSet::new();
        let counts = |group: Option<LinkGroup>, seen: &mut std::collections::HashSet<LinkGroup>| {
            group.is_none_or(|group| seen.insert(group))
        };
        self.changes.iter().fold(0, |sum, (_, change)| match change {
            Change::Put { entry, .. } => entry
                .file()
                .filter(|file| counts(file.link_group, &mut seen))
                .map_or(sum, |file| sum + file.size),
            Change::Whiteout => sum,
        })
    }

    /// The changes that turn `before` into `after`. Modification times count, so that applying the result to `before`
    /// gives `after` exactly.
    #[must_use]
    pub fn between(before: &Tree, after: &Tree) -> Self {
        let (mut old, mut new) = (before.nodes.iter().peekable(), after.nodes.iter().peekable());
        let mut changes: Vec<(TreePath, Change)> = Vec::new();
        let mut gone: Option<TreePath> = None;
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            if order == Ordering::Less {
                let Some((path, _)) = old.next() else { break };
                if gone.as_ref().is_none_or(|gone| path.below(gone).is_none()) {
                    gone = Some(path.clone());
                    changes.push((path.clone(), Change::Whiteout));
                }
                continue;
            }
            let Some((path, node)) = new.next() else { break };
            let before = if order == Ordering::Equal { old.next() } else { None };
            if before.is_none_or(|(_, before)| before.entry != node.entry) {
                if before.is_some_and(|(_, before)| before.entry.is_directory()) && !node.entry.is_directory()
                {
                    // The entry replaces the directory; its content needs no whiteouts of its own.
                    gone = Some(path.clone());
                }
                changes.push((path.clone(), Change::put(node.entry.clone())));
            }
        }
        Self::new(changes)
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

impl Default for Tree {
    fn default() -> Self {
        Self::empty()
    }
}

impl Tree {
    /// A root directory, 0755, owned by root, with nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        let entry = Entry::directory(0o755, Mtime::default());
        Self { nodes: vec![(TreePath::root(), Node { entry, origin: 0 })] }
    }

    /// A tree without layers from entries in any order; missing parents become directories, 0755, owned by root.
    #[must_use]
    pub fn from_entries(entries: impl IntoIterator<Item = (TreePath, Entry)>) -> Self {
        let changes = entries.into_iter().map(|(path, entry)| (path, Change::put(entry))).collect();
        Self::empty().apply(&Diff::new(changes), 0)
    }

    /// This tree with a layer on top. `origin` is the layer's index, kept in the nodes that it puts there.
    #[must_use]
    pub fn apply(&self, diff: &Diff, origin: u32) -> Self {
        let mut merged =
            Merge { nodes: Vec::with_capacity(self.nodes.len() + diff.len()), hidden: None, origin };
        let (mut below, mut above) = (self.nodes.iter().peekable(), diff.iter().peekable());
        loop {
            let order = match (below.peek(), above.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let lower = if order == Ordering::Greater { None } else { below.next() };
            let upper = if order == Ordering::Less { None } else { above.next() };
            match (lower, upper) {
                (lower, Some((path, change))) => merged.change(path, change, lower.map(|(_, node)| node)),
                (Some((path, node)), None) => merged.keep(path, node),
                (None, None) => break,
            }
        }
        Self { nodes: merged.nodes }
    }

    /// The node at `path`; symbolic links are not followed.
    #[must_use]
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        let at = self.position(path).ok()?;
        self.nodes.get(at).map(|(_, node)| node)
    }

    /// Every path and node, depth first, the root first.
    pub fn iter(&self) -> std::slice::Iter<'_, (TreePath, Node)> {
        self.nodes.iter()
    }

    /// How many nodes there are, the root included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing but the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// `path` itself, if it exists, and everything below it, depth first.
    #[must_use]
    pub fn subtree(&self, path: &TreePath) -> &[(TreePath, Node)] {
        let start = self.position(path).unwrap_or_else(|start| start);
        let rest = &self.nodes[start..];
        let length = rest.partition_point(|(other, _)| other.below(path).is_some());
        &rest[..length]
    }

    /// The names and nodes directly inside the directory `path`, in order.
    pub fn children<'a>(&'a self, path: &TreePath) -> impl Iterator<Item = (&'a [u8], &'a Node)> + use<'a> {
        let mut rest = match self.subtree(path) {
            [(first, _), rest @ ..] if first == path => rest,
            all => all,
        };
        std::iter::from_fn(move || {
            let (child, node) = rest.first()?;
            let skip = rest.partition_point(|(other, _)| other.below(child).is_some());
            rest = &rest[skip..];
            Some((child.name()?, node))
        })
    }

    /// Where `path` leads when symbolic links are followed inside this tree, never out of it (`..` stops at the root).
    /// The last component is followed only with `follow_last`. Components that do not exist are taken as they are
    /// written, so the result may name a path that is still to be made.
    ///
    /// # Errors
    /// [`ResolveError`] for a loop of links, and for a component that is neither a directory nor a link.
    pub fn resolve(&self, path: &[u8], follow_last: bool) -> Result<TreePath, ResolveError> {
        let mut resolved = TreePath::root();
        let mut pending: Vec<Vec<u8>> = path.split(|b| *b == b'/').rev().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(component) = pending.pop() {
            match component.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    resolved = resolved.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let next = resolved.join(&component);
            let last = pending.iter().all(|rest| rest.is_empty());
            match self.get(&next).map(|node| &node.entry.kind) {
                Some(Kind::Symlink(target)) if follow_last || !last => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(ResolveError::Loop(TreePath::clean(path).unwrap_or_default()));
                    }
                    if target.first() == Some(&b'/') {
                        resolved = TreePath::root();
                    }
                    pending.extend(target.split(|b| *b == b'/').rev().map(<[u8]>::to_vec));
                }
                Some(Kind::Directory) | None => resolved = next,
                Some(_) if last => resolved = next,
                Some(_) => return Err(ResolveError::NotADirectory(next)),
            }
        }
        Ok(resolved)
    }

    fn position(&self, path: &TreePath) -> Result<usize, usize> {
        self.nodes.binary_search_by(|(other, _)| other.cmp(path))
    }
}

/// As many links as Linux follows in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Too many symbolic links.
    #[error("too many symbolic links on the way to {0:?}: do they lead in a circle?")]
    Loop(TreePath),
    /// A component in the middle is a file.
    #[error("{0:?} is not a directory")]
    NotADirectory(TreePath),
}

/// The state of one pass over a tree and a layer.
struct Merge {
    nodes: Vec<(TreePath, Node)>,
    /// The tree's own nodes below this path do not show through.
    hidden: Option<TreePath>,
    origin: u32,
}

impl Merge {
    fn shows(&self, path: &TreePath) -> bool {
        self.hidden.as_ref().is_none_or(|hidden| path.below(hidden).is_none())
    }

    fn keep(&mut self, path: &TreePath, node: &Node) {
        if self.shows(path) {
            self.nodes.push((path.clone(), node.clone()));
        }
    }

    fn change(&mut self, path: &TreePath, change: &Change, lower: Option<&Node>) {
        let lower = lower.filter(|_| self.shows(path));
        match change {
            Change::Whiteout => {
                if self.shows(path) {
                    self.hidden = Some(path.clone());
                }
            }
            Change::Put { entry, opaque } => {
                let merges =
                    entry.is_directory() && !opaque && lower.is_some_and(|node| node.entry.is_directory());
                if !merges && self.shows(path) {
                    self.hidden = Some(path.clone());
                }
                self.add_missing_parents(path);
                self.nodes.push((path.clone(), Node { entry: entry.clone(), origin: self.origin }));
            }
        }
    }

    /// Layers of other builders may leave out the directories above an entry.
    fn add_missing_parents(&mut self, path: &TreePath) {
        let parent = path.parent().unwrap_or_default();
        // In a depth-first list the parent of the next entry is the last node or one of that node's ancestors.
        if path.is_root() || self.nodes.last().is_some_and(|(last, _)| last.below(&parent).is_some()) {
            return;
        }
        for ancestor in path.ancestors().skip(1) {
            if self.nodes.last().is_none_or(|(last, _)| last.below(&ancestor).is_none()) {
                let entry = Entry::directory(0o755, Mtime::default());
                self.nodes.push((ancestor, Node { entry, origin: self.origin }));
            }
        }
    }
}
