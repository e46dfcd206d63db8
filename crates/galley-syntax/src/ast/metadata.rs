//! Instructions that hold keys and values: ENV, LABEL and ARG.

use crate::ast::Word;
use crate::span::Span;

/// One `key=value` of ENV or LABEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Expanded; not empty as written.
    pub key: Word,
    /// Expanded. In the legacy form it may contain unquoted spaces.
    pub value: Word,
    /// Both.
    pub span: Span,
}

/// `ENV key=value...`, `LABEL key=value...`, or the legacy form `ENV key the value`.
///
/// All values are expanded with the environment before the instruction: in `ENV a=1 b=$a` the old `a` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueInstruction {
    /// At least one; exactly one in the legacy form.
    pub pairs: Vec<KeyValue>,
    /// True for the form with a space instead of `=`.
    pub legacy: bool,
}

/// One name of ARG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgDeclaration {
    /// Expanded (few use that); not empty as written.
    pub name: Word,
    /// The default after `=`. Expanded. `None` differs from an empty one.
    pub default: Option<Word>,
    /// Name and default.
    pub span: Span,
    /// The text of a doc comment (`# name text`) above, if any.
    pub description: Option<String>,
}

/// `ARG name[=default]...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgInstruction {
    /// At least one.
    pub args: Vec<ArgDeclaration>,
}
