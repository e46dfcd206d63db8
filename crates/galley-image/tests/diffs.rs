//! Trees and diffs against a model, and against each other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod generate;

use galley_image::{Change, Diff, DiffBuilder, DiffError, Entry, FileContent, Kind, Mtime, Tree, TreePath};
use generate::Model;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_layer_does_what_unpacking_it_would_do(tree in generate::tree(), diff in generate::diff()) {
        let mut model = Model::of(&tree);
        model.apply(&diff, 9);
        prop_assert_eq!(Model::of(&tree.apply(&diff, 9)), model);
    }

    #[test]
    fn every_node_of_a_tree_lies_in_a_directory(tree in generate::tree()) {
        prop_assert!(tree.iter().is_sorted_by(|a, b| a.0 < b.0));
        for (path, _) in tree.iter() {
            for above in path.ancestors() {
                prop_assert!(tree.get(&above).is_some_and(|node| node.entry.is_directory()), "{:?}", path);
            }
        }
    }

    #[test]
    fn a_difference_leads_from_one_tree_to_the_other(before in generate::tree(), after in generate::tree()) {
        let diff = Diff::between(&before, &after);
        prop_assert_eq!(generate::entries(&before.apply(&diff, 9)), generate::entries(&after));
    }

    #[test]
    fn nothing_differs_from_itself(tree in generate::tree()) {
        prop_assert!(Diff::between(&tree, &tree).is_empty());
    }

    #[test]
    fn a_step_s_difference_leads_to_the_same_tree(before in generate::tree(), step in generate::diff()) {
        let after = before.apply(&step, 9);
        let diff = Diff::between(&before, &after);
        prop_assert_eq!(generate::entries(&before.apply(&diff, 9)), generate::entries(&after));
    }

    #[test]
    fn subtrees_and_children_agree_with_a_walk(tree in generate::tree()) {
        for (path, _) in tree.iter() {
            let below = tree.iter().filter(|(other, _)| other.below(path).is_some()).count();
            prop_assert_eq!(tree.subtree(path).len(), below);
            let children = tree.iter().filter(|(other, _)| other.parent().as_ref() == Some(path)).count();
            prop_assert_eq!(tree.children(path).count(), children);
        }
    }
}

fn path(text: &str) -> TreePath {
    TreePath::clean(text.as_bytes()).unwrap()
}

fn file(size: u64) -> Entry {
    let kind = Kind::File(FileContent { size, digest: None, link_group: None });
    Entry { kind, ..directory() }
}

fn directory() -> Entry {
    Entry::directory(0o700, Mtime::default())
}

fn shown(diff: &Diff) -> Vec<String> {
    let word = |change: &Change| match change {
        Change::Whiteout => "gone".to_owned(),
        Change::Put { entry, opaque } if entry.is_directory() => {
            format!("directory {:o}{}", entry.mode, if *opaque { " opaque" } else { "" })
        }
        Change::Put { entry, .. } => format!("file {}", entry.file().map_or(0, |file| file.size)),
    };
    diff.iter().map(|(path, change)| format!("{} {}", path.display(), word(change))).collect()
}

#[test]
fn a_new_hard_link_puts_every_name_of_the_file() {
    let linked = |group| {
        let kind = Kind::File(FileContent { size: 1, digest: None, link_group: group });
        Entry { kind, ..directory() }
    };
    let group = Some(galley_image::LinkGroup(4));
    let before = Tree::from_entries([(path("a"), linked(None)), (path("b"), linked(None))]);
    let after = Tree::from_entries([
        (path("a"), linked(group)),
        (path("b"), linked(None)),
        (path("c"), linked(group)),
    ]);
    assert_eq!(shown(&Diff::between(&before, &after)), ["/a file 1", "/c file 1"]);
    assert_eq!(shown(&Diff::between(&after, &before)), ["/c gone"]);
}

#[test]
fn the_builder_follows_the_order_of_an_archive() {
    let mut builder = DiffBuilder::new();
    builder.put(path("d/x"), file(1)).unwrap();
    builder.put(path("d"), file(2)).unwrap();
    builder.put(path("e"), file(1)).unwrap();
    builder.put(path("e"), directory()).unwrap();
    builder.put(path("e/y"), file(3)).unwrap();
    builder.whiteout(path("e"));
    builder.whiteout(path("f"));
    builder.opaque(path("g"));
    builder.opaque(path("h"));
    builder.hard_link(path("z"), &path("d")).unwrap();
    let diff = builder.finish(&Tree::from_entries([(path("g"), directory())]));
    assert_eq!(
        shown(&diff),
        [
            "/d file 2",
            "/e directory 700 opaque",
            "/e/y file 3",
            "/f gone",
            "/g directory 700 opaque",
            "/h directory 755 opaque",
            "/z file 2"
        ]
    );
    assert_eq!(diff.size(), 5, "the hard link counts once");
}

#[test]
fn the_builder_refuses_what_cannot_be_unpacked() {
    let mut builder = DiffBuilder::new();
    builder.put(path("a"), file(1)).unwrap();
    assert!(matches!(builder.put(path("a/b"), file(1)), Err(DiffError::NotADirectory { .. })));
    assert!(matches!(builder.hard_link(path("b"), &path("none")), Err(DiffError::LinkTarget { .. })));
    builder.put(path("c"), directory()).unwrap();
    assert!(matches!(builder.hard_link(path("b"), &path("c")), Err(DiffError::LinkTarget { .. })));
}
