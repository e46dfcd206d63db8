//! Expansion of variables in a [`Word`]: docker's quoting, escapes and modifiers.
//!
//! | written | gives |
//! |---|---|
//! | `$v`, `${v}` | the value, or nothing |
//! | `${v:-w}`, `${v-w}` | `w` where `v` is unset (or, with the colon, empty) |
//! | `${v:+w}`, `${v+w}` | `w` where `v` is set (and, with the colon, not empty) |
//! | `${v:?w}`, `${v?w}` | an error that says `w` where `v` is unset (or, with the colon, empty) |
//! | `${v#p}`, `${v##p}` | the value without the shortest, longest prefix that matches the glob `p` |
//! | `${v%p}`, `${v%%p}` | the same for a suffix |
//! | `${v/p/r}`, `${v//p/r}` | the value with the first match, all matches of `p` replaced by `r` |
//!
//! Globs know `*` and `?` only. Single quotes keep everything; inside double quotes the escape character escapes `"`,
//! `$` and itself. The one known difference from BuildKit: in `${v//p/r}` a `$1` that comes out of a value is literal.

mod lexer;
mod pattern;

use crate::ast::Word;
use crate::source_text::SourceText;
use crate::span::Span;

/// Looks a variable up; `None` means unset, which differs from empty.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The result of [`expand`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expanded {
    /// The value: variables replaced, quotes and escapes removed.
    pub text: String,
    /// The value split at white space that is not quoted, as EXPOSE does it; values of variables are split too.
    pub words: Vec<String>,
    /// Every variable the word refers to, in order, also those inside modifiers.
    pub used: Vec<VariableUse>,
}

/// One reference to a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    /// The name.
    pub name: String,
    /// The reference in the file, from `$` to its end.
    pub span: Span,
    /// True where the lookup knew it.
    pub defined: bool,
    /// True where the reference says what to do without a value (`${v:-w}`, `${v:+w}`, `${v:?w}` and the like), so
    /// that an undefined variable is meant.
    pub guarded: bool,
}

/// Why a word could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpandError {
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// The offending part of the word in the file.
    pub span: Span,
    /// What to write instead.
    pub help: Option<String>,
}

/// Expands `word`. `escape` is the file's escape character ([`crate::directive::Directives::escape`]).
///
/// # Errors
/// [`ExpandError`] for a missing quote or brace, an unknown modifier, and `${v:?message}` of an unset variable.
pub fn expand(word: &Word, escape: char, lookup: &Lookup<'_>) -> Result<Expanded, ExpandError> {
    lexer::Lexer::new(&word.0, escape, lexer::Quotes::Removed, lookup).expand()
}

/// Expands the body of a here-document of COPY or ADD ([`crate::heredoc::Heredoc::expand`] says whether to): quotes are
/// ordinary characters there, but a backslash still escapes the next character.
///
/// # Errors
/// As [`expand`].
pub fn expand_heredoc(body: &SourceText, lookup: &Lookup<'_>) -> Result<Expanded, ExpandError> {
    lexer::Lexer::new(body, '\\', lexer::Quotes::Kept, lookup).expand()
}
