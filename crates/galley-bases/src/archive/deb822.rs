//! Paragraphs of fields (deb822(5)): `Packages`, `Release`, `control`, dpkg's `status`, apt's `.sources`.
//!
//! Nothing is copied: a [`Paragraph`] is a piece of the text, and its fields are found when they are asked for. An index has 60,000 paragraphs
//! of which a build looks at a few hundred fields.

use std::borrow::Cow;

use memchr::memchr;

/// A line that is neither a field, nor the continuation of one, nor a comment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is neither a field nor the continuation of one: `{text}`")]
pub struct MalformedLine {
    /// Counted from 1.
    pub line: usize,
    /// Its beginning.
    pub text: String,
}

/// The paragraphs of a text, in order. Lines that start with `#` are comments.
pub fn paragraphs(text: &str) -> Paragraphs<'_> {
    Paragraphs { rest: text }
}

/// An iterator over paragraphs; see [`paragraphs`].
#[derive(Clone, Debug)]
pub struct Paragraphs<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Paragraph<'a>;

    fn next(&mut self) -> Option<Paragraph<'a>> {
        loop {
            let (paragraph, rest) = split_paragraph(self.rest)?;
            self.rest = rest;
            if Lines(paragraph).any(|line| !is_blank(line) && !line.starts_with('#')) {
                return Some(Paragraph { text: paragraph });
            }
        }
    }
}

/// The text up to the first blank line, and what follows that line.
fn split_paragraph(text: &str) -> Option<(&str, &str)> {
    if text.is_empty() {
        return None;
    }
    if is_blank(Lines(text).next().unwrap_or_default()) {
        let end = memchr(b'\n', text.as_bytes()).map_or(text.len(), |at| at + 1);
        return Some(text.split_at(end));
    }
    let mut end = 0;
    for line in Lines(text) {
        if is_blank(line) {
            break;
        }
        end += line.len() + 1;
    }
    Some(text.split_at(end.min(text.len())))
}

fn is_blank(line: &str) -> bool {
    line.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

/// Lines without their ends; an empty rest is no line.
struct Lines<'a>(&'a str);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.0.as_bytes());
        let (line, rest) = match end {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, ""),
        };
        self.0 = rest;
        Some(line)
    }
}

/// Fields that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paragraph<'a> {
    text: &'a str,
}

impl<'a> Paragraph<'a> {
    /// The paragraph as it was written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The fields in order. Malformed lines are passed over; [`Paragraph::check`] finds them.
    pub fn fields(&self) -> Fields<'a> {
        Fields { rest: self.text }
    }

    /// The value of the first field of this name, whatever its case, as [`Field::value`].
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// Whether every line is a field, the continuation of one, or a comment.
    ///
    /// # Errors
    /// The first line that is not, counted from the paragraph's own first line.
    pub fn check(&self) -> Result<(), MalformedLine> {
        let mut in_field = false;
        for (number, line) in Lines(self.text).enumerate() {
            let continued = in_field && line.starts_with([' ', '\t']);
            if continued || line.starts_with('#') || is_blank(line) {
                continue;
            }
            in_field = split_field(line).is_some();
            if !in_field {
                return Err(MalformedLine { line: number + 1, text: line.chars().take(80).collect() });
            }
        }
        Ok(())
    }
}

/// A name and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// As it was written.
    pub name: &'a str,
    /// From the first character that is no space to the last one, continuation lines and the line ends between them included.
    pub value: &'a str,
}

impl<'a> Field<'a> {
    /// The value's lines, without the spaces around them; comments are left out.
    pub fn lines(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        value_lines(self.value)
    }

    /// The value in one line.
    pub fn folded(&self) -> Cow<'a, str> {
        folded(self.value)
    }
}

/// The lines of a [`Field::value`], without the spaces around them; comments are left out.
pub fn value_lines(value: &str) -> impl Iterator<Item = &str> {
    Lines(value).filter(|line| !line.starts_with('#')).map(str::trim)
}

/// A [`Field::value`] in one line.
pub fn folded(value: &str) -> Cow<'_, str> {
    match value.contains('\n') {
        false => Cow::Borrowed(value),
        true => Cow::Owned(value_lines(value).collect::<Vec<_>>().join(" ")),
    }
}

/// An iterator over fields; see [`Paragraph::fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            self.rest = &self.rest[comments_end(self.rest.as_bytes(), 0)..];
            if self.rest.is_empty() {
                return None;
            }
            let end = field_end(self.rest);
            let (whole, rest) = self.rest.split_at(end);
            self.rest = rest;
            if let Some(field) = split_field(whole) {
                return Some(field);
            }
        }
    }
}

/// Where the field that starts the text ends: at the first line that neither continues it nor is a comment inside of it.
fn field_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    loop {
        match memchr(b'\n', bytes.get(end..).unwrap_or_default()) {
            None => return text.len(),
            Some(at) => end += at + 1,
        }
        let comment_start = end;
        // A comment belongs to the field only where the field goes on behind it.
        end = comments_end(bytes, end);
        if !matches!(bytes.get(end), Some(b' ' | b'\t')) {
            return comment_start;
        }
    }
}

/// Where the comments that start at `at` end.
fn comments_end(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at) == Some(&b'#') {
        at += memchr(b'\n', &bytes[at..]).map_or(bytes.len() - at, |end| end + 1);
    }
    at
}

fn split_field(text: &str) -> Option<Field<'_>> {
    let colon = memchr(b':', text.as_bytes())?;
    let name = &text[..colon];
    let fits = |byte: u8| matches!(byte, b'!'..=b'9' | b';'..=b'~');
    let is_name = !name.is_empty() && name.bytes().all(fits) && !name.starts_with(['#', '-']);
    is_name.then(|| Field { name, value: text[colon + 1..].trim() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Vec<(&str, &str)>> {
        let fields = |paragraph: Paragraph<'static>| paragraph.fields().map(|f| (f.name, f.value)).collect();
        // Leaked so that the table below can be written plainly.
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        paragraphs(text).map(fields).collect()
    }

    #[test]
    fn paragraphs_are_split_at_blank_lines() {
        assert_eq!(all("A: 1\n\nB: 2\n"), [[("A", "1")], [("B", "2")]]);
        assert_eq!(all("\n\n A\nA: 1\n \t\nB: 2"), [vec![("A", "1")], vec![("B", "2")]]);
        assert_eq!(all("A: 1\r\n\r\nB: 2\r\n"), [[("A", "1")], [("B", "2")]]);
        assert_eq!(all("# only a comment\n\n\nA: 1"), [[("A", "1")]]);
        assert!(all("").is_empty() && all("\n \n").is_empty());
    }

    #[test]
    fn values_go_on_in_lines_that_start_with_a_space() {
        let text = "Depends: a,\n b,\n# why\n\tc\nDescription: short\n long\n .\n end\nEmpty:\n";
        let fields = &all(text)[0];
        assert_eq!(fields[0], ("Depends", "a,\n b,\n# why\n\tc"));
        assert_eq!(folded(fields[0].1), "a, b, c");
        assert_eq!(fields[1].1, "short\n long\n .\n end");
        assert_eq!(value_lines(fields[1].1).collect::<Vec<_>>(), ["short", "long", ".", "end"]);
        assert_eq!(fields[2], ("Empty", ""));
    }

    #[test]
    fn names_have_no_case_and_the_first_of_two_counts() {
        let paragraph = paragraphs("Package: a\npackage: b\n").next().unwrap();
        assert_eq!(paragraph.get("PACKAGE"), Some("a"));
        assert_eq!(paragraph.get("Pack"), None);
    }

    #[test]
    fn malformed_lines_are_found() {
        for (text, line) in [
            ("A: 1\nnonsense\n", Some(2)),
            (" continued from nowhere\n", Some(1)),
            (": no name\n", Some(1)),
            ("two words: x\n", Some(1)),
            ("-dash: x\n", Some(1)),
            ("A: 1\n b\n#c\n d\nE:\n", None),
        ] {
            let paragraph = paragraphs(text).next().unwrap();
            assert_eq!(paragraph.check().err().map(|error| error.line), line, "{text:?}");
        }
    }
}
