//! The difference of two trees.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::{Change, Diff};
use crate::entry::{Entry, FileContent, Kind, LinkGroup};
use crate::path::TreePath;
use crate::tree::{Node, Tree};

/// Group numbers mean something only together with the layer that they come from.
type Group = (u32, LinkGroup);

pub(super) fn between(before: &Tree, after: &Tree) -> Diff {
    // Names that would stay linked if nothing were put, against names that are to be linked.
    let kept = Names::of(before, |path, node| after.get(path).is_some_and(|is| same_entry(node, is)));
    let wanted = Names::of(after, |_, _| true);
    let mut numbers = HashMap::new();
    let mut put = |node: &Node| {
        let group = wanted.shared(node).map(|group| {
            let next = LinkGroup(u32::try_from(numbers.len()).unwrap_or(u32::MAX));
            *numbers.entry(group).or_insert(next)
        });
        Change::put(with_group(&node.entry, group))
    };

    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    let mut changes: Vec<(TreePath, Change)> = Vec::new();
    let mut gone: Option<TreePath> = None;
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let was = if order == Ordering::Greater { None } else { old.next() };
        let is = if order == Ordering::Less { None } else { new.next() };
        match (was, is) {
            (Some((path, _)), None) => {
                if gone.as_ref().is_none_or(|gone| path.below(gone).is_none()) {
                    gone = Some(path.clone());
                    changes.push((path.clone(), Change::Whiteout));
                }
            }
            (None, Some((path, node))) => changes.push((path.clone(), put(node))),
            (Some((_, was)), Some((path, node))) => {
                if !same_entry(was, node) || kept.beside(was) != wanted.beside(node) {
                    changes.push((path.clone(), put(node)));
                }
                if was.entry.is_directory() && !node.entry.is_directory() {
                    // The entry replaces the directory; its content needs no whiteouts of its own.
                    gone = Some(path.clone());
                }
            }
            (None, None) => break,
        }
    }
    Diff::new(changes)
}

/// The names of each file that has more than one.
struct Names<'t>(HashMap<Group, Vec<&'t TreePath>>);

impl<'t> Names<'t> {
    fn of(tree: &'t Tree, counts: impl Fn(&TreePath, &Node) -> bool) -> Self {
        let mut names: HashMap<Group, Vec<&TreePath>> = HashMap::new();
        for (path, node) in tree.iter() {
            if let Some(group) = group(node).filter(|_| counts(path, node)) {
                names.entry(group).or_default().push(path);
            }
        }
        names.retain(|_, paths| paths.len() > 1);
        Self(names)
    }

    /// The node's group, if a second name belongs to it.
    fn shared(&self, node: &Node) -> Option<Group> {
        group(node).filter(|group| self.0.contains_key(group))
    }

    /// All names of the node's file; empty for a file with one.
    fn beside(&self, node: &Node) -> &[&'t TreePath] {
        group(node).and_then(|group| self.0.get(&group)).map_or(&[], Vec::as_slice)
    }
}

fn group(node: &Node) -> Option<Group> {
    Some((node.origin, node.entry.file()?.link_group?))
}

/// Whether two entries are equal but for the number of their link groups.
fn same_entry(was: &Node, is: &Node) -> bool {
    match (&was.entry.kind, &is.entry.kind) {
        (Kind::File(a), Kind::File(b)) if a.link_group != b.link_group => {
            (a.size, a.digest) == (b.size, b.digest)
                && with_group(&was.entry, None) == with_group(&is.entry, None)
        }
        _ => was.entry == is.entry,
    }
}

fn with_group(entry: &Entry, link_group: Option<LinkGroup>) -> Entry {
    let kind = match &entry.kind {
        Kind::File(file) => Kind::File(FileContent { link_group, ..*file }),
        other => other.clone(),
    };
    Entry { kind, ..entry.clone() }
}
