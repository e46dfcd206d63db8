//! Parser directives: `# syntax=`, `# escape=` and `# check=` on the first lines of a file.

use crate::span::{Span, Spanned};

/// The directives of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=IMAGE`: accepted, never fetched.
    pub syntax: Option<Directive>,
    /// `# escape=`; the character itself is [`Directives::escape`].
    pub escape_directive: Option<Directive>,
    /// `# check=…`.
    pub check: Option<CheckDirective>,
    /// The escape character: `\` or a backtick.
    pub escape: char,
}

impl Default for Directives {
    fn default() -> Self {
        Self { syntax: None, escape_directive: None, check: None, escape: '\\' }
    }
}

/// One directive line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The value after `=`, trimmed; case is kept.
    pub value: Spanned<String>,
    /// The whole comment line without its line end.
    pub span: Span,
}

/// `# check=skip=A,B;error=true;experimental=all`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckDirective {
    /// Rules to skip; the single name `all` skips every one.
    pub skip: Vec<Spanned<String>>,
    /// Warnings fail the build.
    pub error: bool,
    /// Experimental rules to switch on; the single name `all` switches on every one.
    pub experimental: Vec<Spanned<String>>,
    /// The whole value.
    pub span: Span,
}
