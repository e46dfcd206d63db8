//! The exec form: a JSON array of strings.

use crate::source_text::{SourceText, SourceTextBuilder};

/// What a text is as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExecForm {
    /// An array of strings, each decoded. The spans are those of the text between the quotes.
    Array(Vec<SourceText>),
    /// Valid JSON, but some element is no string: docker refuses that.
    NotStrings,
    /// No JSON array at all: the text is in shell form.
    NotJson,
}

/// Reads `text` as a JSON array of strings.
pub(super) fn strings(text: &SourceText) -> ExecForm {
    if !text.as_str().trim_start().starts_with('[') {
        return ExecForm::NotJson;
    }
    match serde_json::from_str::<Vec<serde_json::Value>>(text.as_str()) {
        Err(_) => ExecForm::NotJson,
        Ok(values) if !values.iter().all(serde_json::Value::is_string) => ExecForm::NotStrings,
        Ok(_) => ExecForm::Array(elements(text)),
    }
}

/// The strings of a text that is known to be a valid array of strings.
fn elements(text: &SourceText) -> Vec<SourceText> {
    let whole = text.as_str();
    let mut found = Vec::new();
    let mut open: Option<(usize, SourceTextBuilder)> = None;
    let mut chars = whole.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (&mut open, c) {
            (None, '"') => open = Some((at + 1, SourceTextBuilder::default())),
            (None, _) => {}
            (Some(_), '"') => {
                if let Some((start, mut builder)) = open.take() {
                    let inner = text.span_of(start..at);
                    builder.cover(inner);
                    found.push(builder.finish(inner));
                }
            }
            (Some((_, builder)), '\\') => {
                let decoded = escape(whole, &mut chars);
                builder.push_synthetic(&decoded);
            }
            (Some((_, builder)), c) => builder.push_text(text, at..at + c.len_utf8()),
        }
    }
    found
}

type Chars<'a> = std::iter::Peekable<std::str::CharIndices<'a>>;

/// Decodes the escape sequence after a backslash.
fn escape(whole: &str, chars: &mut Chars<'_>) -> String {
    match chars.next() {
        Some((_, 'b')) => "\u{8}".into(),
        Some((_, 'f')) => "\u{C}".into(),
        Some((_, 'n')) => "\n".into(),
        Some((_, 'r')) => "\r".into(),
        Some((_, 't')) => "\t".into(),
        Some((at, 'u')) => {
            let mut units = vec![unit(whole, at, chars)];
            while units.len() == 1 && units.first().is_some_and(|unit| (0xD800..0xDC00).contains(unit)) {
                // A high surrogate: the low one follows as `\uXXXX`.
                chars.next();
                let Some((at, _)) = chars.next() else { break };
                units.push(unit(whole, at, chars));
            }
            String::from_utf16_lossy(&units)
        }
        Some((_, c)) => c.into(),
        None => String::new(),
    }
}

/// The four hexadecimal digits after the `u` at `at`.
fn unit(whole: &str, at: usize, chars: &mut Chars<'_>) -> u16 {
    for _ in 0..4 {
        chars.next();
    }
    whole.get(at + 1..at + 5).and_then(|digits| u16::from_str_radix(digits, 16).ok()).unwrap_or(0xFFFD)
}

/// What a shell-form text should have been, where it looks like an exec form gone wrong: `[./main]`, `['a', 'b']`,
/// `["a" "b"]` or smart quotes. `None` where it looks like a shell's `[` command or like ordinary shell.
pub(super) fn intended(text: &SourceText) -> Option<String> {
    let inner = text.as_str().trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    // `[ -f x ]` and `[[ a ]]` are commands; so is anything joined by shell operators.
    let shell_like = inner.is_empty()
        || inner.starts_with(['-', '[', '!'])
        || inner.contains(['$', '&', '|', ';', '`', '<', '>'])
        || (inner.contains(" = ") || inner.contains("=="));
    if shell_like {
        return None;
    }
    let words: Vec<String> =
        loose_elements(inner).into_iter().map(|word| serde_json::Value::from(word).to_string()).collect();
    (!words.is_empty()).then(|| format!("[{}]", words.join(", ")))
}

/// Elements of something like an array: quoted with any quotes, or bare; separated by commas or blanks.
fn loose_elements(inner: &str) -> Vec<&str> {
    const QUOTES: [char; 6] = ['"', '\'', '“', '”', '‘', '’'];
    let mut found = Vec::new();
    let mut rest = inner;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if rest.is_empty() {
            return found;
        }
        let (word, after) = match rest.strip_prefix(QUOTES) {
            Some(quoted) => quoted.split_once(QUOTES).unwrap_or((quoted, "")),
            None => rest.split_at(rest.find([',', ' ', '\t']).unwrap_or(rest.len())),
        };
        found.push(word);
        rest = after;
    }
}
