//! Splitting the text of an instruction into keyword and words, in the several ways docker does it.

use std::ops::Range;

use crate::ast::Word;
use crate::source_text::SourceText;

/// The white space docker splits keywords and plain words at; other Unicode spaces belong to words.
fn is_separator(c: char) -> bool {
    matches!(c, '\t' | '\x0B' | '\x0C' | '\r' | ' ')
}

/// The keyword, and what follows it, trimmed.
pub(super) fn split_keyword(text: &SourceText) -> (SourceText, SourceText) {
    let text = text.trim();
    let end = text.as_str().find(is_separator).unwrap_or(text.len());
    (text.slice(0..end), text.slice(end..text.len()).trim())
}

/// Splits at white space alone; quotes mean nothing. For FROM, EXPOSE, COPY, ADD and VOLUME.
pub(super) fn plain_words(text: &SourceText) -> Vec<Word> {
    let whole = text.as_str();
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in whole.char_indices() {
        match (is_separator(c), start) {
            (true, Some(from)) => {
                words.push(Word(text.slice(from..at)));
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    words.extend(start.map(|from| Word(text.slice(from..whole.len()))));
    words
}

/// Splits at white space outside of quotes, for ENV, LABEL and ARG; quotes and escapes stay in the words. A quote that
/// is never closed takes the rest of the line: expansion reports it.
pub(super) fn quoted_words(text: &SourceText, escape: char) -> Vec<Word> {
    scan_words(text.as_str(), escape).ranges.into_iter().map(|range| Word(text.slice(range))).collect()
}

/// Splits a command line at white space outside of quotes, as docker does to find here-documents: the escape character
/// is always the backslash. `None` where a quote is never closed.
pub(super) fn raw_words(text: &str) -> Option<Vec<Range<usize>>> {
    let scanned = scan_words(text, '\\');
    (!scanned.open_quote).then_some(scanned.ranges)
}

struct Scanned {
    ranges: Vec<Range<usize>>,
    open_quote: bool,
}

fn scan_words(text: &str, escape: char) -> Scanned {
    let mut ranges = Vec::new();
    let mut start: Option<usize> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            ranges.extend(start.take().map(|from| from..at));
            continue;
        }
        start.get_or_insert(at);
        match quote {
            Some(open) if c == open => quote = None,
            // Nothing can be escaped inside single quotes.
            Some('\'') => {}
            _ if c == escape => {
                chars.next();
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            _ => {}
        }
    }
    ranges.extend(start.map(|from| from..text.len()));
    Scanned { ranges, open_quote: quote.is_some() }
}

/// A word without its quotes and backslashes, variables left alone; `None` where a quote is never closed.
pub(super) fn unquote(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match quote {
            Some(open) if c == open => quote = None,
            Some('"') if c == '\\' => match chars.peek() {
                Some('"' | '$' | '\\') => out.extend(chars.next()),
                _ => out.push(c),
            },
            Some(_) => out.push(c),
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == '\\' => out.extend(chars.next()),
            None => out.push(c),
        }
    }
    quote.is_none().then_some(out)
}
