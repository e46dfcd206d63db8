//! What lasts, and for how long: other boots, what is remembered of pruned results, and stores that several use at once.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use galley_image::{
    Descriptor, DiffId, Digest, Entry, FileContent, Kind, Mtime, TreeDigest, TreePath, Xattrs,
};
use galley_store::{
    CacheMountSpec, ImageLayer, Lease, NewImage, OpenOptions, ParentRule, PruneFilter, Record, Remember,
    Sharing, Snapshot, SnapshotId, Snapshotter, Store, StoreError, Wait,
};

fn open_in(root: &Path, boot: &str) -> Store {
    let options = OpenOptions {
        create: true,
        snapshotter: Some(Snapshotter::Overlay { userxattr: false }),
        boot_id: Some(boot.into()),
        process: "test".into(),
    };
    Store::open(root, &options).unwrap()
}

fn open(root: &Path) -> Store {
    open_in(root, "this")
}

/// A snapshot with one file.
fn layer(store: &Store, parent: Option<SnapshotId>, name: &str, lease: &Lease) -> Snapshot {
    let prepared = store.prepare(parent, lease).unwrap();
    let mut writer = prepared.writer().unwrap();
    let kind = Kind::File(FileContent { size: 4, digest: None, link_group: None });
    let mtime = Mtime { seconds: 1_000_000, nanoseconds: 5 };
    let entry = Entry { kind, mode: 0o644, uid: 0, gid: 0, mtime, xattrs: Xattrs::new() };
    let path = TreePath::clean(name.as_bytes()).unwrap();
    writer.put_file(&path, &entry, &mut &b"text"[..]).unwrap();
    prepared.commit_written(writer).unwrap()
}

fn record(store: &Store, key: u8, result: &Snapshot, lease: &Lease) {
    let record = Record { key: [key; 32], result: result.id, inputs: String::new(), created: 1 };
    store.put_record(&record, lease).unwrap();
}

fn known(store: &Store, key: u8) -> Option<SnapshotId> {
    store.lookup_any_state(&[key; 32], ParentRule::Any).unwrap().map(|record| record.result)
}

/// An image of these snapshots, under a name. With `blobs` its layers are known to a registry too.
fn image(store: &Store, name: &str, layers: &[&Snapshot], blobs: bool) -> Digest {
    let layer = |snapshot: &&Snapshot| {
        let digest = Digest::of(snapshot.id.to_string().as_bytes());
        let blob = blobs.then(|| Descriptor::new("application/vnd.oci.image.layer.v1.tar+gzip", digest, 4));
        ImageLayer { diff_id: DiffId(digest), blob, snapshot: Some(snapshot.id) }
    };
    let layers = layers.iter().map(layer).collect();
    let image = NewImage { config: name.as_bytes().to_vec(), layers, manifest: None };
    let id = store.put_image(&image).unwrap();
    store.tag(&name.parse().unwrap(), id).unwrap();
    id
}

fn is_named(store: &Store, name: &str) -> bool {
    store.image(&name.parse().unwrap(), &store.lease().unwrap()).unwrap().is_some()
}

fn layers_on_disk(root: &Path) -> usize {
    fs::read_dir(root.join("layers")).unwrap().count()
}

#[test]
fn what_stands_on_a_lost_layer_is_lost_with_it() {
    let root = tempfile::tempdir().unwrap();
    let (standing, lost, stacked) = {
        let store = open(root.path());
        let lease = store.lease().unwrap();
        let standing = layer(&store, None, "standing", &lease);
        record(&store, 1, &standing, &lease);
        image(&store, "whole", &[&standing], false);
        store.sync().unwrap();
        // From here on nothing is known to be on disk. The layer of `stacked` is, what it stands on is not.
        let lost = layer(&store, None, "lost", &lease);
        let stacked = store.stack(Some(lost.id), standing.id, &lease).unwrap();
        record(&store, 2, &lost, &lease);
        record(&store, 3, &stacked, &lease);
        store.put_tree_digest(stacked.id, &[0; 32], TreeDigest([0; 32])).unwrap();
        image(&store, "broken", &[&lost, &stacked], false);
        image(&store, "elsewhere", &[&lost], true);
        (standing, lost, stacked)
    };
    // The same boot keeps all of it.
    assert_eq!(known(&open(root.path()), 3), Some(stacked.id));
    let store = open_in(root.path(), "the next");
    assert_eq!((known(&store, 1), known(&store, 2), known(&store, 3)), (Some(standing.id), None, None));
    assert!(matches!(store.snapshot(lost.id), Err(StoreError::UnknownSnapshot(_))));
    assert_eq!(store.tree_digest(stacked.id, &[0; 32]).unwrap(), None);
    assert_eq!(layers_on_disk(root.path()), 1);
    // A name stands for an image that can be had, or for none.
    assert!(is_named(&store, "whole") && is_named(&store, "elsewhere") && !is_named(&store, "broken"));
    assert_eq!(store.check(true).unwrap(), []);
}

#[test]
fn what_was_synced_outlives_the_boot() {
    let root = tempfile::tempdir().unwrap();
    let kept = {
        let store = open(root.path());
        let lease = store.lease().unwrap();
        let below = layer(&store, None, "below", &lease);
        let kept = layer(&store, Some(below.id), "above", &lease);
        record(&store, 1, &kept, &lease);
        store.sync().unwrap();
        kept
    };
    for boot in ["the next", "the one after"] {
        let store = open_in(root.path(), boot);
        let lease = store.lease().unwrap();
        let found = store.lookup(&[1; 32], ParentRule::Any, &lease).unwrap().unwrap();
        assert_eq!(found.result, kept.id);
        assert_eq!(store.check(true).unwrap(), []);
    }
}

/// Bounds that let nothing be remembered.
fn nothing() -> PruneFilter {
    let remember = Remember { results: 0, in_use_for: Duration::ZERO, ..Remember::default() };
    PruneFilter { remember, ..PruneFilter::default() }
}

#[test]
fn pruned_results_are_remembered_within_bounds() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let lease = store.lease().unwrap();
    let below = layer(&store, None, "below", &lease);
    let above = layer(&store, Some(below.id), "above", &lease);
    let held = layer(&store, Some(below.id), "held", &lease);
    for (key, snapshot) in [(1, &below), (2, &above), (3, &held)] {
        record(&store, key, snapshot, &lease);
    }
    image(&store, "app", &[&below, &held], false);
    drop(lease);
    let freed = store.prune(&PruneFilter::default()).unwrap();
    assert_eq!((freed.layers, freed.forgotten), (1, 0));
    assert_eq!(known(&store, 2), Some(above.id), "its files are gone, it is not");
    assert!(store.tree(Some(above.id)).unwrap().get(&TreePath::clean(b"above").unwrap()).is_some());

    // A build that still runs may have asked for it.
    let strict =
        Remember { results: 0, manifest_bytes: 0, unused_for: Duration::ZERO, ..Remember::default() };
    let filter = PruneFilter { remember: strict, ..PruneFilter::default() };
    assert_eq!(store.prune(&filter).unwrap().forgotten, 0);

    assert_eq!(store.prune(&nothing()).unwrap().forgotten, 1);
    assert_eq!((known(&store, 1), known(&store, 2), known(&store, 3)), (Some(below.id), None, Some(held.id)));
    assert_eq!(layers_on_disk(root.path()), 2);
    assert_eq!(store.check(true).unwrap(), []);

    store.remove_image(Digest::of(b"app")).unwrap();
    assert_eq!(store.prune(&nothing()).unwrap().forgotten, 2, "what stood below went after what stood on it");
    assert_eq!(layers_on_disk(root.path()), 0);
    assert_eq!(store.check(true).unwrap(), []);
}

#[test]
fn what_is_remembered_goes_when_nobody_asked_for_it_for_long() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let lease = store.lease().unwrap();
    let (asked, forgotten) = (layer(&store, None, "asked", &lease), layer(&store, None, "forgotten", &lease));
    record(&store, 1, &asked, &lease);
    record(&store, 2, &forgotten, &lease);
    store.put_journal("/gone/Dockerfile", "{}").unwrap();
    drop(lease);
    store.prune(&PruneFilter::default()).unwrap();
    let context = root.path().join("contexts/of-a-context");
    fs::write(&context, b"").unwrap();
    let month = Duration::from_secs(30 * 24 * 3600);
    fs::File::open(&context).unwrap().set_modified(SystemTime::now() - 4 * month).unwrap();
    // One of a process that was killed.
    fs::write(root.path().join("locks/step-0"), b"").unwrap();
    let database = rusqlite::Connection::open(root.path().join("records.db")).unwrap();
    let sql = format!(
        "UPDATE snapshots_1 SET used = used - {0}; UPDATE journals_2 SET written = written - {0};",
        4 * month.as_secs()
    );
    database.execute_batch(&sql).unwrap();
    assert_eq!(known(&store, 1), Some(asked.id));
    assert_eq!(store.prune(&PruneFilter::default()).unwrap().forgotten, 1);
    assert_eq!((known(&store, 1), known(&store, 2)), (Some(asked.id), None));
    assert_eq!(store.journal("/gone/Dockerfile").unwrap(), None);
    assert!(!context.exists() && !root.path().join("locks/step-0").exists());
    assert_eq!(store.check(true).unwrap(), []);
}

#[test]
fn of_the_keys_of_a_result_the_newest_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let lease = store.lease().unwrap();
    let result = layer(&store, None, "result", &lease);
    (0..150).for_each(|key| record(&store, key, &result, &lease));
    // Asked for again: it is as good as new.
    record(&store, 0, &result, &lease);
    store.prune(&PruneFilter::default()).unwrap();
    let kept: Vec<u8> = (0..150).filter(|key| known(&store, *key).is_some()).collect();
    assert_eq!(kept, std::iter::once(0).chain(51..150).collect::<Vec<_>>());
}

#[test]
fn a_store_with_fewer_tables_gets_the_others() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path()));
    let database = rusqlite::Connection::open(root.path().join("records.db")).unwrap();
    database
        .execute_batch(
            "DROP TABLE journals_2; CREATE TABLE journals_1 (name TEXT PRIMARY KEY, json TEXT); PRAGMA user_version = 0;",
        )
        .unwrap();
    drop(database);
    let store = open(root.path());
    store.put_journal("name", "{}").unwrap();
    assert_eq!(store.journal("name").unwrap().as_deref(), Some("{}"));
}

#[test]
fn what_just_began_is_not_taken_for_what_is_left() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path()));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Both sweep what has no holder, over and over.
        let sweepers = [0, 1].map(|_| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    open(root.path()).prune(&PruneFilter::default()).unwrap();
                }
            })
        });
        for round in 0..200 {
            let store = open(root.path());
            let lease = store.lease().unwrap();
            let made = layer(&store, None, &format!("file-{round}"), &lease);
            // Held by the lease, it stays.
            assert!(
                store
                    .file_path(made.layer, &TreePath::clean(format!("file-{round}").as_bytes()).unwrap())
                    .exists()
            );
            store.put_blob(b"the same every time").unwrap();
            assert!(store.has_blob(&Digest::of(b"the same every time")), "round {round}");
        }
        done.store(true, Ordering::Relaxed);
        sweepers.into_iter().for_each(|sweeper| sweeper.join().unwrap());
    });
    let store = open(root.path());
    store.prune(&PruneFilter::default()).unwrap();
    assert_eq!(store.check(true).unwrap(), []);
    drop(store);
    for name in ["tmp", "leases"] {
        assert_eq!(fs::read_dir(root.path().join(name)).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn a_shared_cache_mount_waits_for_its_first_content_and_no_longer() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let sharing = Sharing::Shared;
    let specs = [CacheMountSpec { id: "m".into(), sharing, mode: 0o755, uid: 0, gid: 0 }];
    let take = |interrupted: &dyn Fn() -> bool| {
        let mut told = 0;
        let mut waiting = |_: &_| told += 1;
        let taken = store.cache_mounts(&specs, &mut Wait { interrupted, waiting: &mut waiting });
        (taken.map(|mut mounts| mounts.remove(0)), told)
    };
    let first = take(&|| true).0.unwrap();
    assert!(first.is_fresh());
    fs::write(first.path().join("half"), b"").unwrap();
    let (second, told) = take(&|| true);
    assert!(matches!(second, Err(StoreError::Interrupted(_))) && told == 1, "{second:?}");
    // Its maker died: what it left counts for nothing.
    drop(first);
    let mut first = take(&|| true).0.unwrap();
    assert!(first.is_fresh() && !first.path().join("half").exists());
    first.mark_filled().unwrap();
    let (second, told) = take(&|| true);
    let second = second.unwrap();
    assert!(!second.is_fresh() && told == 0);
    assert_eq!(second.path(), first.path());
    // In use, it is not pruned.
    let filter = PruneFilter { cache_mounts: true, ..PruneFilter::default() };
    assert_eq!(store.prune(&filter).unwrap().cache_mounts, 0);
    drop((first, second));
    assert_eq!(store.prune(&filter).unwrap().cache_mounts, 1);
    assert!(take(&|| true).0.unwrap().is_fresh());
}
