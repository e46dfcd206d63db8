//! What galley has to say about a user's text: diagnostics with spans, and fixes that are edits of the file.

use serde::Serialize;

use crate::span::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Works, but probably not as meant.
    Warning,
    /// The file cannot be built.
    Error,
}

/// One finding about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable identifier, kebab-case, such as `unknown-instruction`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The bytes it is about.
    pub span: Span,
    /// One sentence that names what is wrong, without a full stop.
    pub message: String,
    /// Other places that explain it.
    pub labels: Vec<Label>,
    /// What to write instead, or why; one sentence each.
    pub help: Vec<String>,
    /// Ready edits.
    pub fixes: Vec<Fix>,
}

/// A second place that a diagnostic points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// The bytes it is about.
    pub span: Span,
    /// What is to be seen there.
    pub message: String,
}

/// Whether a fix may be applied without a person looking at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// The built image stays the same, or the file did not build before.
    Safe,
    /// The meaning may change.
    Unsafe,
}

/// A ready change of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What it does, as an imperative ("write `CMD [\"./main\"]`").
    pub title: String,
    /// Whether it may be applied unseen.
    pub safety: Safety,
    /// The edits, all or none.
    pub edits: Vec<Edit>,
}

/// Replaces the bytes of `span`; an empty span inserts, an empty replacement deletes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Edit {
    /// The bytes to replace.
    pub span: Span,
    /// What stands there afterwards.
    pub replacement: String,
}

impl Edit {
    /// Replaces `span` by `replacement`.
    pub fn replace(span: Span, replacement: impl Into<String>) -> Self {
        Self { span, replacement: replacement.into() }
    }

    /// Inserts `text` before the byte at `offset`.
    pub fn insert(offset: u32, text: impl Into<String>) -> Self {
        Self { span: Span::at(offset), replacement: text.into() }
    }

    /// Deletes `span`.
    #[must_use]
    pub fn delete(span: Span) -> Self {
        Self { span, replacement: String::new() }
    }
}

impl Diagnostic {
    /// A diagnostic without labels, help or fixes.
    pub fn new(severity: Severity, code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            span,
            message: message.into(),
            labels: Vec::new(),
            help: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// An error: the file cannot be built.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span, message)
    }

    /// A note.
    pub fn note(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, span, message)
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    /// Adds a fix made of one replacement.
    #[must_use]
    pub fn fix(
        mut self,
        title: impl Into<String>,
        safety: Safety,
        span: Span,
        replacement: impl Into<String>,
    ) -> Self {
        self.fixes.push(Fix { title: title.into(), safety, edits: vec![Edit::replace(span, replacement)] });
        self
    }

    /// True for [`Severity::Error`].
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Why a set of edits was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Two edits touch the same bytes, or insert at the same place, so their order would decide the result.
    #[error(
        "edits of bytes {}..{} and {}..{} overlap; apply one, parse again, then the other",
        first.start, first.end, second.start, second.end
    )]
    Conflict {
        /// The edit that comes first in the file.
        first: Span,
        /// The one that conflicts with it.
        second: Span,
    },
    /// An edit lies outside the file, so it was made for another text.
    #[error("edit of bytes {}..{} lies outside the file of {len} bytes; parse the file again", span.start, span.end)]
    OutOfBounds {
        /// The edit's span.
        span: Span,
        /// The file's length in bytes.
        len: usize,
    },
}

/// Applies `edits` (in any order) to `source`.
///
/// The same edit given twice counts once, so that two diagnostics may share a fix.
///
/// # Errors
/// [`EditError`] where edits overlap or lie outside `source`.
pub fn apply(source: &[u8], edits: &[Edit]) -> Result<Vec<u8>, EditError> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut out = Vec::with_capacity(source.len());
    let mut done = 0;
    let mut previous: Option<Span> = None;
    for edit in sorted {
        let range = edit.span.range();
        if let Some(first) = previous {
            let same_place = first.start == edit.span.start;
            if range.start < first.range().end || same_place {
                return Err(EditError::Conflict { first, second: edit.span });
            }
        }
        let outside = EditError::OutOfBounds { span: edit.span, len: source.len() };
        if range.end > source.len() {
            return Err(outside);
        }
        out.extend_from_slice(source.get(done..range.start).ok_or(outside)?);
        out.extend_from_slice(edit.replacement.as_bytes());
        done = range.end;
        previous = Some(edit.span);
    }
    out.extend_from_slice(source.get(done..).unwrap_or_default());
    Ok(out)
}
