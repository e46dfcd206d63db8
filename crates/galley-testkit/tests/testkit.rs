//! The testkit tests itself: a test tool that passes everything is worse than none.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use galley_testkit::literate::Runner;
use galley_testkit::tree::{self, Columns};
use galley_testkit::user::PlainUser;

const TREE: &str = r##"
bin/ 0750
bin/alias -> tool
bin/tool 0755 "#!/bin/sh\necho \"hi\"\n"
bin/twin => bin/tool
"odd \xff name" 0600 @1700000000 "tab\there \\ caf\xc3\xa9"
pipe | 0640
tmp/ 1777 @1600000000
tmp/file 0644 ""
"##;

#[test]
fn a_tree_comes_back_as_it_was_written() {
    let directory = tree::temporary(TREE).unwrap();
    let text = tree::describe(directory.path(), Columns::default()).unwrap();
    let expected = r##"bin/ 0750
bin/alias -> tool
bin/tool 0755 "#!/bin/sh\necho \"hi\"\n"
bin/twin => bin/tool
"odd \xff name" 0600 "tab\there \\ café"
pipe | 0640
tmp/ 1777
tmp/file 0644 ""
"##;
    assert_eq!(text, expected);
    let again = tree::temporary(&text).unwrap();
    assert_eq!(tree::describe(again.path(), Columns::default()).unwrap(), text);
}

#[test]
fn times_are_set_also_on_directories() {
    let directory = tree::temporary(TREE).unwrap();
    let text = tree::describe(directory.path(), Columns { times: true, owners: true }).unwrap();
    assert!(text.contains("tmp/ 1777") && text.contains("@1600000000"), "{text}");
    assert!(text.contains("@1700000000 \"tab"), "{text}");
}

#[test]
fn a_bad_line_is_named() {
    for bad in ["file 9z", "file \"open", "x @soon", "x 1:b", "file \"a\" 0644", "x ->", "y \"\\q\""] {
        let error = tree::temporary(&format!("fine/\n{bad}")).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains(bad), "{error}");
    }
}

fn run(script: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("case.md");
    fs::write(&path, script).unwrap();
    Runner { path: Vec::new(), env: vec![("GREETING".into(), "hello".into())], user: None }.run(&path)
}

#[test]
fn matching_output_passes() {
    run(r#"
Prose, and a block of no interest:
```rust
fn main() {}
```
```text file=sub/a.txt
one
two
three
```
```tree
d/ 0700
d/x 0644 "X"
```
```console
$ cat sub/a.txt d/x
one
...
X
$ echo $GREETING $HOME; echo err >&2
hello /[..]/[..]
err
$ false
[exit 1]
$ cat <<'EOF'
> two lines
> EOF
two lines
```
"#)
    .unwrap();
}

#[test]
fn commands_run_as_another_user_who_owns_the_files() {
    let Some(user) = PlainUser::without_subordinate_ids() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("case.md");
    let id = user.id();
    fs::write(&path, format!("```text file=d/a\nx\n```\n```console\n$ id -u; stat -c %u:%g . d d/a\n{id}\n{id}:{id}\n{id}:{id}\n{id}:{id}\n```\n")).unwrap();
    Runner { path: Vec::new(), env: Vec::new(), user: Some(user) }.run(&path).unwrap();
}

#[test]
fn anything_else_fails() {
    for (script, said) in [
        ("```console\n$ echo a\nb\n```\n", "+a"),
        ("```console\n$ echo a\n```\n", "+a"),
        ("```console\n$ true\nextra\n```\n", "-extra"),
        ("```console\n$ echo abc\na[..]d\n```\n", "+abc"),
        ("```console\n$ exit 3\n```\n", "exit code 3, expected 0"),
        ("```console\n$ true\n[exit 1]\n```\n", "exit code 0, expected 1"),
        ("```console\nstray\n```\n", "before any"),
        ("```console\n$ true\n", "never closed"),
        ("no commands\n", "has no command"),
    ] {
        let failure = run(script).unwrap_err();
        assert!(failure.contains(said), "{script}: {failure}");
    }
}
