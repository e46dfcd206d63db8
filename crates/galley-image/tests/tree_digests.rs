//! What a tree digest counts, and its exact value: a changed value means that every cache record becomes useless.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod generate;

use galley_image::digest::hex;
use galley_image::tree_digest::TreeHasher;
use galley_image::{ContentDigest, Entry, FileContent, Kind, LinkGroup, Mtime, Tree, TreeDigest};
use proptest::prelude::*;

fn digest(entries: &[(&str, Entry)]) -> TreeDigest {
    let mut hasher = TreeHasher::new();
    for (path, entry) in entries {
        hasher.add(path.as_bytes(), entry, 0).unwrap();
    }
    hasher.finish()
}

fn file(text: &str, link_group: Option<u32>) -> Entry {
    let digest = Some(ContentDigest::of(text.as_bytes()));
    let content = FileContent { size: text.len() as u64, digest, link_group: link_group.map(LinkGroup) };
    Entry { kind: Kind::File(content), mode: 0o644, ..Entry::directory(0, Mtime::default()) }
}

fn every_kind() -> Vec<(&'static str, Entry)> {
    let directory = Entry::directory(0o755, Mtime { seconds: 5, nanoseconds: 6 });
    let of = |kind| Entry { kind, ..directory.clone() };
    let mut attributed = file("x", None);
    attributed.xattrs.insert((*b"user.a").into(), (*b"1").into());
    vec![
        ("", directory.clone()),
        ("attributed", attributed),
        ("block", of(Kind::BlockDevice { major: 8, minor: 1 })),
        ("char", of(Kind::CharDevice { major: 8, minor: 1 })),
        ("fifo", of(Kind::Fifo)),
        ("first", file("same", Some(3))),
        ("link", of(Kind::Symlink((*b"first").into()))),
        ("second", file("same", Some(3))),
    ]
}

#[test]
fn the_values_are_pinned() {
    assert_eq!(hex(&digest(&[]).0), "a4643108ca64c27c69eeef76bfb1ea8fa6f42a82975a46f5e2d51f02ee5b1bce");
    assert_eq!(
        hex(&digest(&every_kind()).0),
        "2ea9073730947754ccc75d1630ec39c7935afdcb586ebe03d97c498e4b6f0f56"
    );
    let mut noted = TreeHasher::new();
    noted.note(b"name");
    assert_eq!(hex(&noted.finish().0), "ee63859cd725597502cc8f946b42ddc66fcc272e90c9f291460612ad6228bcc5");
}

#[test]
fn everything_but_times_counts() {
    let whole = digest(&every_kind());
    let with = |at: usize, change: &dyn Fn(&mut (&'static str, Entry))| {
        let mut entries = every_kind();
        change(&mut entries[at]);
        digest(&entries)
    };
    for at in 0..every_kind().len() {
        assert_eq!(with(at, &|entry| entry.1.mtime = Mtime { seconds: 99, nanoseconds: 1 }), whole);
        assert_ne!(with(at, &|entry| entry.1.mode ^= 0o001), whole, "mode of {at}");
        assert_ne!(with(at, &|entry| entry.1.uid = 1), whole, "uid of {at}");
        assert_ne!(with(at, &|entry| entry.1.gid = 1), whole, "gid of {at}");
        assert_ne!(with(at, &|entry| entry.0 = "other"), whole, "path of {at}");
        assert_ne!(
            with(at, &|entry| drop(entry.1.xattrs.insert((*b"user.b").into(), Box::default()))),
            whole
        );
        assert_ne!(with(at, &|entry| entry.1.kind = Kind::Symlink((*b"x").into())), whole, "kind of {at}");
    }
    assert_ne!(with(2, &|entry| entry.1.kind = Kind::BlockDevice { major: 8, minor: 2 }), whole);
    assert_ne!(with(1, &|entry| entry.1.kind = file("y", None).kind), whole, "bytes");
    assert_ne!(with(7, &|entry| entry.1.kind = file("same", None).kind), whole, "a link less");
    assert_ne!(with(1, &|entry| entry.1.kind = file("x", Some(3)).kind), whole, "a link more");
}

#[test]
fn group_numbers_do_not_count_and_a_lone_name_is_an_ordinary_file() {
    let pair = |a, b| digest(&[("a", file("x", a)), ("b", file("x", b))]);
    assert_eq!(pair(Some(1), Some(1)), pair(Some(7), Some(7)));
    assert_eq!(pair(Some(1), Some(2)), pair(None, None));
    assert_ne!(pair(Some(1), Some(1)), pair(None, None));
    let mut hasher = TreeHasher::new();
    for (path, origin) in [("a", 0), ("b", 1)] {
        hasher.add(path.as_bytes(), &file("x", Some(1)), origin).unwrap();
    }
    assert_eq!(hasher.finish(), pair(None, None), "groups of different layers are different files");
}

#[test]
fn a_file_without_a_digest_is_an_error_that_names_it() {
    let mut entry = file("x", None);
    entry.kind = Kind::File(FileContent { size: 1, digest: None, link_group: None });
    assert_eq!(TreeHasher::new().add(b"some/file", &entry, 0).unwrap_err().0, "some/file");
}

fn of_tree(tree: &Tree) -> TreeDigest {
    let mut hasher = TreeHasher::new();
    for (path, node) in tree.iter() {
        hasher.add(path.as_bytes(), &node.entry, node.origin).unwrap();
    }
    hasher.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn trees_have_one_digest_exactly_when_they_agree_but_for_times(a in generate::tree(), b in generate::tree()) {
        let timeless = |tree: &Tree| {
            let mut entries = generate::entries(tree);
            entries.iter_mut().for_each(|(_, entry)| entry.mtime = Mtime::default());
            entries
        };
        prop_assert_eq!(of_tree(&a) == of_tree(&b), timeless(&a) == timeless(&b));
        let again = Tree::empty().apply(&galley_image::Diff::between(&Tree::empty(), &a), 3);
        prop_assert_eq!(of_tree(&a), of_tree(&again));
    }
}
