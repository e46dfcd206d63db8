//! Lines for a terminal: pieces of text with a meaning, cut to a width. What the meaning looks like is decided when they are written.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Nothing special.
    Plain,
    /// Of less interest.
    Dim,
    /// Being worked on.
    Active,
    /// Went well.
    Good,
    /// Went wrong.
    Bad,
}

/// One line of the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StyledLine {
    pieces: Vec<(Style, String)>,
}

impl StyledLine {
    /// The line with `text` at its end; control characters are dropped, since they would break the screen.
    #[must_use]
    pub fn with(mut self, style: Style, text: impl AsRef<str>) -> Self {
        let text: String = text.as_ref().chars().filter(|character| !character.is_control()).collect();
        if !text.is_empty() {
            self.pieces.push((style, text));
        }
        self
    }

    /// How many columns it takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.width()).sum()
    }

    /// The line cut to `width` columns, with `…` where something is missing.
    #[must_use]
    pub fn cut(self, width: usize) -> Self {
        if self.width() <= width {
            return self;
        }
        let mut left = width.saturating_sub(1);
        let mut cut = Self::default();
        for (style, text) in self.pieces {
            let kept = prefix(&text, left);
            let complete = kept.len() == text.len();
            left -= kept.width();
            cut.pieces.push((style, kept.to_owned()));
            if !complete || left == 0 {
                break;
            }
        }
        if width > 0 {
            cut.pieces.push((Style::Dim, "…".into()));
        }
        cut
    }

    /// The text alone.
    #[must_use]
    pub fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The text with terminal escape sequences, or alone where `color` is off.
    #[must_use]
    pub fn ansi(&self, color: bool) -> String {
        if !color {
            return self.text();
        }
        let code = |style: Style| match style {
            Style::Plain => "",
            Style::Dim => "\x1b[2m",
            Style::Active => "\x1b[36m",
            Style::Good => "\x1b[32m",
            Style::Bad => "\x1b[1;31m",
        };
        let piece = |(style, text): &(Style, String)| match code(*style) {
            "" => text.clone(),
            code => format!("{code}{text}\x1b[0m"),
        };
        self.pieces.iter().map(piece).collect()
    }
}

/// The longest prefix of `text` that fits into `width` columns.
fn prefix(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > width {
            return text.get(..at).unwrap_or("");
        }
    }
    text
}

/// What a line of a program's output would show on a terminal: without escape sequences, after its last carriage return.
#[must_use]
pub fn visible(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or("");
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => skip_escape(&mut characters),
            '\t' => out.push_str("    "),
            control if control.is_control() => {}
            other => out.push(other),
        }
    }
    out
}

/// Skips the rest of an escape sequence (ECMA-48): CSI up to its final byte, OSC up to BEL or ST, else one character.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => {
            characters.find(|character| ('\x40'..='\x7e').contains(character));
        }
        Some(']') => {
            while let Some(character) = characters.next() {
                if character == '\x07' || (character == '\x1b' && characters.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_fits_also_with_wide_characters() {
        let line = StyledLine::default().with(Style::Plain, "料理 ").with(Style::Good, "dish");
        assert_eq!(line.width(), 9);
        for width in 0..12 {
            let cut = line.clone().cut(width);
            assert!(cut.width() <= width, "{width}: {}", cut.text());
        }
        assert_eq!(line.clone().cut(9).text(), "料理 dish");
        assert_eq!(line.cut(7).text(), "料理 d…");
    }

    #[test]
    fn output_is_shown_as_a_terminal_would() {
        assert_eq!(visible(b"10%\r50%\r"), "50%");
        assert_eq!(visible(b"\x1b[1;32mok\x1b[0m\tdone\x07"), "ok    done");
        assert_eq!(visible(b"\x1b]0;title\x07text\x1b]8;;\x1b\\link"), "textlink");
        assert_eq!(visible(b"caf\xff"), "caf\u{fffd}");
        assert_eq!(visible(b"\x1b["), "");
    }
}
