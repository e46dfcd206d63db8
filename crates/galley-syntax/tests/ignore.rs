//! `.dockerignore` and COPY wildcards, as tables.

use galley_syntax::glob::Glob;
use galley_syntax::ignore::IgnoreFile;

/// The file, a path, and whether the path is left out.
const TABLE: &[(&str, &str, bool)] = &[
    ("", "a", false),
    ("# a\n", "a", false),
    ("a", "a", true),
    ("a", "a/b/c", true),
    ("a", "b/a", false),
    ("a", "ab", false),
    ("/a", "a", true),
    ("a/", "a", true),
    ("a/", "a/b", true),
    ("./a", "a", true),
    ("a/../b", "b", true),
    ("../a", "a", false),
    ("  a  ", "a", true),
    (" # a", "# a", true),
    ("#a", "#a", false),
    ("\\#a", "#a", true),
    ("a//b", "a/b", true),
    ("a\r\nb\r\n", "b", true),
    ("\u{FEFF}a", "a", true),
    (".", "a", false),
    // Wildcards.
    ("*", "a", true),
    ("*", "a/b", true),
    ("*.log", "x.log", true),
    ("*.log", "d/x.log", false),
    ("*/*.log", "d/x.log", true),
    ("*/*.log", "d/e/x.log", false),
    ("?", "a", true),
    ("?", "ab", false),
    ("?", "é", true),
    ("[a-c]x", "bx", true),
    ("[a-c]x", "dx", false),
    ("[^a-c]x", "dx", true),
    ("[^a-c]x", "ax", false),
    ("a\\*", "a*", true),
    ("a\\*", "ab", false),
    ("a.b", "a.b", true),
    ("a.b", "axb", false),
    ("(a|b)", "a", false),
    ("(a|b)", "(a|b)", true),
    ("a+", "a+", true),
    ("{a}$", "{a}$", true),
    // Double stars.
    ("**", "a/b", true),
    ("**/x", "x", true),
    ("**/x", "a/x", true),
    ("**/x", "a/b/x", true),
    ("**/x", "a/x/y", true),
    ("**/x", "ax", false),
    ("**/*.go", "a.go", true),
    ("**/*.go", "a/b/c.go", true),
    ("**x", "ax", true),
    ("**x", "a/bx", true),
    ("x**", "xy", true),
    ("x**", "x/y/z", true),
    ("x/**", "x", false),
    ("x/**", "x/y", true),
    ("a/**/b", "a/b", true),
    ("a/**/b", "a/x/y/b", true),
    ("a/**/b", "a/xb", false),
    ("**/a/**", "x/a/y", true),
    ("**/a/**", "a", false),
    ("**/a/**/b", "x/a/b", true),
    ("a*/**", "ab/c", true),
    ("**/node_modules", "pkg/node_modules/x/y.js", true),
    ("*/**", "a", false),
    ("*/**", "a/b", true),
    ("**/**", "a", true),
    // Negation: the last match decides.
    ("*\n!a", "a", false),
    ("*\n!a", "b", true),
    ("!a\n*", "a", true),
    ("*\n!a\na/b", "a/b", true),
    ("*\n!a\na/b", "a/c", false),
    ("*\n!a/b", "a", true),
    ("*\n!a/b", "a/b", false),
    ("*\n!a/b", "a/c", true),
    ("*\n!**/keep", "d/keep", false),
    ("a\n!a/b\na*", "a/b", true),
    ("! a", "a", false),
    ("a\n!/a", "a", false),
    ("*.md\n!README*.md\nREADME-secret.md", "README.md", false),
    ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
    ("docs\n!docs/README.md", "docs/README.md", false),
    ("docs\n!docs/README.md", "docs/other.md", true),
];

#[test]
fn table() {
    for (file, path, left_out) in TABLE {
        let (ignore, problems) = IgnoreFile::parse(file.as_bytes());
        assert!(problems.is_empty(), "{file:?}: {problems:?}");
        assert_eq!(ignore.excluded(path).is_some(), *left_out, "{file:?} on {path:?}");
    }
}

/// Walks down to `path`; `None` where a directory on the way would have been skipped.
fn walk(ignore: &IgnoreFile, path: &str) -> Option<bool> {
    let mut state = ignore.root();
    let directories = path.match_indices('/').map(|(at, _)| &path[..at]);
    for directory in directories {
        let parent = ignore.excluded_in(&state, directory).is_some();
        state = ignore.enter(&state, directory);
        assert_eq!(ignore.excluded_directory(&state).is_some(), parent);
        if !ignore.may_contain_included(&state, directory) {
            return None;
        }
    }
    Some(ignore.excluded_in(&state, path).is_some())
}

#[test]
fn walking_gives_the_same() {
    for (file, path, left_out) in TABLE {
        let (ignore, _) = IgnoreFile::parse(file.as_bytes());
        match walk(&ignore, path) {
            Some(found) => assert_eq!(found, *left_out, "{file:?} on {path:?}"),
            None => assert!(left_out, "{file:?}: {path:?} was pruned"),
        }
    }
}

#[test]
fn pruning() {
    let table: &[(&str, &str, bool)] = &[
        ("node_modules", "node_modules", false),
        ("node_modules\n!src", "node_modules", false),
        ("node_modules\n!node_modules/keep", "node_modules", true),
        ("node_modules\n!node_modules/keep/x", "node_modules/keep", true),
        ("node_modules\n!node_modules/keep/x", "node_modules/other", false),
        ("!node_modules/keep\nnode_modules", "node_modules", false),
        ("*\n!**/keep", "a/b", true),
        ("*\n!*/keep", "a", true),
        ("*\n!*/keep", "a/b", false),
        ("*\n!a", "a", true),
        ("*\n!a", "b", false),
        ("*.log", "src", true),
    ];
    for (file, directory, expected) in table {
        let (ignore, _) = IgnoreFile::parse(file.as_bytes());
        let mut state = ignore.root();
        for (at, _) in directory.match_indices('/') {
            state = ignore.enter(&state, &directory[..at]);
        }
        state = ignore.enter(&state, directory);
        assert_eq!(ignore.may_contain_included(&state, directory), *expected, "{file:?} on {directory:?}");
    }
}

#[test]
fn the_deciding_pattern_has_its_line() {
    let (ignore, _) = IgnoreFile::parse(b"# comment\n\n*.tmp\n  build/  \n!build/keep\n");
    let pattern = ignore.excluded("build/x/y").expect("left out");
    assert_eq!((pattern.text.as_str(), pattern.line, pattern.span.range()), ("build/", 4, 19..25));
    assert_eq!(ignore.deciding("build/keep").map(|p| (p.line, p.negated)), Some((5, true)));
    assert!(ignore.deciding("other").is_none());
}

#[test]
fn malformed_patterns_are_reported_and_left_out() {
    let (ignore, problems) = IgnoreFile::parse(b"a\n[b\n!\nc\\\n[]x]\nd\n");
    let lines: Vec<u32> = ignore.patterns().iter().map(|pattern| pattern.line).collect();
    assert_eq!(lines, [1, 6]);
    let spans: Vec<_> = problems.iter().map(|problem| problem.span.range()).collect();
    assert_eq!(spans, [2..4, 5..6, 7..9, 10..14]);
    assert!(problems.iter().all(galley_syntax::Diagnostic::is_error));
}

#[test]
fn names_need_not_be_utf8() {
    let (ignore, _) = IgnoreFile::parse(b"*.tmp\n?x\n");
    assert!(ignore.excluded(b"caf\xe9.tmp").is_some());
    assert!(ignore.excluded(b"\xe9x").is_some());
    assert!(ignore.excluded(b"\xe9.txt").is_none());
}

#[test]
fn exclude_patterns_keep_a_leading_slash() {
    let exclude = IgnoreFile::from_patterns(["*.md", "!keep.md"]).expect("patterns");
    assert!(exclude.excluded("a.md").is_some());
    assert!(exclude.excluded("keep.md").is_none());
    assert!(IgnoreFile::from_patterns(["/a"]).expect("pattern").excluded("a").is_none());
    assert_eq!(IgnoreFile::from_patterns(["a", "[x"]).expect_err("malformed").0, 1);
}

#[test]
fn globs() {
    let table: &[(&str, &str, bool)] = &[
        ("", "", true),
        ("abc", "abc", true),
        ("*", "abc", true),
        ("*", "", true),
        ("*c", "abc", true),
        ("a*", "a", true),
        ("a*/b", "abc/b", true),
        ("a*/b", "a/c/b", false),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
        ("a*b?c*x", "abxbbxdbxebxczzx", true),
        ("ab[c]", "abc", true),
        ("ab[b-d]", "abc", true),
        ("ab[^b-d]", "abc", false),
        ("a[^a]b", "a/b", true),
        ("a?b", "a/b", false),
        ("a?b", "aéb", true),
        ("a[é-ü]b", "aöb", true),
        ("[\\]a]", "]", true),
        ("[\\-]", "-", true),
        ("[x\\-]", "z", false),
        ("\\*", "*", true),
        ("*x", "xxx", true),
        ("**", "a/b", false),
    ];
    for (pattern, name, expected) in table {
        let glob = Glob::new(pattern).expect(pattern);
        assert_eq!(glob.matches(name.as_bytes()), *expected, "{pattern:?} on {name:?}");
    }
    for malformed in ["[", "[^", "[]", "[-x]", "[x-]", "a[", "a\\", "[a-", "[\\"] {
        assert!(Glob::new(malformed).is_err(), "{malformed:?}");
    }
    assert!(Glob::new("a?c").expect("pattern").matches(b"a\xffc"));
}
