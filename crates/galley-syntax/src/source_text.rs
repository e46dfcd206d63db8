//! Text as the language sees it (lines joined, comments dropped, quotes of flags removed) with the way back to the
//! bytes of the file. Everything that later reports or edits a place inside an instruction goes through this map.

use std::ops::Range;

use crate::span::{Span, offset};

/// A run of text bytes that stand in the file in the same order, one to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Piece {
    text: u32,
    file: u32,
    len: u32,
}

impl Piece {
    fn text_end(self) -> u32 {
        self.text + self.len
    }
}

/// Text taken from a file, with a map from each of its bytes to the byte it came from.
///
/// Most texts are one verbatim run. A text that crosses a line continuation has a gap in the file; a text from which
/// an escape was decoded has bytes that stand nowhere in the file (they have no mapping). Bytes that are not UTF-8
/// appear as U+FFFD without a mapping; the parser reports them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct SourceText {
    text: String,
    pieces: Vec<Piece>,
    span: Span,
}

impl SourceText {
    /// A text that does not stand in the file (a default, an ONBUILD trigger of an image), pinned to `span`.
    pub fn synthetic(text: impl Into<String>, span: Span) -> Self {
        Self { text: text.into(), pieces: Vec::new(), span }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Length of the text in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// True where the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The smallest span of the file that covers the text, gaps included.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// The file offset of the byte at `at`; `None` for a byte that stands nowhere in the file.
    #[must_use]
    pub fn file_offset(&self, at: usize) -> Option<u32> {
        let at = offset(at);
        let index = self.pieces.partition_point(|piece| piece.text_end() <= at);
        let piece = self.pieces.get(index)?;
        (piece.text <= at).then(|| piece.file + (at - piece.text))
    }

    /// The span of the file behind `range` of the text: from its first mapped byte to its last, gaps between included.
    /// A range with no mapped byte gives an empty span beside the nearest mapped byte before it.
    #[must_use]
    pub fn span_of(&self, range: Range<usize>) -> Span {
        let (start, end) = (offset(range.start), offset(range.end));
        let first = self.pieces.partition_point(|piece| piece.text_end() <= start);
        let touching = self.pieces.iter().skip(first).take_while(|piece| piece.text < end);
        let mut hull: Option<Span> = None;
        for piece in touching {
            let from = start.max(piece.text) - piece.text;
            let to = end.min(piece.text_end()) - piece.text;
            let part = Span::new(piece.file + from, piece.file + to);
            hull = Some(hull.map_or(part, |span| span.to(part)));
        }
        hull.unwrap_or_else(|| Span::at(self.insertion_point(start)))
    }

    /// Where text inserted before byte `at` would go in the file.
    fn insertion_point(&self, at: u32) -> u32 {
        let after = self.pieces.partition_point(|piece| piece.text_end() < at);
        match self.pieces.get(after) {
            Some(piece) => piece.file + at.saturating_sub(piece.text).min(piece.len),
            None if self.pieces.is_empty() => self.span.start,
            None => self.span.end,
        }
    }

    /// The part `range` of the text with its part of the map; an impossible range gives an empty text.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> SourceText {
        let text = self.text.get(range.clone()).unwrap_or_default();
        let (start, end) = (offset(range.start), offset(range.end));
        let first = self.pieces.partition_point(|piece| piece.text_end() <= start);
        let pieces = self
            .pieces
            .iter()
            .skip(first)
            .take_while(|piece| piece.text < end && start < end)
            .map(|piece| {
                let from = start.max(piece.text);
                let to = end.min(piece.text_end());
                Piece { text: from - start, file: piece.file + (from - piece.text), len: to - from }
            })
            .collect();
        SourceText { text: text.to_owned(), pieces, span: self.span_of(range) }
    }

    /// The text without white space at either end.
    #[must_use]
    pub fn trim(&self) -> SourceText {
        let start = self.text.len() - self.text.trim_start().len();
        self.slice(start..start + self.text.trim().len())
    }

    /// The mapped runs: a range of the text, and the span of the file with the same bytes.
    pub fn runs(&self) -> impl Iterator<Item = (Range<usize>, Span)> + '_ {
        self.pieces.iter().map(|piece| {
            (
                piece.text as usize..piece.text_end() as usize,
                Span::new(piece.file, piece.file.saturating_add(piece.len)),
            )
        })
    }

    /// True where the file has exactly these bytes in one run, so that an edit of [`Self::span`] replaces the text.
    #[must_use]
    pub fn is_verbatim(&self) -> bool {
        match self.pieces.as_slice() {
            [] => self.text.is_empty(),
            [piece] => piece.len as usize == self.text.len(),
            _ => false,
        }
    }
}

/// Puts a [`SourceText`] together from parts of the file and of other texts.
#[derive(Debug, Default)]
pub(crate) struct SourceTextBuilder {
    text: String,
    pieces: Vec<Piece>,
    hull: Option<Span>,
}

impl SourceTextBuilder {
    /// Appends `span` of the file; bytes that are not UTF-8 become U+FFFD. True where all of it was UTF-8.
    pub(crate) fn push_bytes(&mut self, source: &[u8], span: Span) -> bool {
        self.cover(span);
        let mut at = span.start;
        let mut clean = true;
        for chunk in span.of(source).utf8_chunks() {
            self.push_piece(chunk.valid(), at);
            at += offset(chunk.valid().len());
            if !chunk.invalid().is_empty() {
                self.text.push(char::REPLACEMENT_CHARACTER);
                at += offset(chunk.invalid().len());
                clean = false;
            }
        }
        clean
    }

    /// Appends a part of another text, with its map.
    pub(crate) fn push_text(&mut self, from: &SourceText, range: Range<usize>) {
        let part = from.slice(range);
        self.cover(part.span);
        let mut copied = 0;
        for (run, span) in part.runs() {
            self.text.push_str(part.text.get(copied..run.start).unwrap_or_default());
            self.push_piece(part.text.get(run.clone()).unwrap_or_default(), span.start);
            copied = run.end;
        }
        self.text.push_str(part.text.get(copied..).unwrap_or_default());
    }

    /// Appends text that stands nowhere in the file.
    pub(crate) fn push_synthetic(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Extends the span without adding text.
    pub(crate) fn cover(&mut self, span: Span) {
        self.hull = Some(self.hull.map_or(span, |hull| hull.to(span)));
    }

    /// The finished text; without any part its span is `fallback`.
    pub(crate) fn finish(self, fallback: Span) -> SourceText {
        SourceText { text: self.text, pieces: self.pieces, span: self.hull.unwrap_or(fallback) }
    }

    fn push_piece(&mut self, text: &str, file: u32) {
        if text.is_empty() {
            return;
        }
        let start = offset(self.text.len());
        let len = offset(text.len());
        self.text.push_str(text);
        match self.pieces.last_mut() {
            Some(last) if last.text_end() == start && last.file + last.len == file => last.len += len,
            _ => self.pieces.push(Piece { text: start, file, len }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_part_has_no_runs() {
        let mut builder = SourceTextBuilder::default();
        builder.push_bytes(b"FROM x", Span::new(0, 6));
        let text = builder.finish(Span::default());
        for range in [3..3, 6..6, 0..0] {
            let part = text.slice(range.clone());
            assert_eq!(
                (part.as_str(), part.runs().count(), part.span()),
                ("", 0, Span::at(offset(range.start)))
            );
        }
    }
}
