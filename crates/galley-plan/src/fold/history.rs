//! How instructions read in an image's history: with the values they had.

use galley_syntax::SourceText;

/// Strings as docker shows an exec form: `["node" "server.js"]`.
pub(super) fn quoted<S: AsRef<str>>(items: &[S]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("\"{}\"", escaped(item.as_ref()))).collect();
    format!("[{}]", items.join(" "))
}

/// Strings as docker shows a list of plain values: `[80/tcp 443/tcp]`.
pub(super) fn listed<S: AsRef<str>>(items: &[S]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("[{}]", items.join(" "))
}

/// `keyword`, and the text of the instruction behind the keyword it was written with.
pub(super) fn as_written(keyword: &str, text: &SourceText, written: &str) -> String {
    format!("{keyword}{}", text.as_str().get(written.len()..).unwrap_or_default())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out
}
