//! From brush-parser's tree to ours, character positions turned into spans of the file.

use std::ops::Range;
use std::panic::catch_unwind;

use brush_parser::ast::{self as brush, SourceLocation};
use brush_parser::{ParseError, Parser, ParserOptions, SourcePosition, SourceSpan};

use super::{
    AndOrList, Assignment, Command, CompoundCommand, CompoundKind, Connector, Pipeline, Redirect,
    RedirectKind, Script, ShellError, SimpleCommand, Word,
};
use crate::source_text::SourceText;
use crate::span::Span;

/// The grammar is recursive: deeper texts would exhaust the stack.
const DEEPEST: usize = 64;
/// The longest text that is parsed, in bytes.
const LONGEST: usize = 1 << 20;

/// Parses and lowers.
pub(super) fn parse(text: &SourceText) -> Result<Script, ShellError> {
    let whole = text.as_str();
    if whole.len() > LONGEST || is_too_deep(whole) || has_huge_descriptor(whole) {
        return Err(ShellError::TooComplex { span: text.span() });
    }
    let options = ParserOptions::default();
    let lower = Lower::new(text);
    // brush-parser panics on a few texts that no shell takes either, such as an open here-document in an open expansion.
    let parsed = catch_unwind(|| Parser::new(whole.as_bytes(), &options).parse_program());
    match parsed {
        Ok(Ok(program)) => Ok(Script {
            lists: program.complete_commands.iter().flat_map(|commands| lower.lists(commands)).collect(),
        }),
        Ok(Err(error)) => Err(lower.error(&error)),
        Err(_) => Err(ShellError::TooComplex { span: text.span() }),
    }
}

/// Parentheses are tried as a subshell and as arithmetic, each with all that is inside: every level doubles the time.
const DEEPEST_PARENTHESES: usize = 10;

/// Counts what can nest, generously: a bracket or keyword in a string counts too.
fn is_too_deep(text: &str) -> bool {
    const OPENING: [&str; 9] = ["if", "while", "until", "for", "case", "select", "!", "time", "coproc"];
    let mut depth: usize = 0;
    let mut parentheses: usize = 0;
    let mut backticks: usize = 0;
    for c in text.chars() {
        match c {
            '(' => parentheses += 1,
            ')' => parentheses = parentheses.saturating_sub(1),
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            '`' => backticks += 1,
            _ => {}
        }
        if depth > DEEPEST || parentheses > DEEPEST_PARENTHESES {
            return true;
        }
    }
    let mut keywords: usize = 0;
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ';' | '(' | '{' | '|' | '&')) {
        if OPENING.contains(&word) {
            keywords += 1;
        } else if matches!(word, "fi" | "done" | "esac") {
            keywords = keywords.saturating_sub(1);
        }
        if keywords > DEEPEST {
            return true;
        }
    }
    backticks > 4 * DEEPEST
}

/// Whether a number of ten digits or more stands before a redirection. It is no descriptor to any shell, and
/// brush-parser would panic where it does not fit into 32 bits. Behind a here-document brush-parser's positions are off, and
/// a number counts as a descriptor with blanks behind it too.
fn has_huge_descriptor(text: &str) -> bool {
    const MOST_DIGITS: usize = 9;
    let heredoc = text.contains("<<");
    let mut digits: usize = 0;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'<' | b'>' if digits > MOST_DIGITS => return true,
            // The shell joins the lines.
            b'\\' if bytes.peek() == Some(&b'\n') => {
                bytes.next();
            }
            b' ' | b'\t' if heredoc => {}
            _ => digits = 0,
        }
    }
    false
}

/// Turns positions of brush-parser (counted in characters) into ranges of the text.
struct Lower<'t> {
    text: &'t SourceText,
    /// Byte offset of each character, and the end.
    bytes: Vec<usize>,
}

impl<'t> Lower<'t> {
    fn new(text: &'t SourceText) -> Self {
        let mut bytes: Vec<usize> = text.as_str().char_indices().map(|(at, _)| at).collect();
        bytes.push(text.len());
        Self { text, bytes }
    }

    fn byte(&self, position: &SourcePosition) -> usize {
        self.bytes.get(position.index).copied().unwrap_or(self.text.len())
    }

    /// The range without what brush-parser counts as part of a token though the shell does not: white space, and a
    /// joined line end, in front of it.
    fn range(&self, span: &SourceSpan) -> Range<usize> {
        let mut start = self.byte(&span.start);
        let end = self.byte(&span.end).max(start);
        let mut rest = self.text.as_str().get(start..end).unwrap_or_default();
        while let Some(after) =
            rest.strip_prefix([' ', '\t', '\n', '\r']).or_else(|| rest.strip_prefix("\\\n"))
        {
            start += rest.len() - after.len();
            rest = after;
        }
        start..end
    }

    fn span(&self, span: Option<&SourceSpan>) -> Span {
        span.map_or(self.text.span(), |span| self.text.span_of(self.range(span)))
    }

    fn error(&self, error: &ParseError) -> ShellError {
        let position = match error {
            ParseError::ParsingNear(position) => Some(position),
            ParseError::Tokenizing { position, .. } => position.as_ref(),
            ParseError::ParsingAtEndOfInput => None,
        };
        let at = position.map_or(self.text.len(), |position| self.byte(position));
        let next =
            self.text.as_str().get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let message = match error {
            ParseError::ParsingNear(_) => "unexpected token".to_owned(),
            ParseError::ParsingAtEndOfInput => "unexpected end".to_owned(),
            // The position in the joined text would mislead; the span says where.
            ParseError::Tokenizing { inner, .. } => {
                let text = inner.to_string();
                text.split(" at ").next().unwrap_or(&text).to_owned()
            }
        };
        ShellError::Syntax { message, span: self.text.span_of(at..at + next) }
    }

    fn lists(&self, list: &brush::CompoundList) -> Vec<AndOrList> {
        list.0.iter().map(|item| self.and_or(item)).collect()
    }

    fn script(&self, list: &brush::CompoundList) -> Script {
        Script { lists: self.lists(list) }
    }

    fn and_or(&self, item: &brush::CompoundListItem) -> AndOrList {
        let list = &item.0;
        let mut pipelines = vec![(Connector::First, self.pipeline(&list.first))];
        for next in &list.additional {
            pipelines.push(match next {
                brush::AndOr::And(pipeline) => (Connector::And, self.pipeline(pipeline)),
                brush::AndOr::Or(pipeline) => (Connector::Or, self.pipeline(pipeline)),
            });
        }
        let background = matches!(item.1, brush::SeparatorOperator::Async);
        AndOrList { pipelines, background, span: self.span(list.location().as_ref()) }
    }

    fn pipeline(&self, pipeline: &brush::Pipeline) -> Pipeline {
        let commands = pipeline.seq.iter().map(|command| self.command(command)).collect();
        Pipeline { negated: pipeline.bang, commands }
    }

    fn command(&self, command: &brush::Command) -> Command {
        let span = self.span(command.location().as_ref());
        match command {
            brush::Command::Simple(simple) => Command::Simple(self.simple(simple, span)),
            brush::Command::Compound(compound, redirects) => {
                Command::Compound(self.compound(compound, redirects.as_ref(), span))
            }
            brush::Command::Function(function) => {
                let brush::FunctionBody(body, redirects) = &function.body;
                let body = self.compound(body, redirects.as_ref(), span);
                Command::Compound(CompoundCommand { kind: CompoundKind::Function, ..body })
            }
            brush::Command::ExtendedTest(_, redirects) => Command::Compound(CompoundCommand {
                kind: CompoundKind::Other,
                words: Vec::new(),
                parts: Vec::new(),
                redirects: self.redirects(redirects.as_ref()),
                span,
            }),
        }
    }

    fn simple(&self, simple: &brush::SimpleCommand, span: Span) -> SimpleCommand {
        let mut out = SimpleCommand { span, ..SimpleCommand::default() };
        for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
            self.item(item, &mut out, true);
        }
        out.words.extend(simple.word_or_name.iter().filter_map(|word| self.word(word)));
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, &mut out, false);
        }
        out
    }

    fn item(&self, item: &brush::CommandPrefixOrSuffixItem, out: &mut SimpleCommand, in_prefix: bool) {
        match item {
            brush::CommandPrefixOrSuffixItem::IoRedirect(redirect) => {
                out.redirects.push(self.redirect(redirect));
            }
            brush::CommandPrefixOrSuffixItem::Word(word) => out.words.extend(self.word(word)),
            brush::CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                // Behind the program (`export A=b`) an assignment is an argument.
                if in_prefix {
                    out.assignments.push(self.assignment(assignment));
                } else {
                    out.words.extend(self.word(word).or_else(|| self.slice(&assignment.loc)));
                }
            }
            brush::CommandPrefixOrSuffixItem::ProcessSubstitution(_, subshell) => {
                out.words.push(self.process_substitution(subshell));
            }
        }
    }

    fn slice(&self, span: &SourceSpan) -> Option<Word> {
        Some(Word { text: self.text.slice(self.range(span)) })
    }

    fn word(&self, word: &brush::Word) -> Option<Word> {
        match &word.loc {
            Some(span) => self.slice(span),
            None => Some(Word { text: SourceText::synthetic(word.value.clone(), self.text.span()) }),
        }
    }

    /// `<(...)` or `>(...)`; the tree has only the parenthesis.
    fn process_substitution(&self, subshell: &brush::SubshellCommand) -> Word {
        let range = self.range(&subshell.loc);
        let sign = self.text.as_str().get(..range.start).is_some_and(|before| before.ends_with(['<', '>']));
        Word { text: self.text.slice(range.start - usize::from(sign)..range.end) }
    }

    /// The body of a here-document without the terminator, which the tree counts in.
    fn here_document(&self, here: &brush::IoHereDocument) -> Option<Word> {
        let word = self.word(&here.doc)?;
        let name = self.word(&here.here_end)?.literal()?;
        let text = word.as_str();
        let body = text.strip_suffix('\n').unwrap_or(text);
        let body = body.strip_suffix(name.as_str()).map_or(text, |body| body.trim_end_matches('\t'));
        Some(Word { text: word.text.slice(0..body.len()) })
    }

    fn assignment(&self, assignment: &brush::Assignment) -> Assignment {
        let name = match &assignment.name {
            brush::AssignmentName::VariableName(name) | brush::AssignmentName::ArrayElementName(name, _) => {
                name
            }
        };
        Assignment {
            name: name.clone(),
            text: self.text.slice(self.range(&assignment.loc)),
            append: assignment.append,
        }
    }

    fn redirects(&self, list: Option<&brush::RedirectList>) -> Vec<Redirect> {
        list.iter().flat_map(|list| &list.0).map(|redirect| self.redirect(redirect)).collect()
    }

    fn redirect(&self, redirect: &brush::IoRedirect) -> Redirect {
        match redirect {
            brush::IoRedirect::File(fd, kind, target) => {
                let kind = match kind {
                    brush::IoFileRedirectKind::Read => RedirectKind::Read,
                    brush::IoFileRedirectKind::Write | brush::IoFileRedirectKind::Clobber => {
                        RedirectKind::Write
                    }
                    brush::IoFileRedirectKind::Append => RedirectKind::Append,
                    brush::IoFileRedirectKind::ReadAndWrite => RedirectKind::ReadWrite,
                    brush::IoFileRedirectKind::DuplicateInput
                    | brush::IoFileRedirectKind::DuplicateOutput => RedirectKind::Duplicate,
                };
                let target = match target {
                    brush::IoFileRedirectTarget::Filename(word)
                    | brush::IoFileRedirectTarget::Duplicate(word) => self.word(word),
                    brush::IoFileRedirectTarget::Fd(_) => None,
                    brush::IoFileRedirectTarget::ProcessSubstitution(_, subshell) => {
                        self.slice(&subshell.loc)
                    }
                };
                Redirect { kind, fd: *fd, target }
            }
            brush::IoRedirect::HereDocument(fd, here) => {
                Redirect { kind: RedirectKind::HereDocument, fd: *fd, target: self.here_document(here) }
            }
            brush::IoRedirect::HereString(fd, word) => {
                Redirect { kind: RedirectKind::HereString, fd: *fd, target: self.word(word) }
            }
            brush::IoRedirect::OutputAndError(word, append) => {
                let kind = if *append { RedirectKind::Append } else { RedirectKind::Write };
                Redirect { kind, fd: None, target: self.word(word) }
            }
        }
    }

    fn compound(
        &self,
        command: &brush::CompoundCommand,
        redirects: Option<&brush::RedirectList>,
        span: Span,
    ) -> CompoundCommand {
        let mut words = Vec::new();
        let mut parts = Vec::new();
        let kind = match command {
            brush::CompoundCommand::Subshell(inner) => {
                parts.push(self.script(&inner.list));
                CompoundKind::Subshell
            }
            brush::CompoundCommand::BraceGroup(inner) => {
                parts.push(self.script(&inner.list));
                CompoundKind::Group
            }
            brush::CompoundCommand::ForClause(inner) => {
                words.extend(inner.values.iter().flatten().filter_map(|word| self.word(word)));
                parts.push(self.script(&inner.body.list));
                CompoundKind::For
            }
            brush::CompoundCommand::ArithmeticForClause(inner) => {
                parts.push(self.script(&inner.body.list));
                CompoundKind::For
            }
            brush::CompoundCommand::CaseClause(inner) => {
                words.extend(self.word(&inner.value));
                parts.extend(
                    inner.cases.iter().filter_map(|case| case.cmd.as_ref()).map(|list| self.script(list)),
                );
                CompoundKind::Case
            }
            brush::CompoundCommand::IfClause(inner) => {
                parts.extend([self.script(&inner.condition), self.script(&inner.then)]);
                for branch in inner.elses.iter().flatten() {
                    parts.extend(branch.condition.as_ref().map(|list| self.script(list)));
                    parts.push(self.script(&branch.body));
                }
                CompoundKind::If
            }
            brush::CompoundCommand::WhileClause(brush::WhileOrUntilClauseCommand(condition, body, _)) => {
                parts.extend([self.script(condition), self.script(&body.list)]);
                CompoundKind::While
            }
            brush::CompoundCommand::UntilClause(brush::WhileOrUntilClauseCommand(condition, body, _)) => {
                parts.extend([self.script(condition), self.script(&body.list)]);
                CompoundKind::Until
            }
            brush::CompoundCommand::Coprocess(_) | brush::CompoundCommand::Arithmetic(_) => {
                CompoundKind::Other
            }
        };
        CompoundCommand { kind, words, parts, redirects: self.redirects(redirects), span }
    }
}
