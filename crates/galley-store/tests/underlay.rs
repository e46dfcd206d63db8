//! A layer that is nearly another one lies over it: the same tree, the same bytes, and files only where the two differ.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use galley_image::layer_tar::{TarProfile, Times};
use galley_image::{ContentDigest, Entry, FileContent, Kind, Mtime, TreePath, Xattrs};
use galley_store::{
    FileSource, LayerId, Lease, OpenOptions, PreparedRoot, PruneFilter, Snapshot, Snapshotter, Store,
};

const KINDS: [Snapshotter; 2] = [Snapshotter::Overlay { userxattr: false }, Snapshotter::Copy];
const FILES: usize = 40;

fn open(root: &Path, snapshotter: Snapshotter, boot: &str) -> Store {
    let options = OpenOptions {
        create: true,
        snapshotter: Some(snapshotter),
        boot_id: Some(boot.into()),
        process: "test".into(),
    };
    Store::open(root, &options).unwrap()
}

fn path(text: &str) -> TreePath {
    TreePath::clean(text.as_bytes()).unwrap()
}

fn name(number: usize) -> TreePath {
    path(&format!("app/d{}/f{number}", number % 3))
}

fn file(size: usize) -> Entry {
    let kind = Kind::File(FileContent { size: size as u64, digest: None, link_group: None });
    let mtime = Mtime { seconds: 1_000_000, nanoseconds: 5 };
    Entry { kind, mode: 0o644, uid: 0, gid: 0, mtime, xattrs: Xattrs::new() }
}

/// A layer of [`FILES`] files on `parent`: those in `changed` with other bytes, `gone` left out, the rest from `before`.
fn layer(
    store: &Store,
    lease: &Lease,
    parent: Option<&Snapshot>,
    before: Option<LayerId>,
    changed: &[usize],
    gone: &[usize],
) -> Snapshot {
    let prepared = store.prepare(parent.map(|parent| parent.id), lease).unwrap();
    let mut writer = prepared.writer().unwrap();
    writer
        .put_directory(&path("app"), &Entry::directory(0o755, Mtime { seconds: 9, nanoseconds: 0 }))
        .unwrap();
    for number in (0..FILES).filter(|number| !gone.contains(number)) {
        let (text, changed) = (format!("content {number}"), changed.contains(&number));
        match before {
            Some(layer) if !changed => {
                let source = FileSource::Layer { layer, path: name(number) };
                writer.put_file_from(&name(number), &file(text.len()), source).unwrap();
            }
            _ => {
                let text = if changed { text.replace("content", "changed") } else { text };
                writer.put_file(&name(number), &file(text.len()), &mut text.as_bytes()).unwrap();
            }
        }
    }
    prepared.commit_written(writer).unwrap()
}

/// How many files a layer's own directory has.
fn own_files(root: &Path, layer: LayerId) -> usize {
    let own = root.join(format!("layers/{layer}/fs"));
    (0..FILES)
        .filter(|number| own.join(std::str::from_utf8(name(*number).as_bytes()).unwrap()).exists())
        .count()
}

fn packed(store: &Store, layer: LayerId) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.pack_layer(layer, &TarProfile::current(Times::Kept), &mut bytes).unwrap();
    bytes
}

#[test]
fn an_edit_makes_one_file_and_changes_nothing_else() {
    for kind in KINDS {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), kind, "this");
        let lease = store.lease().unwrap();
        let first = layer(&store, &lease, None, None, &[], &[]);
        let second = layer(&store, &lease, None, Some(first.layer), &[7], &[]);
        // Over the first again, with both edits of its own.
        let third = layer(&store, &lease, None, Some(second.layer), &[8], &[]);
        assert_eq!(own_files(root.path(), first.layer), FILES, "{kind}");
        assert_eq!(own_files(root.path(), second.layer), 1, "{kind}");
        assert_eq!(own_files(root.path(), third.layer), 2, "{kind}");

        let whole = layer(&store, &lease, None, None, &[7, 8], &[]);
        assert_eq!(store.diff(third.layer).unwrap(), store.diff(whole.layer).unwrap(), "{kind}");
        assert_eq!(packed(&store, third.layer), packed(&store, whole.layer), "{kind}");
        for (number, text) in [(7, "changed 7"), (8, "changed 8"), (9, "content 9")] {
            let bytes = std::fs::read(store.file_path(third.layer, &name(number))).unwrap();
            assert_eq!(String::from_utf8_lossy(&bytes), text, "{kind}");
            let digests = store.digest_files(&[(third.layer, name(number))]).unwrap();
            assert_eq!(digests, [ContentDigest::of(text.as_bytes())], "{kind}");
        }
        assert_eq!(store.check(true).unwrap(), [], "{kind}");
    }
}

#[test]
fn a_step_sees_both_and_no_directory_twice() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), KINDS[0], "this");
    let lease = store.lease().unwrap();
    let first = layer(&store, &lease, None, None, &[], &[]);
    let second = layer(&store, &lease, None, Some(first.layer), &[7], &[]);
    let fs = |layer: LayerId| root.path().join(format!("layers/{layer}/fs"));
    let lowers = |top: &Snapshot| {
        let mut prepared = store.prepare(Some(top.id), &lease).unwrap();
        let PreparedRoot::Overlay { lowers, .. } = prepared.root().unwrap() else { panic!() };
        lowers
    };
    assert_eq!(lowers(&second), [fs(second.layer), fs(first.layer)]);
    // On the layer that it is nearly the same as, too: then its files are made, for that layer's inodes are there already.
    let above = layer(&store, &lease, Some(&first), Some(first.layer), &[7], &[]);
    assert_eq!(lowers(&above), [fs(above.layer), fs(first.layer)]);
    assert_eq!(own_files(root.path(), above.layer), FILES);
    let stacked = store.stack(Some(first.id), second.id, &lease).unwrap();
    assert_eq!(lowers(&stacked), [fs(second.layer), fs(first.layer)]);
}

#[test]
fn a_file_less_or_many_changes_make_a_layer_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), KINDS[0], "this");
    let lease = store.lease().unwrap();
    let first = layer(&store, &lease, None, None, &[], &[]);
    let less = layer(&store, &lease, None, Some(first.layer), &[], &[3]);
    assert_eq!(own_files(root.path(), less.layer), FILES - 1);
    let other: Vec<usize> = (0..10).collect();
    let many = layer(&store, &lease, None, Some(first.layer), &other, &[]);
    assert_eq!(own_files(root.path(), many.layer), FILES);
    let inode = |layer, number| std::fs::metadata(store.file_path(layer, &name(number))).unwrap().ino();
    assert_eq!(inode(many.layer, 20), inode(first.layer, 20), "linked, as they do not show through");
    assert_eq!(store.check(true).unwrap(), []);
}

#[test]
fn pruning_keeps_what_shows_through_and_takes_it_with_the_last() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), KINDS[0], "this");
    let lease = store.lease().unwrap();
    let first = layer(&store, &lease, None, None, &[], &[]);
    drop(lease);
    let lease = store.lease().unwrap();
    lease.hold(first.id).unwrap();
    let second = layer(&store, &lease, None, Some(first.layer), &[7], &[]);
    drop(lease);
    let lease = store.lease().unwrap();
    lease.hold(second.id).unwrap();
    assert_eq!(
        store.prune(&PruneFilter::default()).unwrap().layers,
        0,
        "the first has no snapshot with files now"
    );
    assert!(lease.hold(first.id).is_err());
    assert_eq!(std::fs::read(store.file_path(second.layer, &name(9))).unwrap(), b"content 9");
    assert_eq!(store.check(true).unwrap(), []);
    drop(lease);
    assert_eq!(store.prune(&PruneFilter::default()).unwrap().layers, 2);
    assert!(!root.path().join(format!("layers/{}/fs", first.layer)).exists());
    assert_eq!(store.check(true).unwrap(), []);
}

#[test]
fn what_lies_over_a_lost_layer_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = {
        let store = open(root.path(), KINDS[0], "one");
        let lease = store.lease().unwrap();
        let first = layer(&store, &lease, None, None, &[], &[]);
        let second = layer(&store, &lease, None, Some(first.layer), &[7], &[]);
        (first, second)
    };
    let store = open(root.path(), KINDS[0], "two");
    assert!(store.snapshot(first.id).is_err() && store.snapshot(second.id).is_err());
    assert_eq!(store.check(true).unwrap(), []);
}
