//! The difference of two trees.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::{Change, Diff};
use crate::entry::{Entry, FileContent, Kind, LinkGroup};
use crate::path::TreePath;
use crate::tree::{Node, Tree};

/// Group numbers mean something only together with the layer that they come from.
type Group = (u32, LinkGroup);

pub(super) fn between(before: &Tree, after: &Tree) -> Diff {
    let links = Links { before: names(before), after: names(after) };
    let changed = links.changed(before, after);
    let mut numbers = HashMap::new();
    let mut put = |node: &Node| {
        let group = links.after.shared(node).map(|group| {
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
                let relinked = links.after.shared(node).is_some_and(|group| changed.contains(&group));
                if relinked || !same_entry(was, node) {
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

struct Links<'t> {
    before: Names<'t>,
    after: Names<'t>,
}

fn names(tree: &Tree) -> Names<'_> {
    let mut names: HashMap<Group, Vec<&TreePath>> = HashMap::new();
    for (path, node) in tree.iter() {
        if let Some(group) = group(node) {
            names.entry(group).or_default().push(path);
        }
    }
    names.retain(|_, paths| paths.len() > 1);
    Names(names)
}

fn group(node: &Node) -> Option<Group> {
    Some((node.origin, node.entry.file()?.link_group?))
}

impl Names<'_> {
    /// The node's group, if a second name in the tree belongs to it.
    fn shared(&self, node: &Node) -> Option<Group> {
        group(node).filter(|group| self.0.contains_key(group))
    }

    /// All names of the node's file; empty for a file with one.
    fn of(&self, node: &Node) -> &[&TreePath] {
        group(node).and_then(|group| self.0.get(&group)).map_or(&[], Vec::as_slice)
    }
}

impl Links<'_> {
    /// Groups of `after` of which at least one name is new, has another entry, or had other names beside it.
    fn changed(&self, before: &Tree, after: &Tree) -> HashSet<Group> {
        let same = |path: &TreePath| match (before.get(path), after.get(path)) {
            (Some(was), Some(is)) => same_entry(was, is) && self.before.of(was) == self.after.of(is),
            _ => false,
        };
        let groups = self.after.0.iter();
        groups.filter(|(_, paths)| !paths.iter().all(|path| same(path))).map(|(group, _)| *group).collect()
    }
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
