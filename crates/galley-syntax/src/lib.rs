//! Dockerfile text to a lossless tree and back: spans, diagnostics, typed instructions, variables, shell bodies of
//! RUN, and `.dockerignore`.
//!
//! [`parse`] takes any bytes and never fails: problems are [`Diagnostic`]s with spans. [`Parsed::print`] gives every
//! byte back.
#![forbid(unsafe_code)]

pub mod ast;
pub mod comment;
pub mod diagnostic;
pub mod directive;
pub mod duration;
pub mod expand;
pub mod glob;
pub mod heredoc;
pub mod ignore;
pub mod layout;
pub mod mode;
pub mod mount;
mod parse;
pub mod port;
pub mod shell;
pub mod source_text;
pub mod span;
pub mod suggest;

pub use ast::{Instruction, InstructionKind, Word};
pub use diagnostic::{Diagnostic, Edit, EditError, Fix, Label, Safety, Severity, apply};
pub use parse::{parse, parse_check, parse_fragment};
pub use source_text::SourceText;
pub use span::{LineColumn, LineIndex, Span, Spanned};

/// A parsed Dockerfile: its bytes, its lines, its instructions and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The parser directives on the first lines.
    pub directives: directive::Directives,
    /// The instructions, top to bottom, [`InstructionKind::Invalid`] ones included.
    pub instructions: Vec<Instruction>,
    /// What is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// Every physical line, top to bottom.
    pub lines: Vec<layout::Line>,
    source: Vec<u8>,
}

impl Parsed {
    /// The bytes that were parsed.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// The file again, line by line: every byte as it was.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.source.len());
        for line in &self.lines {
            out.extend_from_slice(line.span.of(&self.source));
        }
        out
    }

    /// True where a diagnostic is an error: the file cannot be built, and instructions may be missing or
    /// [`InstructionKind::Invalid`].
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}
