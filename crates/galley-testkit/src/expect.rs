//! Expectations that are files: a test compares a text with `testdata/…` and, asked to, rewrites the file.

use std::path::Path;
use std::{env, fs};

use similar::TextDiff;

/// The environment variable that makes [`file`] write what it got instead of comparing.
pub const UPDATE: &str = "GALLEY_UPDATE_TESTDATA";

/// Compares `actual` with the file at `path`; with [`UPDATE`] set, writes the file instead.
///
/// # Errors
/// The difference as a unified diff, or why the file cannot be read or written.
pub fn file(path: &Path, actual: &str) -> Result<(), String> {
    if env::var_os(UPDATE).is_some() {
        return fs::write(path, actual).map_err(|error| format!("cannot write {}: {error}", path.display()));
    }
    let expected = fs::read_to_string(path).map_err(|error| {
        format!("cannot read {}: {error}; {UPDATE}=1 writes it. It would be:\n{actual}", path.display())
    })?;
    if expected == actual {
        return Ok(());
    }
    Err(format!("{} differs ({UPDATE}=1 accepts):\n{}", path.display(), diff(&expected, actual)))
}

/// A unified diff from `expected` to `actual`.
#[must_use]
pub fn diff(expected: &str, actual: &str) -> String {
    TextDiff::from_lines(expected, actual)
        .unified_diff()
        .context_radius(4)
        .header("expected", "actual")
        .to_string()
}

/// The files of `directory` with `extension`, sorted: the cases of a test.
///
/// # Errors
/// Why the directory cannot be read, or that it has no such file, since a test without cases cannot fail.
pub fn cases(directory: &Path, extension: &str) -> Result<Vec<std::path::PathBuf>, String> {
    let entries =
        fs::read_dir(directory).map_err(|error| format!("cannot read {}: {error}", directory.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("cannot read {}: {error}", directory.display()))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{} has no .{extension} file", directory.display()));
    }
    Ok(paths)
}
