//! Finding `<<NAME` in a command line, and reading the bodies that follow it.

use std::ops::Range;

use super::Parser;
use super::args;
use super::json;
use crate::diagnostic::{Diagnostic, Safety};
use crate::heredoc::Heredoc;
use crate::layout::{LineKind, RawLine};
use crate::source_text::{SourceText, SourceTextBuilder};
use crate::span::{Span, Spanned, offset};

/// `fd<<-"NAME"` in a command line, before its body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operator {
    name: Spanned<String>,
    span: Span,
    fd: u32,
    strip_tabs: bool,
    expand: bool,
}

impl Parser<'_> {
    /// Reads the here-documents that the logical line `text` announces.
    pub(super) fn heredocs(&mut self, text: &SourceText) -> Vec<Heredoc> {
        let Some(arguments) = heredoc_arguments(text) else { return Vec::new() };
        let Some(words) = args::raw_words(arguments.as_str()) else {
            self.diagnostics.push(
                Diagnostic::warning(
                    "heredoc-in-open-quote",
                    arguments.span(),
                    "`<<` is not read as a here-document, because a quote on this line is never closed",
                )
                .help("close the quote, or escape it with a backslash"),
            );
            return Vec::new();
        };
        operators(&arguments, &words).into_iter().map(|operator| self.body(operator)).collect()
    }

    /// Takes lines up to the terminator.
    fn body(&mut self, operator: Operator) -> Heredoc {
        let index = Some(self.instructions.len());
        let mut raw = SourceTextBuilder::default();
        let mut body = SourceTextBuilder::default();
        let mut clean = true;
        let start = self.raw.get(self.at).map_or(offset(self.source.len()), |line| line.full.start);
        let mut end = start;
        let mut near: Option<Span> = None;
        let mut terminator = None;
        while let Some(line) = self.raw.get(self.at).copied() {
            self.at += 1;
            self.check_line(line);
            let tabs = if operator.strip_tabs { leading_tabs(self.source, line) } else { 0 };
            let content = Span::new(line.content.start + tabs, line.content.end);
            if content.of(self.source) == operator.name.value.as_bytes() {
                self.keep(line, LineKind::HeredocEnd, index);
                terminator = Some(line.content);
                break;
            }
            if content.of(self.source).trim_ascii() == operator.name.value.as_bytes() {
                near.get_or_insert(line.content);
            }
            self.keep(line, LineKind::HeredocBody, index);
            clean &= raw.push_bytes(self.source, line.full);
            body.push_bytes(self.source, Span::new(line.full.start + tabs, line.full.end));
            end = line.full.end;
        }
        if terminator.is_none() {
            self.report_unterminated(&operator, near);
        }
        if !clean {
            self.report_not_utf8(Span::new(start, end));
        }
        let all = Span::new(start, end);
        Heredoc {
            name: operator.name,
            operator: operator.span,
            fd: operator.fd,
            strip_tabs: operator.strip_tabs,
            expand: operator.expand,
            raw: raw.finish(all),
            body: body.finish(all),
            terminator: terminator.unwrap_or(Span::at(end)),
        }
    }

    fn report_unterminated(&mut self, operator: &Operator, near: Option<Span>) {
        let name = &operator.name.value;
        let text = format!("the here-document `{name}` is never ended");
        let mut problem = Diagnostic::error("unterminated-heredoc", operator.span, text);
        problem = match near {
            Some(line) => problem
                .label(line, "this line has white space beside the name")
                .help(format!("the last line must be `{name}` and nothing else"))
                .fix(format!("write `{name}` alone on the line"), Safety::Unsafe, line, name.clone()),
            None => problem.help(format!("end it with a line that is just `{name}`")),
        };
        self.diagnostics.push(problem);
    }
}

fn leading_tabs(source: &[u8], line: RawLine) -> u32 {
    offset(line.content.of(source).iter().take_while(|byte| **byte == b'\t').count())
}

/// The arguments of an instruction that may announce here-documents: RUN, COPY or ADD, or ONBUILD with one of these,
/// with `<<` somewhere and not in exec form.
fn heredoc_arguments(text: &SourceText) -> Option<SourceText> {
    if !text.as_str().contains("<<") {
        return None;
    }
    let (mut keyword, mut rest) = args::split_keyword(text);
    if keyword.as_str().eq_ignore_ascii_case("ONBUILD") {
        (keyword, rest) = args::split_keyword(&rest);
    }
    let takes_heredocs =
        ["RUN", "COPY", "ADD"].iter().any(|name| keyword.as_str().eq_ignore_ascii_case(name));
    if !takes_heredocs {
        return None;
    }
    let (_, arguments) = super::flags::split(&rest);
    (!matches!(json::strings(&arguments), json::ExecForm::Array(_))).then_some(arguments)
}

/// All operators among the words of a command line.
fn operators(arguments: &SourceText, words: &[Range<usize>]) -> Vec<Operator> {
    let text = |range: &Range<usize>| arguments.as_str().get(range.clone()).unwrap_or_default();
    let mut found = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let bare = text(word).trim_start_matches(|c: char| c.is_ascii_digit());
        let name = words.peek().filter(|next| matches!(bare, "<<" | "<<-") && is_name(text(next)));
        let range = name.map_or(word.clone(), |name| word.start..name.end);
        found.extend(operator(&arguments.slice(range)));
    }
    found
}

/// True for a word that names a here-document after `<<` and a space; `2))` in `$((1 << 2))` does not.
fn is_name(word: &str) -> bool {
    let plain = word.trim_matches(['"', '\'', '\\']);
    plain.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && plain.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Reads `[fd]<<[-]NAME`, white space before the name allowed; a text with another `<` in it, or more words, is none.
pub(super) fn operator(word: &SourceText) -> Option<Operator> {
    let text = word.as_str();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (fd, rest) = text.split_at_checked(digits)?;
    let rest = rest.strip_prefix("<<")?;
    let (strip_tabs, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    let rest = rest.trim_start();
    if rest.contains('<') || args::raw_words(rest)?.len() != 1 {
        return None;
    }
    let name = args::unquote(rest)?;
    if name.is_empty() {
        return None;
    }
    let expand = name == rest;
    let name = Spanned::new(name, word.span_of(text.len() - rest.len()..text.len()));
    Some(Operator { name, span: word.span(), fd: fd.parse().unwrap_or(0), strip_tabs, expand })
}
