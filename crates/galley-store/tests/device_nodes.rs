//! Layers with device nodes, unpacked by a process that may not make any: what a plain user is in a user namespace.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use galley_image::{DiffId, Digest, TreePath};
use galley_store::{OpenOptions, Snapshot, SnapshotId, Snapshotter, Store, Unpacked};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// One entry of a tar without content (POSIX.1-1988 ustar): of the type `kind`, `1` being a hard link to `link`.
fn entry(name: &str, kind: u8, link: &str) -> [u8; 512] {
    let mut header = [b' '; 512];
    header[257..].fill(0);
    let mut field = |offset: usize, width: usize, text: &str| {
        header[offset..offset + width].fill(0);
        header[offset..offset + text.len()].copy_from_slice(text.as_bytes());
    };
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    field(0, 100, name);
    field(100, 8, "0000600");
    field(108, 8, &format!("{uid:07o}"));
    field(116, 8, &format!("{gid:07o}"));
    field(124, 12, "00000000000");
    field(136, 12, "00000000000");
    field(157, 100, link);
    field(257, 8, "ustar\x0000");
    field(329, 8, "0000005");
    field(337, 8, "0000001");
    header[156] = kind;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn unpack(store: &Store, parent: Option<SnapshotId>, entries: &[[u8; 512]]) -> Unpacked {
    let tar = [entries.concat(), vec![0; 1024]].concat();
    let lease = store.lease().unwrap();
    store.unpack_layer(parent, &mut &tar[..], DiffId(Digest::of(&tar)), &lease).unwrap()
}

fn paths(store: &Store, snapshot: &Snapshot) -> Vec<String> {
    store.tree(Some(snapshot.id)).unwrap().iter().map(|(path, _)| path.display().to_string()).collect()
}

#[test]
fn a_node_that_cannot_be_made_is_left_out_and_named() {
    // The rights of this thread alone: other tests keep theirs.
    let mut own = capabilities(None).unwrap();
    own.effective -= CapabilitySet::MKNOD;
    set_capabilities(None, own).unwrap();

    for snapshotter in [Snapshotter::Overlay { userxattr: true }, Snapshotter::Copy] {
        let root = tempfile::tempdir().unwrap();
        let options = OpenOptions { create: true, snapshotter: Some(snapshotter), ..OpenOptions::default() };
        let store = Store::open(root.path(), &options).unwrap();
        let file = |name| entry(name, b'0', "");
        let below = unpack(&store, None, &[file("dev/console"), file("kept")]);
        assert_eq!(below.left_out, []);

        let node = entry("dev/console", b'3', "");
        let layer =
            [file("after/x"), node, entry("dev/other", b'1', "dev/console"), entry("dev/sda", b'4', "")];
        let Unpacked { snapshot, left_out } = unpack(&store, Some(below.snapshot.id), &layer);
        let names: Vec<_> = left_out.iter().map(TreePath::display).map(|path| path.to_string()).collect();
        assert_eq!(names, ["/dev/console", "/dev/other", "/dev/sda"], "{snapshotter}");
        // The file that the node replaces does not come back in its place.
        assert_eq!(paths(&store, &snapshot), ["/", "/after", "/after/x", "/dev", "/kept"], "{snapshotter}");
        assert_eq!(store.check(true).unwrap(), []);

        // What the archive puts there later counts.
        let replaced = unpack(&store, None, &[node, file("dev/console")]);
        assert_eq!(replaced.left_out, []);
        assert_eq!(paths(&store, &replaced.snapshot), ["/", "/dev", "/dev/console"]);
    }
}
