//! `.dockerignore`: which files of a context are left out, with the semantics of moby's patternmatcher.
//!
//! The last pattern that matches a path or one of its parent directories decides; `!` takes back in. Patterns are
//! relative to the context's root, a leading `/` means nothing, and `**` crosses directories. The same patterns serve
//! `COPY --exclude`, see [`IgnoreFile::from_patterns`].
//!
//! A walk goes down with [`IgnoreFile::root`] and [`IgnoreFile::enter`], so that each path is matched once and not
//! again for each of its parents.

mod pattern;

use crate::diagnostic::Diagnostic;
use crate::glob::GlobError;
use crate::span::{Span, offset};
use pattern::Compiled;

/// The patterns of a `.dockerignore`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IgnoreFile {
    patterns: Vec<Pattern>,
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As written, without white space around.
    pub text: String,
    /// The line it stands on, from 1; 0 for one that comes from no file.
    pub line: u32,
    /// Where it stands in the file.
    pub span: Span,
    /// True for `!pattern`: what matches is taken back in.
    pub negated: bool,
    compiled: Compiled,
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// `!` with nothing behind it.
    #[error("`!` needs a pattern after it")]
    EmptyNegation,
    /// Not a valid wildcard pattern.
    #[error(transparent)]
    Glob(#[from] GlobError),
}

/// What is known of a directory during a walk: which patterns match it or a directory above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryState {
    matched: Vec<bool>,
}

impl IgnoreFile {
    /// Parses a `.dockerignore`. A pattern that moby refuses is left out and reported as an error.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> (Self, Vec<Diagnostic>) {
        const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
        let mut patterns = Vec::new();
        let mut problems = Vec::new();
        let mut at = 0;
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let start = at;
            at += line.len();
            let mark =
                if index == 0 && line.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            let line = line.get(mark..).unwrap_or_default();
            // A comment's `#` is the very first character of its line.
            if line.starts_with(b"#") {
                continue;
            }
            let text = String::from_utf8_lossy(line);
            let trimmed = text.trim();
            if trimmed.is_empty() {
                continue;
            }
            let lead = text.len() - text.trim_start().len();
            let from = offset(start + mark + lead);
            let span = Span::new(from, from.saturating_add(offset(trimmed.len())).min(offset(at)));
            if std::str::from_utf8(line).is_err() {
                let problem = Diagnostic::warning("ignore-not-utf8", span, "this pattern is not UTF-8");
                problems.push(problem.help("use `?` for the bytes that are no text"));
            }
            match Pattern::new(trimmed, Root::Stripped) {
                Ok(pattern) => patterns.push(Pattern { line: offset(index + 1), span, ..pattern }),
                Err(error) => problems.push(
                    Diagnostic::error("ignore-pattern", span, error.to_string())
                        .help("this line is refused by docker too; correct or delete it"),
                ),
            }
        }
        (Self { patterns }, problems)
    }

    /// The patterns of `COPY --exclude` and `ADD --exclude`.
    ///
    /// # Errors
    /// The index of the first malformed pattern, and what is wrong with it.
    pub fn from_patterns<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, (usize, PatternError)> {
        let mut compiled = Vec::new();
        for (index, text) in patterns.into_iter().enumerate() {
            if !text.trim().is_empty() {
                compiled.push(Pattern::new(text.trim(), Root::Kept).map_err(|error| (index, error))?);
            }
        }
        Ok(Self { patterns: compiled })
    }

    /// The patterns, in order.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The pattern that leaves `path` out (`/`-separated, relative to the root, no `.` or `..` in it), or `None` where
    /// the path stays in. Looks at the path's parents too; in a walk [`IgnoreFile::excluded_in`] is faster.
    #[must_use]
    pub fn excluded(&self, path: impl AsRef<[u8]>) -> Option<&Pattern> {
        let path = path.as_ref();
        self.deciding(path).filter(|pattern| !pattern.negated)
    }

    /// The last pattern that matches `path` or one of its parents, negated or not.
    #[must_use]
    pub fn deciding(&self, path: impl AsRef<[u8]>) -> Option<&Pattern> {
        let path = path.as_ref();
        self.patterns.iter().rev().find(|pattern| {
            let parent = |(end, byte): (usize, &u8)| {
                *byte == b'/' && pattern.compiled.matches(path.get(..end).unwrap_or_default())
            };
            pattern.compiled.matches(path) || path.iter().enumerate().any(parent)
        })
    }

    /// The state of the root directory, which no pattern matches.
    #[must_use]
    pub fn root(&self) -> DirectoryState {
        DirectoryState { matched: vec![false; self.patterns.len()] }
    }

    /// The state of the directory `path`, whose parent has the state `parent`.
    #[must_use]
    pub fn enter(&self, parent: &DirectoryState, path: impl AsRef<[u8]>) -> DirectoryState {
        let path = path.as_ref();
        let matched = self
            .patterns
            .iter()
            .enumerate()
            .map(|(index, pattern)| parent.matched(index) || pattern.compiled.matches(path))
            .collect();
        DirectoryState { matched }
    }

    /// As [`IgnoreFile::excluded`], for a `path` in the directory with the state `parent`.
    #[must_use]
    pub fn excluded_in(&self, parent: &DirectoryState, path: impl AsRef<[u8]>) -> Option<&Pattern> {
        let path = path.as_ref();
        self.patterns
            .iter()
            .enumerate()
            .rev()
            .find(|(index, pattern)| parent.matched(*index) || pattern.compiled.matches(path))
            .map(|(_, pattern)| pattern)
            .filter(|pattern| !pattern.negated)
    }

    /// The pattern that leaves the directory of `state` out.
    #[must_use]
    pub fn excluded_directory(&self, state: &DirectoryState) -> Option<&Pattern> {
        let last = state.matched.iter().rposition(|matched| *matched)?;
        self.patterns.get(last).filter(|pattern| !pattern.negated)
    }

    /// False where nothing below the directory `path` with the state `state` can be in, so that a walk may skip it.
    /// True for a directory that is in; for one that is left out, true where a later `!` pattern might match below it.
    #[must_use]
    pub fn may_contain_included(&self, state: &DirectoryState, path: impl AsRef<[u8]>) -> bool {
        let path = path.as_ref();
        let Some(last) = state.matched.iter().rposition(|matched| *matched) else { return true };
        match self.patterns.get(last) {
            Some(pattern) if !pattern.negated => {
                let later = self.patterns.iter().skip(last + 1);
                later.filter(|later| later.negated).any(|later| later.compiled.may_match_below(path))
            }
            _ => true,
        }
    }
}

impl DirectoryState {
    fn matched(&self, index: usize) -> bool {
        self.matched.get(index).copied().unwrap_or(false)
    }
}

/// What happens to a `/` at a pattern's start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    /// Dropped, as in a `.dockerignore`.
    Stripped,
    /// Kept, as in `--exclude`.
    Kept,
}

impl Pattern {
    fn new(text: &str, root: Root) -> Result<Self, PatternError> {
        let (negated, body) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, text),
        };
        if body.is_empty() {
            return Err(PatternError::EmptyNegation);
        }
        let cleaned = clean(body);
        let cleaned = match (root, cleaned.strip_prefix('/')) {
            (Root::Stripped, Some(rest)) if !rest.is_empty() => rest.to_owned(),
            _ => cleaned,
        };
        let compiled = Compiled::new(&cleaned)?;
        Ok(Self { text: text.to_owned(), line: 0, span: Span::default(), negated, compiled })
    }
}

/// Go's `filepath.Clean`: no empty and no `.` components, `..` resolved where it can be.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match kept.last() {
                Some(last) if *last != ".." => {
                    kept.pop();
                }
                _ if rooted => {}
                _ => kept.push(part),
            },
            part => kept.push(part),
        }
    }
    let joined = kept.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
