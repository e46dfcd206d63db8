//! Symbolic links inside a tree lead where they would lead after a chroot into it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use galley_image::{Entry, FileContent, Kind, Mtime, ResolveError, Tree, TreePath};

fn tree(entries: &[(&str, Option<&str>)]) -> Tree {
    Tree::from_entries(entries.iter().map(|(path, link)| {
        let kind = match link {
            Some(target) => Kind::Symlink(target.as_bytes().into()),
            None if path.ends_with('/') => Kind::Directory,
            None => Kind::File(FileContent { size: 0, digest: None, link_group: None }),
        };
        let entry = Entry { kind, ..Entry::directory(0o755, Mtime::default()) };
        (TreePath::clean(path.as_bytes()).unwrap(), entry)
    }))
}

#[test]
fn links_are_followed_inside_the_tree() {
    let tree = tree(&[
        ("usr/lib/", None),
        ("usr/lib/x", None),
        ("lib", Some("usr/lib")),
        ("abs", Some("/usr")),
        ("up", Some("../../../usr/lib/x")),
        ("usr/back", Some("../lib/x")),
        ("usr/root", Some("/")),
        ("dangling", Some("usr/none/there")),
        ("chain", Some("abs/back")),
        ("slash", Some("usr//lib/")),
        ("dot", Some(".")),
    ]);
    for (path, followed, kept) in [
        ("/", "/", "/"),
        ("", "/", "/"),
        ("lib/x", "/usr/lib/x", "/usr/lib/x"),
        ("lib", "/usr/lib", "/lib"),
        ("lib/../lib", "/usr/lib", "/usr/lib"),
        ("../../lib/x", "/usr/lib/x", "/usr/lib/x"),
        ("abs/lib/x", "/usr/lib/x", "/usr/lib/x"),
        ("up", "/usr/lib/x", "/up"),
        ("usr/back", "/usr/lib/x", "/usr/back"),
        ("usr/root/usr/root/lib", "/usr/lib", "/lib"),
        ("dangling", "/usr/none/there", "/dangling"),
        ("dangling/more", "/usr/none/there/more", "/usr/none/there/more"),
        ("chain", "/usr/lib/x", "/chain"),
        ("slash/x", "/usr/lib/x", "/usr/lib/x"),
        ("dot/dot/dot/lib", "/usr/lib", "/lib"),
        ("new/./a//b", "/new/a/b", "/new/a/b"),
        ("new/../usr", "/usr", "/usr"),
    ] {
        assert_eq!(tree.resolve(path.as_bytes(), true).unwrap().display(), followed, "{path}");
        assert_eq!(
            tree.resolve(path.as_bytes(), false).unwrap().display(),
            kept,
            "{path}, last not followed"
        );
    }
}

#[test]
fn loops_and_files_in_the_middle_are_errors() {
    let tree = tree(&[
        ("a", Some("b")),
        ("b", Some("a")),
        ("self", Some("self/x")),
        ("file", None),
        ("d", Some("file")),
    ]);
    for path in ["a", "a/x", "self"] {
        assert!(matches!(tree.resolve(path.as_bytes(), true), Err(ResolveError::Loop(_))), "{path}");
    }
    assert_eq!(tree.resolve(b"a", false).unwrap().display(), "/a");
    for path in ["file/x", "d/x", "file/.."] {
        assert!(matches!(tree.resolve(path.as_bytes(), true), Err(ResolveError::NotADirectory(_))), "{path}");
    }
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let names: Vec<(String, String)> = (0..41).map(|n| (format!("l{n}"), format!("l{}", n + 1))).collect();
    let entries: Vec<(&str, Option<&str>)> =
        names.iter().map(|(name, to)| (name.as_str(), Some(to.as_str()))).collect();
    let tree = tree(&entries);
    assert_eq!(tree.resolve(b"l1", true).unwrap().display(), "/l41");
    assert!(matches!(tree.resolve(b"l0", true), Err(ResolveError::Loop(_))));
}
