//! Every path that ARCHITECTURE.md names exists.

use std::path::Path;

use super::{Problem, TextFile};

/// A word in backquotes is taken for a path of the project where it starts with one of these.
const TOP: [&str; 6] = ["crates/", "docs/", "examples/", "xtask/", "fuzz/", ".ci/"];

/// Finds paths in backquotes and in links that are not there.
pub(super) fn check(root: &Path, map: &TextFile, problems: &mut Vec<Problem>) {
    for (index, line) in map.text.lines().enumerate() {
        let quoted = line.split('`').skip(1).step_by(2);
        let quoted = quoted.filter(|word| TOP.iter().any(|top| word.starts_with(top)));
        for path in quoted.chain(links(line)) {
            if !root.join(path).exists() {
                problems.push(Problem::new(&map.path, index + 1, format!("{path} does not exist")));
            }
        }
    }
}

/// The targets of a line's Markdown links that stay inside the project, without fragments.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    inside.filter_map(|target| target.split('#').next())
}
