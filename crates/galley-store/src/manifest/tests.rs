//! Manifests come back as they were sealed, and damaged ones are refused.

use galley_image::{
    Change, ContentDigest, Diff, Entry, FileContent, Kind, LinkGroup, Mtime, TreePath, Xattrs,
};
use proptest::prelude::*;

use super::{seal, unseal};

fn entry(kind: Kind, mtime: Mtime, xattrs: Xattrs) -> Entry {
    Entry { kind, mode: 0o4755, uid: 0, gid: u32::MAX - 1, mtime, xattrs }
}

fn kind() -> impl Strategy<Value = Kind> {
    let file =
        (any::<u64>(), any::<Option<[u8; 32]>>(), any::<Option<u32>>()).prop_map(|(size, digest, group)| {
            let (digest, link_group) = (digest.map(ContentDigest), group.map(LinkGroup));
            Kind::File(FileContent { size, digest, link_group })
        });
    prop_oneof![
        file,
        Just(Kind::Directory),
        Just(Kind::Fifo),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|target| Kind::Symlink(target.into())),
        any::<(u32, u32)>().prop_map(|(major, minor)| Kind::CharDevice { major, minor }),
        any::<(u32, u32)>().prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..5);
    let xattrs = prop::collection::vec((bytes(), bytes()), 0..3);
    let put = (kind(), any::<i64>(), 0..1_000_000_000_u32, xattrs, any::<bool>()).prop_map(
        |(kind, seconds, nanoseconds, xattrs, opaque)| {
            let xattrs = xattrs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            Change::Put { entry: entry(kind, Mtime { seconds, nanoseconds }, xattrs), opaque }
        },
    );
    prop_oneof![1 => Just(Change::Whiteout), 6 => put]
}

fn diff() -> impl Strategy<Value = Diff> {
    let path = "[a-c]{1,2}(/[a-c]{1,3}){0,3}".prop_map(|path| TreePath::clean(path.as_bytes()).unwrap());
    prop::collection::vec((path, change()), 0..20).prop_map(Diff::new)
}

proptest! {
    #[test]
    fn comes_back(diff in diff()) {
        prop_assert_eq!(unseal(&seal(&diff)), Ok(diff));
    }

    #[test]
    fn one_wrong_byte_is_found(diff in diff(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = seal(&diff);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(unseal(&bytes).is_err());
    }

    #[test]
    fn any_bytes_with_a_right_checksum_do_not_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = super::MAGIC.to_vec();
        bytes.extend_from_slice(&body);
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        let _ = unseal(&bytes);
    }
}

#[test]
fn every_cut_is_found() {
    let path = TreePath::clean(b"a/b").unwrap();
    let bytes = seal(&Diff::new(vec![(path, Change::put(Entry::directory(0o755, Mtime::default())))]));
    for length in 0..bytes.len() {
        assert!(unseal(&bytes[..length]).is_err(), "{length}");
    }
    assert_eq!(unseal(b""), Err("it is too short"));
}

#[test]
fn a_path_that_leaves_the_tree_is_refused() {
    for path in ["../x", "a//b", "/a", "a/", "a/./b"] {
        let mut bytes = super::MAGIC.to_vec();
        bytes.extend([1, 0, path.len() as u8]);
        bytes.extend_from_slice(path.as_bytes());
        bytes.push(super::tag::WHITEOUT);
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        assert_eq!(unseal(&bytes), Err("a path is wrong"), "{path}");
    }
}
