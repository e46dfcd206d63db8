//! A build context on disk: what a scan takes in, what it leaves out, and when it looks at bytes again.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

use galley_build::context::{Context, Ignore, scan};
use galley_build::copy::{HiddenBy, SelectOptions, Source, SourceBytes, digest, hash_missing, select};
use galley_image::{TreeDigest, TreePath};
use galley_store::{OpenOptions, Store};
use galley_syntax::ignore::IgnoreFile;

fn store(root: &Path) -> Store {
    Store::open(root, &OpenOptions { create: true, ..OpenOptions::default() }).unwrap()
}

/// As if the scan began an hour from now: every file has settled.
fn later() -> i128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i128::try_from(now.as_nanos()).unwrap() + 3_600_000_000_000
}

fn scanned(store: &Store, root: &Path, ignore: &str, threads: usize) -> Context {
    let patterns = IgnoreFile::parse(ignore.as_bytes()).0;
    scan(root, Ignore { name: ".dockerignore".into(), patterns }, store, later(), threads).unwrap()
}

fn whole(context: &Context) -> TreeDigest {
    let source = Source { tree: context.tree(), name: "the build context", is_context: true, hidden: None };
    let mut selection = select(&source, ".", &SelectOptions::default()).unwrap();
    hash_missing(&mut selection, &SourceBytes::Context(context)).unwrap();
    digest(&selection).unwrap()
}

fn paths(context: &Context) -> Vec<String> {
    context.tree().iter().map(|(path, _)| path.display()).collect()
}

fn sample(root: &Path) -> io::Result<()> {
    for index in 0..40 {
        fs::create_dir_all(root.join(format!("d{index}/e")))?;
        fs::write(root.join(format!("d{index}/e/f")), format!("{index}"))?;
    }
    fs::write(root.join("secret.env"), "x")?;
    fs::hard_link(root.join("d0/e/f"), root.join("twin"))?;
    symlink("nowhere", root.join("dangling"))
}

#[test]
fn the_tree_does_not_depend_on_threads() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("context");
    fs::create_dir(&root).unwrap();
    sample(&root).unwrap();
    let store = store(&directory.path().join("store"));
    let one = scanned(&store, &root, "", 1);
    let four = scanned(&store, &root, "", 4);
    assert_eq!(one.tree(), four.tree());
    assert_eq!(one.tree().len(), 1 + 40 * 3 + 3);
    let group = |path: &str| {
        let path = TreePath::clean(path.as_bytes()).unwrap();
        one.tree().get(&path).unwrap().entry.file().unwrap().link_group
    };
    assert!(group("twin").is_some() && group("twin") == group("d0/e/f"));
    assert_eq!(group("d1/e/f"), None);
}

#[test]
fn ignored_files_stay_out_and_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("context");
    fs::create_dir_all(root.join("a/b")).unwrap();
    for file in ["a/b/keep", "a/b/drop", "a/x", "top"] {
        fs::write(root.join(file), file).unwrap();
    }
    let store = store(&directory.path().join("store"));
    let context = scanned(&store, &root, "# c\na\n!a/b/keep\n", 2);
    assert_eq!(paths(&context), ["/", "/a", "/a/b", "/a/b/keep", "/top"]);
    let hidden = |path: &str| context.hidden(&TreePath::clean(path.as_bytes()).unwrap());
    let by = HiddenBy::Line { file: ".dockerignore".into(), line: 2, pattern: "a".into() };
    assert_eq!(hidden("a/x"), Some(by));
    assert!(hidden("a/none").is_none() && hidden("top").is_none());
}

#[test]
fn every_kind_of_edit_changes_the_digest_and_no_edit_keeps_it() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("context");
    fs::create_dir(&root).unwrap();
    sample(&root).unwrap();
    let store = store(&directory.path().join("store"));
    let first = scanned(&store, &root, "", 2);
    let before = whole(&first);
    first.save_digests().unwrap();
    let again = scanned(&store, &root, "", 2);
    let path = TreePath::clean(b"secret.env").unwrap();
    assert!(again.tree().get(&path).unwrap().entry.file().unwrap().digest.is_some(), "not remembered");
    assert_eq!(whole(&again), before);

    let file = root.join("secret.env");
    let mtime = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "y").unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(mtime).unwrap();
    let edited = whole(&scanned(&store, &root, "", 2));
    assert_ne!(edited, before, "same size, same mtime");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let chmodded = whole(&scanned(&store, &root, "", 2));
    assert_ne!(chmodded, edited);
    fs::write(root.join("added"), "").unwrap();
    assert_ne!(whole(&scanned(&store, &root, "", 2)), chmodded);
}

#[test]
fn a_file_that_changes_after_the_scan_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("context");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("f"), "short").unwrap();
    let store = store(&directory.path().join("store"));
    let context = scanned(&store, &root, "", 1);
    fs::write(root.join("f"), "something longer").unwrap();
    let path = TreePath::clean(b"f").unwrap();
    let error = context.digests(&[&path]).unwrap_err().to_string();
    assert!(error.contains("changed while the build was running"), "{error}");
}

#[test]
fn a_file_is_read_once_and_the_first_answer_stays() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("context");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("f"), "before").unwrap();
    let store = store(&directory.path().join("store"));
    let context = scanned(&store, &root, "", 1);
    let path = TreePath::clean(b"f").unwrap();
    let first = context.digests(&[&path]).unwrap();
    fs::write(root.join("f"), "beforE").unwrap();
    assert_eq!(context.digests(&[&path]).unwrap(), first, "two keys of one build disagree");
    assert_ne!(scanned(&store, &root, "", 1).digests(&[&path]).unwrap(), first);
}

#[test]
fn links_that_appear_after_the_scan_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (root, outside) = (directory.path().join("context"), directory.path().join("outside"));
    fs::create_dir_all(root.join("d/e")).unwrap();
    fs::write(root.join("d/e/f"), "inside").unwrap();
    fs::write(root.join("g"), "inside").unwrap();
    fs::create_dir_all(outside.join("e")).unwrap();
    fs::write(outside.join("e/f"), "secret").unwrap();
    let store = store(&directory.path().join("store"));
    let context = scanned(&store, &root, "", 1);
    fs::rename(root.join("d"), root.join("moved")).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("d")).unwrap();
    fs::remove_file(root.join("g")).unwrap();
    std::os::unix::fs::symlink(outside.join("e/f"), root.join("g")).unwrap();
    for path in ["d/e/f", "g"] {
        let path = TreePath::clean(path.as_bytes()).unwrap();
        let error = context.digests(&[&path]).unwrap_err().to_string();
        assert!(error.contains("changed while the build was running"), "{error}");
    }
}
