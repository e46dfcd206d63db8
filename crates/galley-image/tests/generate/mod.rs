//! Random trees and layers for the property tests, and the plainest possible model of a file system to check against.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::{BTreeMap, HashMap};

use galley_image::{Change, ContentDigest, Diff, Entry, FileContent, Kind, LinkGroup, Mtime, Tree, TreePath};
use proptest::prelude::*;

/// The bytes of every generated file follow from its size.
pub fn content(size: u64) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + size) as u8).collect()
}

fn file(size: u64, link_group: Option<LinkGroup>) -> Kind {
    Kind::File(FileContent { size, digest: Some(ContentDigest::of(&content(size))), link_group })
}

/// Few names, so that layers collide; among them one that is not UTF-8 and one that a ustar header cannot hold.
fn path() -> impl Strategy<Value = TreePath> {
    let name = prop_oneof![
        8 => prop::sample::select(vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec(), b"a-b".to_vec()]),
        1 => prop::sample::select(vec![b"caf\xc3\xa9".to_vec(), b"\xff\xfe".to_vec(), vec![b'n'; 97], vec![b'm'; 180]]),
    ];
    prop::collection::vec(name, 1..4).prop_map(|names| TreePath::clean(&names.join(&b'/')).unwrap())
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => Just(Kind::Directory),
        4 => prop::sample::select(vec![0, 1, 511, 512, 513, 2000]).prop_map(|size| file(size, None)),
        1 => prop::sample::select(vec![b"a".to_vec(), b"/b/c".to_vec(), b"\xff".to_vec(), vec![b't'; 150]]).prop_map(|to| Kind::Symlink(to.into())),
        1 => (0_u32..5000, 0_u32..1 << 20).prop_map(|(major, minor)| Kind::CharDevice { major, minor }),
        1 => (0_u32..5000, 0_u32..1 << 20).prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
        1 => Just(Kind::Fifo),
    ]
}

fn id() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![0, 1000, 0o7_777_777, 0o10_000_000, u32::MAX - 1])
}

fn entry() -> impl Strategy<Value = Entry> {
    let seconds = prop::sample::select(vec![0, 1_700_000_000, -5, 1 << 33, i64::MAX]);
    let xattr = (
        prop::sample::select(vec![&b"user.x"[..], b"user.a=b", b"security.capability"]),
        prop::collection::vec(any::<u8>(), 0..4),
    );
    let xattrs = prop::collection::vec(xattr, 0..2);
    (kind(), 0_u32..0o10000, id(), id(), seconds, 0_u32..1_000_000_000, xattrs).prop_map(
        |(kind, mode, uid, gid, seconds, nanoseconds, xattrs)| Entry {
            mode: if matches!(kind, Kind::Symlink(_)) { 0o777 } else { mode },
            kind,
            uid,
            gid,
            mtime: Mtime { seconds, nanoseconds },
            xattrs: xattrs.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        },
    )
}

/// One inode under several names: every member of a group has the same attributes.
fn linked() -> impl Strategy<Value = Entry> {
    (0_u32..3).prop_map(|group| Entry {
        kind: file(600 + u64::from(group), Some(LinkGroup(group))),
        mode: 0o644,
        uid: group,
        gid: 0,
        mtime: Mtime { seconds: 7, nanoseconds: 0 },
        xattrs: BTreeMap::new(),
    })
}

/// Changes as no sane builder would write them: entries below files, whiteouts of nothing, missing parents.
pub fn diff() -> impl Strategy<Value = Diff> {
    let change = prop_oneof![
        5 => (entry(), prop::bool::weighted(0.2)).prop_map(|(entry, opaque)| Change::Put { opaque: opaque && entry.is_directory(), entry }),
        2 => linked().prop_map(Change::put),
        2 => Just(Change::Whiteout),
    ];
    prop::collection::vec((path(), change), 0..14).prop_map(Diff::new)
}

/// A tree of several layers.
pub fn tree() -> impl Strategy<Value = Tree> {
    prop::collection::vec(diff(), 0..3).prop_map(|layers| {
        (0..).zip(&layers).fold(Tree::empty(), |tree, (origin, layer)| tree.apply(layer, origin))
    })
}

/// A layer as a builder would write it, with some directories opaque.
pub fn layer() -> impl Strategy<Value = Diff> {
    (tree(), tree(), any::<u64>()).prop_map(|(before, after, opaque)| {
        let changes = Diff::between(&before, &after);
        let changes = changes.iter().enumerate().map(|(at, (path, change))| {
            let change = match change {
                Change::Put { entry, .. } => Change::Put {
                    entry: entry.clone(),
                    opaque: entry.is_directory() && opaque >> (at % 64) & 1 == 1,
                },
                Change::Whiteout => Change::Whiteout,
            };
            (path.clone(), change)
        });
        changes.collect()
    })
}

/// A file system that does one thing after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Model(pub BTreeMap<TreePath, (Entry, u32)>);

impl Model {
    pub fn of(tree: &Tree) -> Self {
        Self(tree.iter().map(|(path, node)| (path.clone(), (node.entry.clone(), node.origin))).collect())
    }

    fn remove_below(&mut self, path: &TreePath) {
        self.0.retain(|other, _| other == path || other.below(path).is_none());
    }

    fn put(&mut self, path: &TreePath, entry: Entry, origin: u32) {
        for above in path.ancestors() {
            if !self.0.get(&above).is_some_and(|(entry, _)| entry.is_directory()) {
                self.0.insert(above, (Entry::directory(0o755, Mtime::default()), origin));
            }
        }
        if !entry.is_directory() {
            self.remove_below(path);
        }
        self.0.insert(path.clone(), (entry, origin));
    }

    /// First what the layer hides, then what it brings.
    pub fn apply(&mut self, diff: &Diff, origin: u32) {
        for (path, change) in diff {
            let opaque = matches!(change, Change::Put { opaque: true, .. } | Change::Whiteout);
            let file = matches!(change, Change::Put { entry, .. } if !entry.is_directory());
            if opaque || file {
                self.remove_below(path);
            }
            if *change == Change::Whiteout {
                self.0.remove(path);
            }
        }
        for (path, change) in diff {
            if let Change::Put { entry, .. } = change {
                self.put(path, entry.clone(), origin);
            }
        }
    }
}

/// Link groups numbered by their first path, where they have a second one; groups of different layers kept apart.
pub fn canonical<'a>(
    entries: impl Iterator<Item = (&'a TreePath, &'a Entry, u32)> + Clone,
) -> Vec<(TreePath, Entry)> {
    let group =
        |entry: &Entry, origin| entry.file().and_then(|file| file.link_group).map(|group| (origin, group));
    let mut counts: HashMap<_, u32> = HashMap::new();
    for (_, entry, origin) in entries.clone() {
        if let Some(group) = group(entry, origin) {
            *counts.entry(group).or_default() += 1;
        }
    }
    let mut numbers = HashMap::new();
    let entries = entries.map(|(path, entry, origin)| {
        let mut entry = entry.clone();
        let shared = group(&entry, origin).filter(|group| counts[group] > 1);
        if let Kind::File(file) = &mut entry.kind {
            let next = numbers.len() as u32;
            file.link_group = shared.map(|group| LinkGroup(*numbers.entry(group).or_insert(next)));
        }
        (path.clone(), entry)
    });
    entries.collect()
}

/// A tree's entries without origins.
pub fn entries(tree: &Tree) -> Vec<(TreePath, Entry)> {
    canonical(tree.iter().map(|(path, node)| (path, &node.entry, node.origin)))
}
