//! Parser directives at the top of a file.

use super::Parser;
use crate::comment::Comment;
use crate::diagnostic::Diagnostic;
use crate::directive::{CheckDirective, Directive};
use crate::layout::{self, LineKind, RawLine};
use crate::span::{Span, Spanned, offset};
use crate::suggest;

/// The directives the language knows.
const NAMES: [&str; 3] = ["syntax", "escape", "check"];

/// `# name=value`, split; spans without the white space around.
struct NameValue {
    name: Spanned<String>,
    value: Spanned<String>,
}

impl Parser<'_> {
    /// Takes `line` where it is a directive. False ends the directives: the first line that is none does.
    pub(super) fn directive_line(&mut self, line: RawLine) -> bool {
        let trimmed = layout::trim(self.source, line.content);
        let Some(pair) = name_value(self.source, trimmed) else { return false };
        let name = pair.name.value.to_ascii_lowercase();
        if !NAMES.contains(&name.as_str()) {
            if let Some(help) = suggest::did_you_mean(&name, NAMES) {
                let text = format!("`{}` is no parser directive, so this is a comment", pair.name.value);
                self.diagnostics.push(Diagnostic::note("unknown-directive", pair.name.span, text).help(help));
            }
            return false;
        }
        let directive = Directive { value: pair.value, span: trimmed };
        let seen = match name.as_str() {
            "syntax" => self.directives.syntax.as_ref().map(|d| d.span),
            "escape" => self.directives.escape_directive.as_ref().map(|d| d.span),
            _ => self.directives.check.as_ref().map(|d| d.span),
        };
        if let Some(first) = seen {
            self.diagnostics.push(
                Diagnostic::error("duplicate-directive", trimmed, format!("a second `{name}` directive"))
                    .label(first, "the first one")
                    .help("each directive may stand once; delete one of them"),
            );
        } else {
            self.take_directive(&name, directive);
        }
        self.keep(line, LineKind::Directive, None);
        true
    }

    fn take_directive(&mut self, name: &str, directive: Directive) {
        match name {
            "syntax" => self.directives.syntax = Some(directive),
            "escape" => {
                match directive.value.value.as_str() {
                    "\\" => self.directives.escape = '\\',
                    "`" => self.directives.escape = '`',
                    other => {
                        let text = format!("the escape character cannot be `{other}`");
                        self.diagnostics.push(
                            Diagnostic::error("invalid-escape", directive.value.span, text)
                                .help("write `# escape=\\` or ``# escape=` ``"),
                        );
                    }
                }
                self.directives.escape_directive = Some(directive);
            }
            _ => {
                let (check, problems) = parse_check(&directive.value);
                self.diagnostics.extend(problems);
                self.directives.check = Some(check);
            }
        }
    }

    /// Notes a comment that looks like a directive but comes too late to be one. `check` is honoured anywhere.
    pub(super) fn late_directive(&mut self, comment: &Comment) {
        let Some(pair) = name_value(self.source, comment.span) else { return };
        let name = pair.name.value.to_ascii_lowercase();
        if self.instructions.is_empty() && matches!(name.as_str(), "syntax" | "escape") {
            let text = format!("`{name}` is only a comment here");
            self.diagnostics
                .push(Diagnostic::warning("late-directive", comment.span, text).help(
                    "directives count only on the first lines, before any other comment or empty line",
                ));
        }
    }
}

/// Splits `# name = value`.
fn name_value(source: &[u8], comment: Span) -> Option<NameValue> {
    let bytes = comment.of(source).strip_prefix(b"#")?;
    let inner = layout::trim(source, Span::new(comment.end - offset(bytes.len()), comment.end));
    let bytes = inner.of(source);
    let equals = bytes.iter().position(|byte| *byte == b'=')?;
    let at = inner.start + offset(equals);
    let name = layout::trim(source, Span::new(inner.start, at));
    let value = layout::trim(source, Span::new(at + 1, inner.end));
    let text = std::str::from_utf8(name.of(source)).ok()?;
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) || value.is_empty() {
        return None;
    }
    Some(NameValue {
        name: Spanned::new(text.to_owned(), name),
        value: Spanned::new(String::from_utf8_lossy(value.of(source)).into_owned(), value),
    })
}

/// Reads the value of `# check=`: options separated by `;`, each `skip=A,B`, `experimental=A,B` or `error=bool`.
pub fn parse_check(value: &Spanned<String>) -> (CheckDirective, Vec<Diagnostic>) {
    let mut check = CheckDirective { span: value.span, ..CheckDirective::default() };
    let mut problems = Vec::new();
    for (option, span) in split(&value.value, value.span, ';') {
        let (key, rest) = option.split_once('=').unwrap_or((option, ""));
        let rest_span = Span::new(span.end.saturating_sub(offset(rest.len())), span.end);
        let names =
            || split(rest, rest_span, ',').map(|(name, span)| Spanned::new(name.to_owned(), span)).collect();
        match key.trim().to_ascii_lowercase().as_str() {
            "skip" => check.skip = names(),
            "experimental" => check.experimental = names(),
            "error" => match rest.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "t" => check.error = true,
                "false" | "0" | "f" => check.error = false,
                _ => problems.push(
                    Diagnostic::error("invalid-check", span, "`error` takes `true` or `false`")
                        .help("write `error=true`"),
                ),
            },
            other => {
                let text = format!("unknown option `{other}` of the check directive");
                let help = suggest::did_you_mean(other, ["skip", "error", "experimental"]);
                problems.push(
                    Diagnostic::error("invalid-check", span, text)
                        .help(help.unwrap_or_else(|| "the options are skip, error and experimental".into())),
                );
            }
        }
    }
    (check, problems)
}

/// Splits at `separator` and trims; empty parts are left out.
fn split(text: &str, span: Span, separator: char) -> impl Iterator<Item = (&str, Span)> {
    let mut at = span.start;
    text.split(separator).filter_map(move |part| {
        let start = at + offset(part.len() - part.trim_start().len());
        at = at.saturating_add(offset(part.len() + 1));
        let part = part.trim();
        (!part.is_empty()).then(|| (part, Span::new(start, start + offset(part.len()))))
    })
}
