//! Comments that mean something to galley: doc comments above ARG and FROM, and pragmas for linters.

use crate::source_text::SourceText;
use crate::span::Span;

/// One comment line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// From the `#` to the last byte of the line, the line end not included.
    pub span: Span,
    /// The text after `#`, trimmed.
    pub text: SourceText,
}

/// A comment addressed to a linter, such as `# check=skip=JSONArgsRecommended` or `# hadolint ignore=DL3008`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pragma {
    /// Who is addressed.
    pub tool: PragmaTool,
    /// What follows the tool's name: for `check` the value after `check=`, else the text such as `ignore=DL3008`.
    pub value: SourceText,
}

/// The linters whose pragmas are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PragmaTool {
    /// `# check=…`, the directive of the Dockerfile reference, also honoured above an instruction.
    Check,
    /// `# galley …`
    Galley,
    /// `# hadolint …`
    Hadolint,
}

impl Comment {
    /// The pragma in this comment, if it is one.
    #[must_use]
    pub fn pragma(&self) -> Option<Pragma> {
        let text = self.text.as_str();
        let (tool, prefix) = [
            (PragmaTool::Check, "check="),
            (PragmaTool::Galley, "galley "),
            (PragmaTool::Hadolint, "hadolint "),
        ]
        .into_iter()
        .find(|(_, prefix)| text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix)))?;
        Some(Pragma { tool, value: self.text.slice(prefix.len()..text.len()).trim() })
    }
}

/// The description that doc comments (`# name text`) among `comments` give to `name`: the lines that start with the
/// name, joined by spaces; the name itself is not part of it.
#[must_use]
pub fn description(comments: &[Comment], name: &str) -> Option<String> {
    let lines: Vec<&str> = comments
        .iter()
        .filter_map(|comment| comment.text.as_str().strip_prefix(name))
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    (!lines.is_empty()).then(|| lines.join(" "))
}
