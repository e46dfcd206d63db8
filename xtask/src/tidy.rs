//! The rules of the house that no compiler checks: lengths, first lines, crate arrows, paths in the map, words that must not appear.
//!
//! `cargo xtask tidy` prints what it finds; `xtask/tests/tidy.rs` runs the same as a test.

mod arrows;
mod map;
mod rust;
mod words;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;

/// Directories that hold nothing of ours: version control, build output, fetched packages, what a fuzzer collects.
const NOT_OURS: [&str; 7] = [".git", "target", "node_modules", "dist", "__pycache__", "corpus", "artifacts"];

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Relative to the root of the workspace.
    pub path: PathBuf,
    /// Counted from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What is wrong, and where it is not plain, what to do.
    pub message: String,
}

impl Problem {
    fn new(path: &Path, line: usize, message: impl Into<String>) -> Problem {
        Problem { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// A file of the project that is UTF-8 text.
struct TextFile {
    /// Relative to the root.
    path: PathBuf,
    text: String,
}

/// Everything that is out of order under `root`, the directory of the workspace; sorted.
///
/// # Errors
/// A directory or file that cannot be read, or a manifest that is not TOML.
pub fn check(root: &Path) -> Result<Vec<Problem>> {
    let mut files = Vec::new();
    collect(root, Path::new(""), &mut files)?;
    let mut problems = Vec::new();
    for file in &files {
        words::check(file, &mut problems);
        if file.path.extension().is_some_and(|extension| extension == "rs") {
            rust::check(file, &mut problems);
        }
    }
    let map = files.iter().find(|file| file.path == Path::new("ARCHITECTURE.md"));
    let map = map.ok_or("ARCHITECTURE.md is missing: tidy reads the floors of the crates from it")?;
    map::check(root, map, &mut problems);
    arrows::check(map, &files, &mut problems)?;
    problems.sort();
    Ok(problems)
}

/// Reads every text file under `root/below` into `files`, in order of their names. Links are not followed.
fn collect(root: &Path, below: &Path, files: &mut Vec<TextFile>) -> Result<()> {
    let directory = root.join(below);
    let read = fs::read_dir(&directory).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut entries = read.map_err(|error| format!("{}: {error}", directory.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = below.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() && !NOT_OURS.iter().any(|name| entry.file_name() == *name) {
            collect(root, &path, files)?;
        } else if kind.is_file() {
            let bytes = fs::read(root.join(&path)).map_err(|error| format!("{}: {error}", path.display()))?;
            // Test data may be any bytes; only text can break these rules.
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(TextFile { path, text });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
