//! The store through its public interface, in real directories; one suite for both snapshotters.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use galley_image::layer_tar::{TarProfile, Times};
use galley_image::{
    Change, ContentDigest, DiffId, Digest, Entry, FileContent, Kind, Mtime, TreePath, Xattrs,
};
use galley_store::{
    FileSource, LayerProblem, Lease, OpenOptions, ParentRule, PreparedRoot, PruneFilter, Record, Snapshot,
    SnapshotState, Snapshotter, StatCache, StatKey, Store, StoreError,
};

const KINDS: [Snapshotter; 2] = [Snapshotter::Overlay { userxattr: false }, Snapshotter::Copy];
const KEY: [u8; 32] = [7; 32];

fn options(snapshotter: Snapshotter, boot: &str) -> OpenOptions {
    OpenOptions {
        create: true,
        snapshotter: Some(snapshotter),
        boot_id: Some(boot.into()),
        process: "test".into(),
    }
}

fn open(root: &Path, snapshotter: Snapshotter) -> Store {
    Store::open(root, &options(snapshotter, "this")).unwrap()
}

fn path(text: &str) -> TreePath {
    TreePath::clean(text.as_bytes()).unwrap()
}

fn file(size: u64) -> Entry {
    let kind = Kind::File(FileContent { size, digest: None, link_group: None });
    let mtime = Mtime { seconds: 1_000_000, nanoseconds: 5 };
    Entry { kind, mode: 0o644, uid: 0, gid: 0, mtime, xattrs: Xattrs::new() }
}

/// A snapshot with `dir/a` (content `one`), `dir/b` and `gone`.
fn base(store: &Store, lease: &Lease) -> Snapshot {
    let prepared = store.prepare(None, lease).unwrap();
    let mut writer = prepared.writer().unwrap();
    let directory = Entry::directory(0o1777, Mtime { seconds: 9, nanoseconds: 0 });
    writer.put_directory(&path("dir"), &directory).unwrap();
    writer.put_file(&path("dir/a"), &file(3), &mut &b"one"[..]).unwrap();
    writer.put_hardlink(&path("dir/b"), &path("dir/a")).unwrap();
    writer.put_file(&path("gone"), &file(0), &mut &b""[..]).unwrap();
    prepared.commit_written(writer).unwrap()
}

fn record(snapshot: &Snapshot, created: i64) -> Record {
    Record { key: KEY, result: snapshot.id, inputs: "{}".into(), created }
}

#[test]
fn a_written_layer_is_what_was_put() {
    for kind in KINDS {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), kind);
        let lease = store.lease().unwrap();
        let first = base(&store, &lease);
        let prepared = store.prepare(Some(first.id), &lease).unwrap();
        let mut writer = prepared.writer().unwrap();
        writer.whiteout(&path("gone")).unwrap();
        writer.whiteout(&path("never")).unwrap();
        writer.put_file(&path("dir/c"), &file(3), &mut &b"two"[..]).unwrap();
        let second = prepared.commit_written(writer).unwrap();
        let tree = store.tree(Some(second.id)).unwrap();
        assert!(tree.get(&path("gone")).is_none());
        assert_eq!(tree.get(&path("dir")).unwrap().entry.mode, 0o1777, "a layer changes no directory above");
        let group = |name: &str| tree.get(&path(name)).unwrap().entry.file().unwrap().link_group;
        assert!(group("dir/a").is_some());
        assert_eq!(group("dir/a"), group("dir/b"));
        assert!(store.diff(second.layer).unwrap().get(&path("never")).is_none());
        assert_eq!(store.check(true).unwrap(), [], "{kind}");
    }
}

#[test]
fn what_a_step_did_is_found() {
    for kind in KINDS {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), kind);
        let lease = store.lease().unwrap();
        let first = base(&store, &lease);
        let mut prepared = store.prepare(Some(first.id), &lease).unwrap();
        match prepared.root().unwrap() {
            PreparedRoot::Directory(tree) => {
                assert_eq!(std::fs::read(tree.join("dir/b")).unwrap(), b"one");
                std::fs::remove_file(tree.join("gone")).unwrap();
                std::fs::write(tree.join("new"), b"new").unwrap();
                std::fs::create_dir(tree.join("stub")).unwrap();
            }
            // What an overlay leaves.
            PreparedRoot::Overlay { upper, lowers, .. } => {
                assert_eq!(lowers.len(), 1);
                let whiteout = |name: &str| {
                    let kind = rustix::fs::FileType::CharacterDevice;
                    rustix::fs::mknodat(
                        rustix::fs::CWD,
                        upper.join(name),
                        kind,
                        rustix::fs::Mode::empty(),
                        0,
                    )
                    .unwrap();
                };
                whiteout("gone");
                whiteout("never");
                std::fs::write(upper.join("new"), b"new").unwrap();
                std::fs::create_dir(upper.join("stub")).unwrap();
                let _socket = std::os::unix::net::UnixListener::bind(upper.join("socket")).unwrap();
            }
        }
        let second = prepared.commit_walked(&[path("stub")]).unwrap();
        let diff = store.diff(second.layer).unwrap();
        assert_eq!(diff.get(&path("gone")), Some(&Change::Whiteout), "{kind}");
        for none in ["never", "stub", "socket", "dir", "dir/a"] {
            assert_eq!(diff.get(&path(none)), None, "{kind} {none}");
        }
        let digests = store.digest_files(&[(second.layer, path("new"))]).unwrap();
        assert_eq!(digests, [ContentDigest::of(b"new")]);
        assert_eq!(store.check(true).unwrap(), [], "{kind}");
    }
}

#[test]
fn a_whiteout_name_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), KINDS[0]);
    let lease = store.lease().unwrap();
    let mut prepared = store.prepare(None, &lease).unwrap();
    let PreparedRoot::Overlay { upper, .. } = prepared.root().unwrap() else { panic!() };
    std::fs::write(upper.join(".wh.x"), b"").unwrap();
    assert!(matches!(prepared.commit_walked(&[]), Err(StoreError::WhiteoutName { .. })));
}

#[test]
fn a_file_that_changed_is_not_copied() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root.path().join("store"), KINDS[0]);
    let source = root.path().join("file");
    std::fs::write(&source, b"now").unwrap();
    let lease = store.lease().unwrap();
    let prepared = store.prepare(None, &lease).unwrap();
    let mut writer = prepared.writer().unwrap();
    let expect = Some(ContentDigest::of(b"old"));
    writer.put_file_from(&path("f"), &file(3), FileSource::Disk { path: source, expect }).unwrap();
    assert!(matches!(prepared.commit_written(writer), Err(StoreError::ChangedWhileCopied { .. })));
}

#[test]
fn an_equal_file_of_another_layer_is_linked_once() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), KINDS[0]);
    let lease = store.lease().unwrap();
    let prepared = store.prepare(None, &lease).unwrap();
    let mut writer = prepared.writer().unwrap();
    writer.put_file(&path("one"), &file(3), &mut &b"one"[..]).unwrap();
    writer.put_file(&path("two"), &file(3), &mut &b"two"[..]).unwrap();
    writer.put_hardlink(&path("second"), &path("two")).unwrap();
    let first = prepared.commit_written(writer).unwrap();

    let prepared = store.prepare(None, &lease).unwrap();
    let mut writer = prepared.writer().unwrap();
    for (name, from) in [("x", "one"), ("y", "one"), ("z", "two")] {
        let source = FileSource::Layer { layer: first.layer, path: path(from) };
        writer.put_file_from(&path(name), &file(3), source).unwrap();
    }
    let second = prepared.commit_written(writer).unwrap();

    let inode = |layer, name: &str| std::fs::metadata(store.file_path(layer, &path(name))).unwrap().ino();
    let linked = |name, from| inode(second.layer, name) == inode(first.layer, from);
    let once = [linked("x", "one"), linked("y", "one")].into_iter().filter(|linked| *linked).count();
    assert_eq!(once, 1, "two names of one inode in a layer would show");
    assert!(
        !linked("z", "two"),
        "a file with several names is copied: which of them is meant is not looked up"
    );
    for name in ["x", "y", "z"] {
        let diff = store.diff(second.layer).unwrap();
        let Some(Change::Put { entry, .. }) = diff.get(&path(name)) else { panic!() };
        assert_eq!(entry.file().unwrap().link_group, None);
    }
}

#[test]
fn records_follow_the_parent_rule_and_pruning_keeps_what_is_known() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), KINDS[0]);
    let lease = store.lease().unwrap();
    let (one, two) = (base(&store, &lease), base(&store, &lease));
    let on = |parent: &Snapshot| {
        let prepared = store.prepare(Some(parent.id), &lease).unwrap();
        let writer = prepared.writer().unwrap();
        prepared.commit_written(writer).unwrap()
    };
    let (on_one, on_two) = (on(&one), on(&two));
    store.put_record(&record(&on_one, 1), &lease).unwrap();
    store.put_record(&record(&on_two, 2), &lease).unwrap();
    let look = |rule| store.lookup(&KEY, rule, &lease).unwrap().map(|found| found.result);
    assert_eq!(look(ParentRule::Any), Some(on_two.id), "the newest first");
    assert_eq!(look(ParentRule::Exactly(Some(one.id))), Some(on_one.id));
    assert_eq!(look(ParentRule::Exactly(None)), None);
    assert_eq!(store.prune(&PruneFilter::default()).unwrap().layers, 0, "the lease holds them");
    drop(lease);
    assert_eq!(store.prune(&PruneFilter::default()).unwrap().layers, 4);
    let lease = store.lease().unwrap();
    assert_eq!(store.lookup(&KEY, ParentRule::Any, &lease).unwrap(), None);
    let known = store.lookup_any_state(&KEY, ParentRule::Any).unwrap().unwrap();
    assert_eq!(store.snapshot(known.result).unwrap().state, SnapshotState::Pruned);
    assert!(store.tree(Some(known.result)).unwrap().get(&path("dir/a")).is_some());
    assert_eq!(store.check(true).unwrap(), []);
}

#[test]
fn unsynced_results_of_another_boot_are_forgotten() {
    let root = tempfile::tempdir().unwrap();
    let (synced, lost) = {
        let store = open(root.path(), KINDS[0]);
        let lease = store.lease().unwrap();
        let synced = base(&store, &lease);
        store.sync().unwrap();
        (synced, base(&store, &lease))
    };
    let store = Store::open(root.path(), &options(KINDS[0], "next")).unwrap();
    assert!(store.snapshot(synced.id).is_ok());
    assert!(matches!(store.snapshot(lost.id), Err(StoreError::UnknownSnapshot(_))));
    assert_eq!(store.check(true).unwrap(), []);
}

#[test]
fn another_snapshotter_is_refused() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path(), KINDS[0]));
    let other = Store::open(root.path(), &options(Snapshotter::Copy, "this"));
    assert!(matches!(other, Err(StoreError::SnapshotterMismatch { .. })));
}

#[test]
fn a_layer_goes_out_as_tar_and_comes_back() {
    for kind in KINDS {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), kind);
        let lease = store.lease().unwrap();
        let first = base(&store, &lease);
        let mut tar = Vec::new();
        let diff_id = store.pack_layer(first.layer, &TarProfile::current(Times::Kept), &mut tar).unwrap();
        assert_eq!(diff_id, DiffId(Digest::of(&tar)));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let gzip = gzip.finish().unwrap();
        let back = store.unpack_layer(None, &mut &gzip[..], diff_id, &lease).unwrap().snapshot;
        assert_eq!(store.diff_id(back.layer, &TarProfile::current(Times::Kept)).unwrap(), diff_id, "{kind}");
        let cut = store.unpack_layer(None, &mut &gzip[..gzip.len() - 20], diff_id, &lease);
        assert!(matches!(cut, Err(StoreError::Layer { reason: LayerProblem::Truncated, .. })), "{cut:?}");
        let other = DiffId(Digest::of(b"other"));
        let wrong = store.unpack_layer(None, &mut &gzip[..], other, &lease);
        assert!(matches!(wrong, Err(StoreError::Layer { reason: LayerProblem::WrongDigest(_), .. })));
        assert_eq!(store.check(true).unwrap(), []);
    }
}

#[test]
fn a_recent_file_is_not_trusted() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root.path().join("store"), KINDS[0]);
    let source = root.path().join("file");
    std::fs::write(&source, b"x").unwrap();
    let key = StatKey::of(&std::fs::metadata(&source).unwrap());
    for (scan, kept) in [(key.ctime + 1_999_999_999, false), (key.ctime + 2_000_000_000, true)] {
        let mut cache = StatCache::open(&store, root.path(), scan).unwrap();
        cache.put(&path("file"), &key, ContentDigest::of(b"x"));
        cache.save().unwrap();
        let cache = StatCache::open(&store, root.path(), scan).unwrap();
        assert_eq!(cache.get(&path("file"), &key).is_some(), kept);
        let touched = StatKey { ctime: key.ctime + 1, ..key };
        assert_eq!(cache.get(&path("file"), &touched), None);
    }
}
