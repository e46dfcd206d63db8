//! `--exclude` and the wildcards of `--parents`: patterns as in `.dockerignore`, over the paths of one group.

use galley_image::TreePath;
use galley_syntax::ignore::IgnoreFile;

use super::select::SelectError;
use super::{Group, Shape};

/// The `--exclude` flags of one COPY.
pub(super) struct Exclude(Option<IgnoreFile>);

impl Exclude {
    pub fn new(patterns: &[String]) -> Result<Self, SelectError> {
        if patterns.is_empty() {
            return Ok(Self(None));
        }
        compile(patterns).map(|patterns| Self(Some(patterns)))
    }

    /// Removes what is excluded. A directory stays where something below it is taken back in by a `!` pattern.
    pub fn apply(&self, group: &mut Group<'_>) {
        let Some(patterns) = &self.0 else { return };
        if let Shape::File { name } = &group.shape {
            if patterns.excluded(name).is_some() {
                group.entries.clear();
            }
            return;
        }
        let mut keep = vec![false; group.entries.len()];
        // Indices of the directories above the entry at hand, outermost first.
        let mut above: Vec<usize> = Vec::new();
        for (at, entry) in group.entries.iter().enumerate() {
            while let Some(directory) = above.last().and_then(|last| group.entries.get(*last)) {
                if entry.path.below(directory.path).is_some() {
                    break;
                }
                above.pop();
            }
            if !entry.leads && patterns.excluded(entry.below).is_none() {
                for index in above.iter().chain([&at]) {
                    if let Some(kept) = keep.get_mut(*index) {
                        *kept = true;
                    }
                }
            }
            if entry.node.entry.is_directory() {
                above.push(at);
            }
        }
        let mut keep = keep.into_iter();
        group.entries.retain(|_| keep.next().unwrap_or(true));
    }
}

/// The one pattern that `--parents` selects by.
pub(super) struct Matcher(Option<IgnoreFile>);

impl Matcher {
    /// `wanted` is the pattern behind the pivot; the root means everything.
    pub fn new(wanted: &TreePath, written: &str) -> Result<Self, SelectError> {
        if wanted.is_root() {
            return Ok(Self(None));
        }
        let pattern = String::from_utf8_lossy(wanted.as_bytes()).into_owned();
        // A leading `!` would take out what it names; in a source it is an ordinary character.
        let pattern = if pattern.starts_with('!') { format!("\\{pattern}") } else { pattern };
        match compile(&[pattern]) {
            Ok(patterns) => Ok(Self(Some(patterns))),
            Err(SelectError::BadPattern { reason, .. }) => {
                Err(SelectError::BadPattern { pattern: written.to_owned(), reason })
            }
            Err(other) => Err(other),
        }
    }

    pub fn matches(&self, below: &[u8]) -> bool {
        self.0.as_ref().is_none_or(|patterns| patterns.excluded(below).is_some())
    }
}

fn compile(patterns: &[String]) -> Result<IgnoreFile, SelectError> {
    IgnoreFile::from_patterns(patterns.iter().map(String::as_str)).map_err(|(index, error)| {
        let pattern = patterns.get(index).cloned().unwrap_or_default();
        SelectError::BadPattern { pattern, reason: error.to_string() }
    })
}
