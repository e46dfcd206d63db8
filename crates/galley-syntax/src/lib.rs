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
pub mod expand;
pub mod heredoc;
pub mod mount;
pub mod source_text;
pub mod span;

pub use ast::{Instruction, InstructionKind, Word};
pub use diagnostic::{Diagnostic, Edit, EditError, Fix, Label, Safety, Severity, apply};
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
    source: Vec<u8>,
}

impl Parsed {
    /// The bytes that were parsed.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// True where a diagnostic is an error: the file cannot be built, and instructions may be missing or
    /// [`InstructionKind::Invalid`].
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}
