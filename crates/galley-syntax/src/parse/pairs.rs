//! ENV, LABEL and ARG.

use super::args;
use super::instruction::{Parts, Reader};
use crate::ast::{ArgDeclaration, ArgInstruction, InstructionKind, KeyValue, KeyValueInstruction, Word};
use crate::comment;
use crate::diagnostic::Diagnostic;

impl Reader<'_> {
    /// `key=value...`, or the legacy form with a space, which is chosen where the first word has no `=`.
    pub(super) fn key_values(&mut self, parts: &Parts<'_>) -> Option<KeyValueInstruction> {
        let words = args::quoted_words(&parts.args, self.escape);
        let Some(first) = words.first() else {
            self.missing_arguments(parts, "`key=value`");
            return None;
        };
        if !first.as_str().contains('=') {
            return self.legacy_pair(parts);
        }
        let pairs: Vec<KeyValue> = words.iter().filter_map(|word| self.pair(parts, word)).collect();
        (pairs.len() == words.len()).then_some(KeyValueInstruction { pairs, legacy: false })
    }

    fn legacy_pair(&mut self, parts: &Parts<'_>) -> Option<KeyValueInstruction> {
        let (key, value) = args::split_keyword(&parts.args);
        if value.is_empty() {
            let text = format!("{} gives `{}` no value", parts.keyword, key.as_str());
            self.report(
                Diagnostic::error("missing-value", key.span(), text)
                    .help(format!("write `{0}=value`, or `{0}=` for an empty value", key.as_str())),
            );
            return None;
        }
        let span = key.span().to(value.span());
        let pair = KeyValue { key: Word(key), value: Word(value), span };
        Some(KeyValueInstruction { pairs: vec![pair], legacy: true })
    }

    fn pair(&mut self, parts: &Parts<'_>, word: &Word) -> Option<KeyValue> {
        let text = word.as_str();
        let Some(equals) = text.find('=') else {
            let message = format!("`{text}` has no `=`");
            let problem = Diagnostic::error("missing-equals", word.span(), message);
            self.report(problem.help("write `key=value`; a value with spaces needs quotes"));
            return None;
        };
        if equals == 0 {
            self.blank_name(parts, word);
            return None;
        }
        Some(KeyValue {
            key: Word(word.0.slice(0..equals)),
            value: Word(word.0.slice(equals + 1..text.len())),
            span: word.span(),
        })
    }

    pub(super) fn arg(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        let words = args::quoted_words(&parts.args, self.escape);
        if words.is_empty() {
            self.missing_arguments(parts, "a name, such as `VERSION` or `VERSION=1.0`");
            return None;
        }
        let mut declarations = Vec::new();
        for word in &words {
            let text = word.as_str();
            let equals = text.find('=').unwrap_or(text.len());
            if equals == 0 {
                self.blank_name(parts, word);
                return None;
            }
            if text.starts_with('#') {
                self.comment_in_line(word);
            }
            let name = Word(word.0.slice(0..equals));
            let description = comment::description(parts.comments, name.as_str());
            let default = (equals < text.len()).then(|| Word(word.0.slice(equals + 1..text.len())));
            declarations.push(ArgDeclaration { name, default, span: word.span(), description });
        }
        Some(InstructionKind::Arg(ArgInstruction { args: declarations }))
    }

    fn comment_in_line(&mut self, word: &Word) {
        self.report(
            Diagnostic::warning("comment-in-line", word.span(), "`#` inside a line starts no comment")
                .help("put the comment on a line of its own"),
        );
    }

    fn blank_name(&mut self, parts: &Parts<'_>, word: &Word) {
        let text = format!("{} with an empty name", parts.keyword);
        let problem = Diagnostic::error("blank-name", word.span(), text).help("write a name before `=`");
        self.report(problem);
    }
}
