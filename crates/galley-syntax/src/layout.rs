//! The lossless side of a parsed file: its physical lines, what each is, and every byte of it.

use crate::span::{Span, offset};

/// What a physical line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineKind {
    /// A parser directive.
    Directive,
    /// A comment between instructions.
    Comment,
    /// Nothing but white space, between instructions.
    Blank,
    /// The first line of an instruction.
    Instruction,
    /// A further line of an instruction.
    Continuation,
    /// A comment between the lines of an instruction; not part of its text.
    ContinuationComment,
    /// An empty line between the lines of an instruction.
    ContinuationBlank,
    /// A line of a here-document's body.
    HeredocBody,
    /// The line that ends a here-document.
    HeredocEnd,
}

/// One physical line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line {
    /// All of the line, byte order mark and line end included; the lines of a file follow each other without a gap.
    pub span: Span,
    /// What it is.
    pub kind: LineKind,
    /// The instruction it belongs to, as an index into [`crate::Parsed::instructions`].
    pub instruction: Option<usize>,
}

/// A line as read, before it is known what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawLine {
    /// With byte order mark and line end.
    pub(crate) full: Span,
    /// Without them; all carriage returns at the end are dropped, as docker does.
    pub(crate) content: Span,
}

/// Splits a file into lines; the last may lack a line end, and an empty file has none.
pub(crate) fn split_lines(source: &[u8]) -> Vec<RawLine> {
    const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
    let mut at = 0;
    source
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            let mark = if at == 0 && line.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            let kept =
                line.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
            let full = Span::new(offset(at), offset(at + line.len()));
            let content = Span::new(offset(at + mark), offset(at + kept.max(mark)));
            at += line.len();
            RawLine { full, content }
        })
        .collect()
}

/// White space as docker trims it at the start of lines.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)
}

/// `span` without white space at its start.
pub(crate) fn trim_start(source: &[u8], span: Span) -> Span {
    let skip = span.of(source).iter().take_while(|byte| is_space(**byte)).count();
    Span::new(span.start + offset(skip), span.end)
}

/// `span` without white space at either end.
pub(crate) fn trim(source: &[u8], span: Span) -> Span {
    let span = trim_start(source, span);
    let drop = span.of(source).iter().rev().take_while(|byte| is_space(**byte)).count();
    Span::new(span.start, span.end - offset(drop))
}

/// Where a line goes on in the next one: the span of the escape character that is its last byte but for blanks. An
/// escape character in front of it makes it an ordinary character.
pub(crate) fn continuation(source: &[u8], content: Span, escape: u8) -> Option<Span> {
    let bytes = content.of(source);
    let last = bytes.iter().rposition(|byte| !matches!(byte, b' ' | b'\t'))?;
    if bytes.get(last) != Some(&escape) {
        return None;
    }
    let escaped = last.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&escape);
    let at = content.start + offset(last);
    (!escaped).then(|| Span::new(at, at + 1))
}
