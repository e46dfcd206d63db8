//! A file tree as a value, what a layer makes of it, and how symbolic links resolve inside it.
//!
//! A step's root file system is never walked on disk to decide anything: it is the [`Tree`] that the sealed manifests of
//! its layers add up to. Trees and diffs are sorted vectors, so that merging a layer is one pass over two lists.

use std::cmp::Ordering;

use crate::diff::{Change, Diff};
use crate::entry::{Entry, Kind, Mtime};
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
            let last = pending.iter().all(Vec::is_empty);
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
                if path.is_root() {
                    // A tree always has its root: only the content goes.
                    self.nodes.extend(lower.map(|node| (TreePath::root(), node.clone())));
                }
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
                self.make_parents(path);
                self.nodes.push((path.clone(), Node { entry: entry.clone(), origin: self.origin }));
            }
        }
    }

    /// Layers of other builders may leave out the directories above an entry. What they unpack to is a directory there,
    /// even where a layer below has a file or a link: unpacking a layer sees no other layer.
    fn make_parents(&mut self, path: &TreePath) {
        let parent = path.parent().unwrap_or_default();
        let usable = |last: &(TreePath, Node)| {
            // In a depth-first list the parent of the next entry is the last node, or lies above it; a node that has
            // something below it is a directory.
            last.0.below(&parent).is_some_and(|below| !below.is_empty() || last.1.entry.is_directory())
        };
        if path.is_root() || self.nodes.last().is_some_and(usable) {
            return;
        }
        for ancestor in path.ancestors() {
            match self.nodes.last() {
                Some((last, node)) if *last == ancestor && !node.entry.is_directory() => {
                    self.nodes.pop();
                }
                Some((last, _)) if last.below(&ancestor).is_some() => continue,
                _ => {}
            }
            let entry = Entry::directory(0o755, Mtime::default());
            self.nodes.push((ancestor, Node { entry, origin: self.origin }));
        }
    }
}
