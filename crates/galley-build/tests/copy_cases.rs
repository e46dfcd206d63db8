//! COPY as tables: `testdata/copy/*.txt` has a source tree, a destination tree, a COPY line, and the layer that comes out.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::fmt::Write as _;
use std::path::Path;

use galley_build::copy::{PlaceOptions, Put, SelectOptions, Source, place, select};
use galley_image::{ContentDigest, Entry, FileContent, Kind, Mtime, Tree, TreePath};
use galley_syntax::mode;

/// `dir/`, `link -> target`, `pipe |` or `file`, then optionally an octal mode and `uid:gid`.
fn tree(text: &str) -> Tree {
    Tree::from_entries(text.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let mut entry = Entry::directory(0o755, Mtime::default());
        if !name.ends_with('/') {
            let digest = Some(ContentDigest::of(name.as_bytes()));
            entry.kind = Kind::File(FileContent { size: 1, digest, link_group: None });
            entry.mode = 0o644;
        }
        while let Some(word) = words.next() {
            if word == "->" {
                entry.kind = Kind::Symlink(words.next().unwrap().as_bytes().into());
                entry.mode = 0o777;
            } else if word == "|" {
                entry.kind = Kind::Fifo;
            } else if let Some((uid, gid)) = word.split_once(':') {
                (entry.uid, entry.gid) = (uid.parse().unwrap(), gid.parse().unwrap());
            } else {
                entry.mode = u32::from_str_radix(word, 8).unwrap();
            }
        }
        (TreePath::clean(name.as_bytes()).unwrap(), entry)
    }))
}

fn run(source: &Tree, dest: &Tree, line: &str) -> Result<String, String> {
    let (mut parents, mut exclude, mut chown, mut chmod, mut words) =
        (false, Vec::new(), None, None, Vec::new());
    for word in line.split_whitespace().skip(1) {
        if word == "--parents" {
            parents = true;
        } else if let Some(pattern) = word.strip_prefix("--exclude=") {
            exclude.push(pattern.to_owned());
        } else if let Some(owner) = word.strip_prefix("--chown=") {
            let (uid, gid) = owner.split_once(':').unwrap();
            chown = Some((uid.parse().unwrap(), gid.parse().unwrap()));
        } else if let Some(bits) = word.strip_prefix("--chmod=") {
            chmod = Some(mode::parse(bits).unwrap());
        } else {
            words.push(word);
        }
    }
    let to = words.pop().unwrap();
    let from = Source { tree: source, name: "the build context", is_context: true, hidden: None };
    let options = SelectOptions { parents, exclude: &exclude };
    let selections: Result<Vec<_>, _> = words.iter().map(|word| select(&from, word, &options)).collect();
    let selections = selections.map_err(|error| error.to_string())?;
    let mut out = String::new();
    for missed in selections.iter().filter_map(|selection| selection.missed.as_ref()) {
        writeln!(out, "missed: {missed}").unwrap();
    }
    let options = PlaceOptions { chown, chmod: chmod.as_ref(), created: Mtime::default() };
    for action in place(dest, &selections, to, &options).map_err(|error| error.to_string())? {
        let entry = action.put.entry();
        let slash = if entry.is_directory() { "/" } else { "" };
        write!(out, "{}{slash} {:04o} {}:{}", action.path.display(), entry.mode, entry.uid, entry.gid)
            .unwrap();
        match &action.put {
            Put::File { from, .. } => writeln!(out, " = {}", from.path.display()).unwrap(),
            _ => match entry.symlink_target() {
                Some(target) => writeln!(out, " -> {}", String::from_utf8_lossy(target)).unwrap(),
                None => writeln!(out).unwrap(),
            },
        }
    }
    Ok(out)
}

#[test]
fn copies_land_as_the_tables_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/copy");
    let (mut cases, mut failures) = (0, String::new());
    for file in std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut parts = text.split("\n== ");
        let trees = parts.next().unwrap();
        let (source, dest) = trees.split_once("-- dest\n").unwrap();
        let (source, dest) = (tree(source.strip_prefix("-- source\n").unwrap()), tree(dest));
        for case in parts {
            cases += 1;
            let (line, expected) = case.split_once('\n').unwrap_or((case, ""));
            let got = run(&source, &dest, line).unwrap_or_else(|error| format!("error: {error}\n"));
            if got.trim() != expected.trim() {
                writeln!(failures, "{}: {line}\n--- expected\n{expected}\n--- got\n{got}", file.display())
                    .unwrap();
            }
        }
    }
    assert!(cases > 20, "{cases} cases");
    assert!(failures.is_empty(), "{failures}");
}
