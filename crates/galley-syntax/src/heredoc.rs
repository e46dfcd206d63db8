//! Here-documents: `<<NAME`, `<<-NAME`, quoted names, and a file descriptor in front.

use crate::source_text::SourceText;
use crate::span::{Span, Spanned};

/// One here-document of RUN, COPY, ADD or an ONBUILD of those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The delimiter without quotes; the span has them. For COPY and ADD it is also the file's name.
    pub name: Spanned<String>,
    /// The whole redirection in the command line, such as `3<<-"EOF"`.
    pub operator: Span,
    /// The file descriptor in front; 0 where none is written.
    pub fd: u32,
    /// `<<-`: leading tabs are dropped from each line of the body.
    pub strip_tabs: bool,
    /// True where variables are to be expanded in the body: no part of the name is quoted. COPY and ADD expand at
    /// build time; for RUN the shell does.
    pub expand: bool,
    /// The body as it stands in the file: every line before the terminator, line ends included.
    pub raw: SourceText,
    /// The body as the user means it: as `raw`, with leading tabs dropped where `strip_tabs`.
    pub body: SourceText,
    /// The terminating line, without its line end; an empty span at the end of the file where it is missing (an error
    /// was reported).
    pub terminator: Span,
}
