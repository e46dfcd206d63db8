//! Reads a word character by character, building its value.

use super::{ExpandError, Expanded, Lookup, VariableUse, pattern};
use crate::source_text::SourceText;

/// How deep `${a:-${b:-...}}` may nest.
const DEEPEST: usize = 64;

/// What quotes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// They quote, and are removed.
    Removed,
    /// They are ordinary characters.
    Kept,
}

/// The state of an expansion.
pub(super) struct Lexer<'a> {
    source: &'a SourceText,
    chars: Vec<(usize, char)>,
    at: usize,
    escape: char,
    quotes: Quotes,
    lookup: &'a Lookup<'a>,
    used: Vec<VariableUse>,
    depth: usize,
}

/// Text under construction, and the same text split into words.
#[derive(Default)]
struct Output {
    text: String,
    words: Vec<String>,
    /// The word in progress; `Some("")` is an empty quoted word.
    word: Option<String>,
}

impl Output {
    /// Adds text that is split at white space.
    fn split(&mut self, text: &str) {
        for c in text.chars() {
            self.text.push(c);
            if c.is_whitespace() {
                self.words.extend(self.word.take());
            } else {
                self.word.get_or_insert_default().push(c);
            }
        }
    }

    /// Adds text that stays in one word; also an empty one makes a word.
    fn whole(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.get_or_insert_default().push_str(text);
    }
}

/// A modifier after a variable's name: its sign, and whether a colon stands before it.
#[derive(Clone, Copy)]
struct Modifier {
    sign: char,
    colon: bool,
}

type Result<T> = std::result::Result<T, ExpandError>;

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a SourceText, escape: char, quotes: Quotes, lookup: &'a Lookup<'a>) -> Self {
        let chars = source.as_str().char_indices().collect();
        Self { source, chars, at: 0, escape, quotes, lookup, used: Vec::new(), depth: 0 }
    }

    pub(super) fn expand(mut self) -> Result<Expanded> {
        let mut output = self.until(None, false)?;
        output.words.extend(output.word.take());
        Ok(Expanded { text: output.text, words: output.words, used: self.used })
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).map(|(_, c)| *c)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    /// Byte offset of the character at index `at`.
    fn byte(&self, at: usize) -> usize {
        self.chars.get(at).map_or(self.source.len(), |(byte, _)| *byte)
    }

    fn error(&self, from: usize, message: impl Into<String>, help: Option<&str>) -> ExpandError {
        let span = self.source.span_of(self.byte(from)..self.byte(self.at));
        ExpandError { message: message.into(), span, help: help.map(str::to_owned) }
    }

    /// Reads up to `stop` (taken) or the end. With `raw_escapes` escapes stay, for patterns.
    fn until(&mut self, stop: Option<char>, raw_escapes: bool) -> Result<Output> {
        let start = self.at;
        let mut output = Output::default();
        while let Some(c) = self.peek() {
            if Some(c) == stop {
                self.at += 1;
                return Ok(output);
            }
            match c {
                '\'' if self.quotes == Quotes::Removed => {
                    let text = self.single_quoted()?;
                    output.whole(&text);
                }
                '"' if self.quotes == Quotes::Removed => {
                    let text = self.double_quoted()?;
                    output.whole(&text);
                }
                '$' => {
                    let text = self.dollar()?;
                    output.split(&text);
                }
                c if c == self.escape => {
                    self.at += 1;
                    if raw_escapes {
                        output.whole(c.encode_utf8(&mut [0; 4]));
                    }
                    if let Some(next) = self.next() {
                        output.whole(next.encode_utf8(&mut [0; 4]));
                    }
                }
                c => {
                    self.at += 1;
                    output.split(c.encode_utf8(&mut [0; 4]));
                }
            }
        }
        match stop {
            Some(_) => Err(self.error(start, "`${` is never closed", Some("add the missing `}`"))),
            None => Ok(output),
        }
    }

    fn single_quoted(&mut self) -> Result<String> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.next() {
                Some('\'') => return Ok(text),
                Some(c) => text.push(c),
                None => {
                    let help = "close it, or put an escape character before it";
                    return Err(self.error(start, "a single quote is never closed", Some(help)));
                }
            }
        }
    }

    fn double_quoted(&mut self) -> Result<String> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                Some('"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some('$') => text.push_str(&self.dollar()?),
                Some(c) => {
                    self.at += 1;
                    // Only these can be escaped; before anything else the escape character is itself.
                    let escapable = |next: char| next == '"' || next == '$' || next == self.escape;
                    match self.peek() {
                        Some(next) if c == self.escape && escapable(next) => {
                            self.at += 1;
                            text.push(next);
                        }
                        _ => text.push(c),
                    }
                }
                None => {
                    let help = "close it, or put an escape character before it";
                    return Err(self.error(start, "a double quote is never closed", Some(help)));
                }
            }
        }
    }

    /// Reads `$name` or `${...}`.
    fn dollar(&mut self) -> Result<String> {
        let start = self.at;
        self.at += 1;
        if self.peek() != Some('{') {
            let name = self.name();
            return Ok(if name.is_empty() {
                "$".to_owned()
            } else {
                self.variable(start, &name, false).unwrap_or_default()
            });
        }
        self.at += 1;
        if self.depth >= DEEPEST {
            return Err(self.error(start, format!("variables are nested more than {DEEPEST} deep"), None));
        }
        self.depth += 1;
        let result = self.braced(start);
        self.depth -= 1;
        result
    }

    /// Reads what follows `${`.
    fn braced(&mut self, start: usize) -> Result<String> {
        if matches!(self.peek(), Some('{' | '}' | ':')) {
            self.at += 1;
            return Err(self.error(start, "`${` is not followed by a name", Some("write `${name}`")));
        }
        let name = self.name();
        let Some(mut sign) = self.next() else {
            return Err(self.error(start, "`${` is never closed", Some("add the missing `}`")));
        };
        let colon = sign == ':';
        if colon {
            let Some(next) = self.next() else {
                return Err(self.error(start, "`${` is never closed", Some("add the missing `}`")));
            };
            sign = next;
        }
        match sign {
            '}' if !colon => Ok(self.variable(start, &name, false).unwrap_or_default()),
            '+' | '-' | '?' => self.conditional(start, &name, Modifier { sign, colon }),
            '#' | '%' if !colon => self.trimmed(start, &name, sign),
            '/' if !colon => self.replaced(start, &name),
            _ => {
                let colon = if colon { ":" } else { "" };
                let text = format!("`{colon}{sign}` is no modifier of a variable");
                let help = "the modifiers are :- - :+ + :? ? # ## % %% / and //";
                Err(self.error(start, text, Some(help)))
            }
        }
    }

    fn conditional(&mut self, start: usize, name: &str, modifier: Modifier) -> Result<String> {
        let word = self.until(Some('}'), false)?.text;
        let value = self.variable(start, name, true);
        let missing = match &value {
            None => true,
            Some(value) => modifier.colon && value.is_empty(),
        };
        match (modifier.sign, missing) {
            ('+', true) => Ok(String::new()),
            ('+', false) | ('-', true) => Ok(word),
            ('?', true) => {
                let state = if value.is_none() { "unset" } else { "empty" };
                let reason = if word.is_empty() { format!("is {state}") } else { word };
                Err(self.error(start, format!("{name}: {reason}"), Some("give it a value with --build-arg")))
            }
            _ => Ok(value.unwrap_or_default()),
        }
    }

    fn trimmed(&mut self, start: usize, name: &str, sign: char) -> Result<String> {
        let longest = self.peek() == Some(sign);
        if longest {
            self.at += 1;
        }
        let from = self.at;
        let word = self.until(Some('}'), true)?.text;
        let value = self.variable(start, name, false).unwrap_or_default();
        let glob = self.glob(from, &word)?;
        let kept =
            if sign == '#' { glob.trim_prefix(&value, longest) } else { glob.trim_suffix(&value, longest) };
        Ok(kept.to_owned())
    }

    fn replaced(&mut self, start: usize, name: &str) -> Result<String> {
        let all = self.peek() == Some('/');
        if all {
            self.at += 1;
        }
        let from = self.at;
        let word = self.until(Some('/'), true).map_err(|mut error| {
            error.message = "a replacement needs a second `/`".to_owned();
            error.help = Some("write `${name/pattern/replacement}`".to_owned());
            error
        })?;
        let replacement = self.until(Some('}'), true)?.text;
        let value = self.variable(start, name, false).unwrap_or_default();
        let glob = self.glob(from, &word.text)?;
        Ok(glob.replace(&value, &replacement, all))
    }

    fn glob(&self, from: usize, text: &str) -> Result<pattern::Glob> {
        pattern::Glob::parse(text, self.escape).map_err(|c| {
            let text = format!("`{}{c}` escapes nothing in a pattern", self.escape);
            self.error(from, text, Some("only * ? / } and the escape character can be escaped"))
        })
    }

    /// A name: letters, digits and `_`; or only digits; or one of the shell's special parameters.
    fn name(&mut self) -> String {
        let mut name = String::new();
        if let Some(c @ ('@' | '*' | '#' | '?' | '-' | '$' | '!')) = self.peek() {
            self.at += 1;
            return c.to_string();
        }
        let digits = self.peek().is_some_and(char::is_numeric);
        while let Some(c) = self.peek() {
            let fits = if digits { c.is_numeric() } else { c.is_alphanumeric() || c == '_' };
            if !fits {
                break;
            }
            self.at += 1;
            name.push(c);
        }
        name
    }

    /// The value of a variable; notes the use, which began at index `start` and ends here.
    fn variable(&mut self, start: usize, name: &str, guarded: bool) -> Option<String> {
        let value = (self.lookup)(name);
        let span = self.source.span_of(self.byte(start)..self.byte(self.at));
        self.used.push(VariableUse { name: name.to_owned(), span, defined: value.is_some(), guarded });
        value
    }
}
