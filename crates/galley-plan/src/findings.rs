//! What has been found wrong so far: errors go on being collected, so that one run names them all.

use std::collections::HashSet;

use galley_syntax::{Diagnostic, Span};

/// Diagnostics by what they do to the build.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    seen: HashSet<(Span, &'static str, String)>,
}

/// A point in the collection, to come back to with [`Findings::pin_since`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    errors: usize,
    warnings: usize,
}

impl Findings {
    /// A collection that begins with `warnings`.
    pub(crate) fn from_warnings(warnings: Vec<Diagnostic>) -> Self {
        let mut findings = Self::default();
        findings.extend(warnings);
        findings
    }

    /// Adds a diagnostic; the same one twice counts once.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        let list = if diagnostic.is_error() { &mut self.errors } else { &mut self.warnings };
        if self.seen.insert((diagnostic.span, diagnostic.code, diagnostic.message.clone())) {
            list.push(diagnostic);
        }
    }

    /// Adds several.
    pub(crate) fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Adds all of `other`.
    pub(crate) fn merge(&mut self, other: Findings) {
        self.extend(other.errors);
        self.extend(other.warnings);
    }

    /// Takes back the warnings `code` if there is an error `because`, which says more about the same.
    pub(crate) fn retract(&mut self, code: &str, because: &str) {
        if self.errors.iter().any(|error| error.code == because) {
            self.warnings.retain(|warning| warning.code != code);
        }
    }

    /// Where the collection stands now.
    pub(crate) fn mark(&self) -> Mark {
        Mark { errors: self.errors.len(), warnings: self.warnings.len() }
    }

    /// Moves everything found since `mark` to `span`: it is about a text that stands in no line of the file. `what` names
    /// that text.
    pub(crate) fn pin_since(&mut self, mark: Mark, span: Span, what: &str) {
        let errors = self.errors.iter_mut().skip(mark.errors);
        for diagnostic in errors.chain(self.warnings.iter_mut().skip(mark.warnings)) {
            diagnostic.span = span;
            diagnostic.labels.clear();
            diagnostic.fixes.clear();
            diagnostic.message = format!("{what}: {}", diagnostic.message);
        }
    }

    /// The errors in the order of the file if there are any, else the warnings.
    pub(crate) fn into_result(mut self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        self.warnings.sort_by_key(|diagnostic| diagnostic.span);
        if self.errors.is_empty() {
            return Ok(self.warnings);
        }
        self.errors.sort_by_key(|diagnostic| diagnostic.span);
        self.errors.append(&mut self.warnings);
        Err(self.errors)
    }
}
