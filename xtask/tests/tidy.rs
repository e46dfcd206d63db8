//! The project keeps its own rules: `cargo xtask tidy` as a test.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::path::Path;

#[test]
fn the_project_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let problems = xtask::tidy::check(root).unwrap();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} problem(s):\n{}", lines.len(), lines.join("\n"));
}
