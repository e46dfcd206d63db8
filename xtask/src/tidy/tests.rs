//! Each rule finds what it is there for, in small projects written to a temporary directory.

use std::fs;
use std::path::Path;

use super::check;

const MAP: &str = "| floor | crate | kind | what |\n|---|---|---|---|\n\
    | 0 | `low` | pure | x |\n| 1 | `high` | disk | x |\n| - | `kit` | dev | x |\n";

/// A project in which everything is in order.
fn project() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "ARCHITECTURE.md", MAP);
    manifest(root.path(), "low", "");
    write(root.path(), "crates/low/src/lib.rs", "//! Low.\n#![forbid(unsafe_code)]\n");
    write(root.path(), "crates/low/clippy.toml", "");
    manifest(root.path(), "high", "[dependencies]\nlow = \"1\"\n[dev-dependencies]\nkit = \"1\"\n");
    manifest(root.path(), "kit", "[dependencies]\nhigh = \"1\"\n");
    root
}

fn manifest(root: &Path, name: &str, rest: &str) {
    let text = format!("[package]\nname = \"{name}\"\n{rest}");
    write(root, &format!("crates/{name}/Cargo.toml"), &text);
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What tidy says, one line a problem.
fn found(root: &Path) -> String {
    let problems = check(root).unwrap();
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// A project with one more file is complained about in a line that holds `expected`; only that line.
#[track_caller]
fn refused(path: &str, text: &str, expected: &str) {
    let root = project();
    write(root.path(), path, text);
    let found = found(root.path());
    assert!(found.lines().count() == 1 && found.contains(expected), "found:\n{found}");
}

#[track_caller]
fn accepted(path: &str, text: &str) {
    let root = project();
    write(root.path(), path, text);
    assert_eq!(found(root.path()), "");
}

#[test]
fn an_orderly_project_passes() {
    assert_eq!(found(project().path()), "");
}

#[test]
fn files_have_a_first_line() {
    refused("crates/high/src/lib.rs", "fn f() {}\n", "lib.rs:1: the first line");
}

#[test]
fn files_are_short_and_tests_do_not_count() {
    let long = |lines: usize| format!("//! Long.\n{}", "// x\n".repeat(lines));
    accepted("crates/high/src/lib.rs", &long(398));
    refused("crates/high/src/lib.rs", &long(399), "400 lines");
    accepted("crates/high/tests/all.rs", &long(500));
    accepted("crates/high/src/part/tests.rs", &long(500));
    let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", long(390), "// x\n".repeat(100));
    accepted("crates/high/src/lib.rs", &with_tests);
}

#[test]
fn functions_are_short() {
    let function = |lines: usize| format!("//! F.\nfn f() {{\n{}}}\n", "    // }\n".repeat(lines));
    accepted("crates/high/src/lib.rs", &function(67));
    refused("crates/high/src/lib.rs", &function(68), "lib.rs:2: fn f has 70 lines");
    let method = function(68).replace("fn f", "impl X { fn f").replace("}\n", "}}\n");
    refused("crates/high/src/lib.rs", &method.replace("// }}", "//"), "fn f has 70 lines");
}

#[test]
fn code_that_must_not_appear() {
    refused("crates/high/src/a.rs", "//! A.\nfn f() { g(|| todo!()) }\n", "a.rs:2: unfinished");
    refused("crates/high/src/a.rs", "//! A.\nfn f() {\n    unimplemented!(\"x\")\n}\n", "a.rs:3: unfinished");
    refused("crates/high/src/a.rs", "//! A.\nenum E { Other(String) }\n", "a.rs:2: Other(String)");
    refused(
        "crates/high/tests/a.rs",
        "//! A.\n#[test]\n#[ignore = \"slow\"]\nfn f() {}\n",
        "a.rs:3: #[ignore]",
    );
    refused("crates/high/src/a.rs", "//! A.\nfn f() { unsafe { g() } }\n", "a.rs:2: unsafe");
    accepted("crates/high/src/a.rs", "//! A todo!() #[ignore].\nconst X: &str = \"unsafe { todo!() }\";\n");
}

#[test]
fn arrows_point_down() {
    let cases = [
        ("low", "[dependencies]\nhigh = \"1\"\n", "low may not use high"),
        ("high", "[dependencies]\nkit = \"1\"\n", "high may not use kit"),
        ("high", "[dev-dependencies]\nhigh = \"1\"\n", "high may not use high"),
        ("new", "", "new has no floor"),
    ];
    for (name, rest, expected) in cases {
        let root = project();
        manifest(root.path(), name, rest);
        let found = found(root.path());
        assert!(found.contains(expected), "{name}: found:\n{found}");
    }
}

#[test]
fn the_table_names_no_crate_that_is_gone() {
    refused("ARCHITECTURE.md", &format!("{MAP}| 2 | `gone` | net | x |\n"), "gone has a floor");
}

#[test]
fn pure_crates_say_so() {
    refused("crates/low/src/lib.rs", "//! Low.\n", "low is pure: its src/lib.rs");
    let root = project();
    fs::remove_file(root.path().join("crates/low/clippy.toml")).unwrap();
    assert!(found(root.path()).contains("needs a clippy.toml"));
}

#[test]
fn the_map_names_what_is_there() {
    accepted(
        "ARCHITECTURE.md",
        &format!("{MAP}`crates/low/src/lib.rs`, [low](crates/low), `layers/x` of the store\n"),
    );
    refused(
        "ARCHITECTURE.md",
        &format!("{MAP}\nSee `crates/low/src/gone.rs`.\n"),
        "ARCHITECTURE.md:7: crates/low/src/gone.rs",
    );
    refused(
        "ARCHITECTURE.md",
        &format!("{MAP}See [it](docs/gone.md#part).\n"),
        "docs/gone.md does not exist",
    );
}

#[test]
fn words_that_must_not_appear() {
    refused(
        "docs/a.md",
        concat!("x\nhttps://pypi", ".org/simple\n"),
        "docs/a.md:2: names the package registry",
    );
    refused("docs/a.md", concat!("see /work", "/main\n"), "names a path of one machine");
    accepted(
        "Cargo.lock",
        concat!("source = \"registry+https://github.com/rust-lang/crates", ".io-index\"\n"),
    );
}
