//! Flags in front of an instruction's arguments: `--name`, `--name=value`, quotes and backslashes as docker reads them.

use crate::ast::{Flag, Word};
use crate::diagnostic::{Diagnostic, Safety};
use crate::source_text::{SourceText, SourceTextBuilder};
use crate::span::{Span, Spanned};
use crate::suggest;

/// How a flag may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagKind {
    /// `--name=value`, once.
    Value,
    /// `--name=value`, any number of times.
    List,
    /// `--name` or `--name=true|false`, once.
    Switch,
}

/// The flags an instruction knows.
pub(super) type Known = &'static [(&'static str, FlagKind)];

/// Splits the flags off the front of `rest`; what remains is trimmed. A lone `--` ends the flags.
pub(super) fn split(rest: &SourceText) -> (Vec<Flag>, SourceText) {
    let mut flags = Vec::new();
    let mut at = 0;
    loop {
        let text = rest.as_str().get(at..).unwrap_or_default();
        let skipped = text.len() - text.trim_start().len();
        let text = text.trim_start();
        if !text.starts_with("--") {
            break;
        }
        let start = at + skipped;
        let (word, len) = flag_word(rest, start);
        at = start + len;
        if word.as_str() == "--" {
            break;
        }
        flags.push(flag(&word, rest.span_of(start..at)));
    }
    (flags, rest.slice(at..rest.len()).trim())
}

/// Reads the flag at byte `start`: its text without quotes and escapes, and its length as written.
fn flag_word(rest: &SourceText, start: usize) -> (SourceText, usize) {
    let text = rest.as_str().get(start..).unwrap_or_default();
    let mut word = SourceTextBuilder::default();
    let mut quote: Option<char> = None;
    let mut len = text.len();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let mut keep = |at: usize, c: char| {
            word.push_text(rest, start + at..start + at + c.len_utf8());
        };
        match quote {
            None if c.is_whitespace() => {
                len = at;
                break;
            }
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            _ if c == '\\' => {
                if let Some((at, c)) = chars.next() {
                    keep(at, c);
                }
            }
            _ => keep(at, c),
        }
    }
    (word.finish(rest.span_of(start..start + len)), len)
}

fn flag(word: &SourceText, span: Span) -> Flag {
    let text = word.as_str();
    let equals = text.find('=').unwrap_or(text.len());
    let name = word.slice(2..equals.max(2));
    let value = (equals < text.len()).then(|| Word(word.slice(equals + 1..text.len())));
    Flag { name: Spanned::new(name.as_str().to_owned(), name.span()), value, span }
}

/// The flags of one instruction, checked against those it knows.
pub(super) struct Flags<'f> {
    flags: &'f [Flag],
}

impl<'f> Flags<'f> {
    /// Checks names, repetitions and the presence of values.
    pub(super) fn check(
        flags: &'f [Flag],
        keyword: &str,
        known: Known,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        for (index, flag) in flags.iter().enumerate() {
            let name = flag.name.value.as_str();
            let Some((_, kind)) = known.iter().find(|(known, _)| *known == name) else {
                diagnostics.push(unknown(flag, keyword, known));
                continue;
            };
            let earlier = flags.iter().take(index).find(|other| other.name.value == name);
            if let (Some(first), FlagKind::Value | FlagKind::Switch) = (earlier, kind) {
                let text = format!("`--{name}` is given twice");
                diagnostics.push(
                    Diagnostic::error("duplicate-flag", flag.span, text)
                        .label(first.span, "the first one")
                        .help("keep one of them"),
                );
            }
            if flag.value.is_none() && *kind != FlagKind::Switch {
                let text = format!("`--{name}` needs a value");
                diagnostics.push(
                    Diagnostic::error("flag-without-value", flag.span, text)
                        .help(format!("write `--{name}=value`, with `=` and no space")),
                );
            }
            if *kind == FlagKind::Switch && switch(flag).is_none() {
                let text = format!("`--{name}` takes `true` or `false`");
                let place = flag.value.as_ref().map_or(flag.span, Word::span);
                let problem = Diagnostic::error("invalid-flag-value", place, text);
                diagnostics.push(problem.help(format!("write `--{name}` or `--{name}=false`")));
            }
        }
        Self { flags }
    }

    /// The value of a flag that stands once.
    pub(super) fn value(&self, name: &str) -> Option<&'f Word> {
        self.list(name).next()
    }

    /// The values of a flag that may be repeated.
    pub(super) fn list<'n>(&self, name: &'n str) -> impl Iterator<Item = &'f Word> + use<'f, 'n> {
        self.flags.iter().filter(move |flag| flag.name.value == name).filter_map(|flag| flag.value.as_ref())
    }

    /// A switch; `None` where it is not given or not a boolean.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.flags.iter().find(|flag| flag.name.value == name).and_then(switch)
    }
}

fn switch(flag: &Flag) -> Option<bool> {
    match flag.value.as_ref().map(Word::as_str) {
        None | Some("") => Some(true),
        Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Some(_) => None,
    }
}

fn unknown(flag: &Flag, keyword: &str, known: Known) -> Diagnostic {
    let name = &flag.name.value;
    let text = format!("{keyword} has no flag `--{name}`");
    let problem = Diagnostic::error("unknown-flag", flag.name.span, text);
    let names = || known.iter().map(|(name, _)| *name);
    if let Some(near) = suggest::nearest(name, names()) {
        let problem = problem.help(format!("did you mean `--{near}`?"));
        // A name with quotes or a line end inside is not replaced as a whole.
        return if flag.name.span.len() == name.len() {
            problem.fix(format!("write `--{near}`"), Safety::Unsafe, flag.name.span, near)
        } else {
            problem
        };
    }
    let list: Vec<String> = names().map(|name| format!("--{name}")).collect();
    if list.is_empty() {
        problem.help(format!("{keyword} takes no flags; in front of the arguments, ` -- ` ends the flags"))
    } else {
        problem.help(format!("the flags of {keyword} are {}", list.join(", ")))
    }
}
