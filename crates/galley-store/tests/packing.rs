//! A layer of many files, read ahead by a thread, packs to the very bytes that reading them one by one gives.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::fs::File;
use std::io::Read;

use galley_image::layer_tar::{TarProfile, Times, pack};
use galley_image::{Entry, FileContent, Kind, Mtime, TreePath, Xattrs};
use galley_store::{OpenOptions, Snapshot, Store};

fn path(text: &str) -> TreePath {
    TreePath::clean(text.as_bytes()).unwrap()
}

/// Empty files, small ones, links among them, and files about the size up to which they are read ahead.
fn layer(store: &Store) -> Snapshot {
    let lease = store.lease().unwrap();
    let prepared = store.prepare(None, &lease).unwrap();
    let mut writer = prepared.writer().unwrap();
    let mtime = Mtime { seconds: 1_000_000, nanoseconds: 5 };
    for number in 0..300_usize {
        let size = match number % 100 {
            50 => 64 << 10,
            51 => (64 << 10) + 1,
            52 => 300_000,
            _ => number * 7 % 1500,
        };
        let bytes: Vec<u8> = (0..size).map(|at| (at * 31 + number) as u8).collect();
        let kind = Kind::File(FileContent { size: size as u64, digest: None, link_group: None });
        let entry = Entry { kind, mode: 0o644, uid: 1, gid: 2, mtime, xattrs: Xattrs::new() };
        let name = path(&format!("d{}/f{number}", number % 7));
        writer.put_file(&name, &entry, &mut &*bytes).unwrap();
        if number % 10 == 3 {
            writer.put_hardlink(&path(&format!("a/link{number}")), &name).unwrap();
        }
    }
    prepared.commit_written(writer).unwrap()
}

fn store(root: &std::path::Path) -> Store {
    let options = OpenOptions { create: true, process: "test".into(), ..OpenOptions::default() };
    Store::open(root, &options).unwrap()
}

#[test]
fn reading_ahead_changes_no_byte() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let snapshot = layer(&store);
    let profile = TarProfile::current(Times::Kept);
    let mut ahead = Vec::new();
    store.pack_layer(snapshot.layer, &profile, &mut ahead).unwrap();
    let mut one_by_one = Vec::new();
    let mut open = |path: &TreePath, _: &Entry| {
        File::open(store.file_path(snapshot.layer, path)).map(|file| Box::new(file) as Box<dyn Read>)
    };
    pack(&store.diff(snapshot.layer).unwrap(), &profile, &mut open, &mut one_by_one).unwrap();
    assert!(ahead == one_by_one, "{} and {} bytes", ahead.len(), one_by_one.len());
}

#[test]
fn a_file_that_no_longer_fits_its_manifest_is_named() {
    for (name, content) in [("d1/f99", &b"short"[..]), ("d5/f12", &[b'x'; 2000][..]), ("d5/f54", &b""[..])] {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path());
        let snapshot = layer(&store);
        std::fs::write(store.file_path(snapshot.layer, &path(name)), content).unwrap();
        let packed =
            store.pack_layer(snapshot.layer, &TarProfile::current(Times::Kept), &mut std::io::sink());
        let message = packed.unwrap_err().to_string();
        assert!(message.contains(name) && message.contains("changed after its layer was made"), "{message}");
    }
}
