//! From the text of one instruction to its typed form.

use super::flags::{FlagKind, Flags, Known};
use super::{args, flags, json};
use crate::ast::{Flag, FromInstruction, Instruction, InstructionKind, StageAlias, Word};
use crate::comment::{self, Comment};
use crate::diagnostic::{Diagnostic, Safety};
use crate::heredoc::Heredoc;
use crate::source_text::SourceText;
use crate::span::{Span, Spanned};
use crate::suggest;

/// Every instruction of the language.
const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

const FROM_FLAGS: Known = &[("platform", FlagKind::Value)];
const NO_FLAGS: Known = &[];

/// Reads instructions; collects what is wrong with them.
pub(super) struct Reader<'p> {
    pub(super) escape: char,
    pub(super) diagnostics: &'p mut Vec<Diagnostic>,
}

/// The parts of an instruction before its arguments are understood.
pub(super) struct Parts<'i> {
    /// In capitals.
    pub(super) keyword: &'static str,
    pub(super) keyword_span: Span,
    pub(super) flags: &'i [Flag],
    pub(super) args: SourceText,
    pub(super) heredocs: &'i [Heredoc],
    pub(super) comments: &'i [Comment],
    /// Of the whole instruction.
    pub(super) span: Span,
}

impl Reader<'_> {
    /// Reads the instruction with the logical line `text`, which ends at `end` of the file.
    pub(super) fn read(
        &mut self,
        text: &SourceText,
        end: u32,
        heredocs: Vec<Heredoc>,
        comments: Vec<Comment>,
    ) -> Instruction {
        let (keyword, rest) = args::split_keyword(text);
        let canonical = keyword.as_str().to_ascii_uppercase();
        let span = Span::new(text.span().start, end.max(text.span().end));
        let known = KEYWORDS.into_iter().find(|known| *known == canonical);
        let (flags, args) = flags::split(&rest);
        let kind = match known {
            None => {
                self.unknown_keyword(&keyword);
                InstructionKind::Invalid
            }
            Some(name) => {
                let parts = Parts {
                    keyword: name,
                    keyword_span: keyword.span(),
                    flags: &flags,
                    args,
                    heredocs: &heredocs,
                    comments: &comments,
                    span,
                };
                self.kind(&parts).unwrap_or(InstructionKind::Invalid)
            }
        };
        let keyword = Spanned::new(keyword.as_str().to_owned(), keyword.span());
        Instruction { span, keyword, comments, flags, heredocs, text: text.clone(), kind }
    }

    fn unknown_keyword(&mut self, keyword: &SourceText) {
        let word = keyword.as_str();
        if word.is_empty() {
            let text = "a continuation with nothing to continue";
            let problem = Diagnostic::error("empty-instruction", keyword.span(), text);
            self.report(problem.help("delete the continuation character"));
            return;
        }
        let shown: String = word.chars().take(40).collect();
        let text = format!("unknown instruction `{shown}`");
        let mut problem = Diagnostic::error("unknown-instruction", keyword.span(), text);
        let first = word.split(|c: char| c.is_whitespace() || c == '\u{FEFF}').next().unwrap_or_default();
        if first.len() < word.len() && KEYWORDS.iter().any(|known| first.eq_ignore_ascii_case(known)) {
            problem = problem.help("the space after the keyword is not an ordinary one; type it anew");
        } else if let Some(near) = suggest::nearest(word, KEYWORDS) {
            problem = problem.help(format!("did you mean `{near}`?"));
            if keyword.is_verbatim() {
                problem = problem.fix(format!("write `{near}`"), Safety::Unsafe, keyword.span(), near);
            }
        } else {
            let help = "if this line belongs to the instruction above, end that line with a continuation";
            problem = problem.help(help);
        }
        self.report(problem);
    }

    /// The typed form; `None` where an error was reported that leaves nothing to work with.
    pub(super) fn kind(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        match parts.keyword {
            "FROM" => self.from(parts),
            "RUN" => self.run(parts),
            "COPY" => self.copy(parts),
            "ADD" => self.add(parts),
            "HEALTHCHECK" => self.healthcheck(parts),
            "ONBUILD" => self.onbuild(parts),
            _ => {
                Flags::check(parts.flags, parts.keyword, NO_FLAGS, self.diagnostics);
                self.kind_without_flags(parts)
            }
        }
    }

    fn kind_without_flags(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        match parts.keyword {
            "ENV" => Some(InstructionKind::Env(self.key_values(parts)?)),
            "LABEL" => Some(InstructionKind::Label(self.key_values(parts)?)),
            "ARG" => self.arg(parts),
            "CMD" => Some(InstructionKind::Cmd(self.command(parts)?)),
            "ENTRYPOINT" => Some(InstructionKind::Entrypoint(self.command(parts)?)),
            "SHELL" => self.shell(parts),
            "WORKDIR" => Some(InstructionKind::Workdir(self.one_word(parts, "a path")?)),
            "USER" => {
                Some(InstructionKind::User(self.one_word(parts, "a user, such as `app` or `1000:1000`")?))
            }
            "STOPSIGNAL" => {
                Some(InstructionKind::Stopsignal(self.one_word(parts, "a signal, such as `SIGTERM`")?))
            }
            "MAINTAINER" => Some(InstructionKind::Maintainer(self.one_word(parts, "a name")?.0)),
            "EXPOSE" => self.expose(parts),
            "VOLUME" => self.volume(parts),
            // `kind` takes the other keywords, and `read` admits no further ones.
            _ => None,
        }
    }

    /// Adds a finding.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Reports that arguments are missing.
    pub(super) fn missing_arguments(&mut self, parts: &Parts<'_>, what: &str) {
        let text = format!("{} has no arguments", parts.keyword);
        self.report(
            Diagnostic::error("missing-arguments", parts.keyword_span, text)
                .help(format!("write {what} after it")),
        );
    }

    /// The arguments as one word with its spaces.
    fn one_word(&mut self, parts: &Parts<'_>, what: &str) -> Option<Word> {
        if parts.args.is_empty() {
            self.missing_arguments(parts, what);
            return None;
        }
        Some(Word(parts.args.clone()))
    }

    fn expose(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        let words = args::plain_words(&parts.args);
        if words.is_empty() {
            self.missing_arguments(parts, "ports, such as `8080` or `53/udp`");
            return None;
        }
        let raw = ['$', '"', '\'', self.escape];
        for word in words.iter().filter(|word| !word.as_str().contains(raw)) {
            self.check_port(word);
        }
        Some(InstructionKind::Expose(words))
    }

    fn check_port(&mut self, word: &Word) {
        let help = "write PORT, PORT/tcp, PORT/udp or a range such as 8000-8010";
        match crate::port::parse(word.as_str()) {
            Err(error) => {
                self.report(Diagnostic::error("invalid-port", word.span(), error.to_string()).help(help));
            }
            Ok(range) if range.has_host_part => {
                let text = format!("EXPOSE ignores the host part of `{}`", word.as_str());
                self.report(Diagnostic::warning("expose-host-part", word.span(), text).help(help));
            }
            Ok(_) => {}
        }
    }

    fn volume(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        let words = self.words_or_strings(parts)?;
        if words.is_empty() {
            self.missing_arguments(parts, "paths");
            return None;
        }
        for word in words.iter().filter(|word| word.as_str().is_empty()) {
            self.report(
                Diagnostic::error("empty-path", word.span(), "a volume's path is empty")
                    .help("write an absolute path"),
            );
        }
        Some(InstructionKind::Volume(words))
    }

    /// A JSON array, or words split at white space.
    pub(super) fn words_or_strings(&mut self, parts: &Parts<'_>) -> Option<Vec<Word>> {
        match json::strings(&parts.args) {
            json::ExecForm::Array(strings) => Some(strings.into_iter().map(Word).collect()),
            json::ExecForm::NotJson => Some(args::plain_words(&parts.args)),
            json::ExecForm::NotStrings => {
                self.not_strings(parts);
                None
            }
        }
    }

    /// Reports a JSON array with elements that are no strings.
    pub(super) fn not_strings(&mut self, parts: &Parts<'_>) {
        self.report(
            Diagnostic::error(
                "json-not-strings",
                parts.args.span(),
                "a JSON array here may hold only strings",
            )
            .help("put every element in double quotes"),
        );
    }

    fn from(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        let flags = Flags::check(parts.flags, parts.keyword, FROM_FLAGS, self.diagnostics);
        let words = args::plain_words(&parts.args);
        let (image, alias) = match words.as_slice() {
            [] => {
                self.missing_arguments(parts, "an image, such as `debian:bookworm`, or `scratch`");
                return None;
            }
            [image] => (image, None),
            [image, keyword, name] if keyword.as_str().eq_ignore_ascii_case("AS") => {
                (image, self.stage_alias(keyword, name))
            }
            [_, second, ..] => {
                self.wrong_from_arguments(parts, second);
                return None;
            }
        };
        let description = alias
            .as_ref()
            .and_then(|alias: &StageAlias| comment::description(parts.comments, &alias.written.value));
        Some(InstructionKind::From(FromInstruction {
            platform: flags.value("platform").cloned(),
            image: image.clone(),
            alias,
            description,
        }))
    }

    fn wrong_from_arguments(&mut self, parts: &Parts<'_>, second: &Word) {
        let span = second.span().to(parts.args.span());
        let span = Span::new(second.span().start, span.end);
        let text = "FROM takes either one argument, or three: `FROM image AS name`";
        let word = second.as_str().to_owned();
        let problem = Diagnostic::error("from-arguments", span, text);
        self.report(if word.starts_with('#') {
            problem.help("a comment needs a line of its own: `#` inside a line is ordinary text")
        } else if word.eq_ignore_ascii_case("AS") {
            problem.help("give the stage one name after AS, without spaces")
        } else {
            problem.help(format!("write `AS` before the stage's name, or delete `{word}`"))
        });
    }

    fn stage_alias(&mut self, keyword: &Word, name: &Word) -> Option<StageAlias> {
        let lower = name.as_str().to_lowercase();
        let starts = lower.starts_with(|c: char| c.is_ascii_lowercase());
        let rest = lower.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
        if !starts || !rest {
            let text = format!("`{}` cannot be a stage's name", name.as_str());
            self.report(
                Diagnostic::error("invalid-stage-name", name.span(), text)
                    .help("a name starts with a letter and goes on with letters, digits, `-`, `_` and `.`"),
            );
            return None;
        }
        Some(StageAlias {
            name: lower,
            written: Spanned::new(name.as_str().to_owned(), name.span()),
            keyword: Spanned::new(keyword.as_str().to_owned(), keyword.span()),
        })
    }
}
