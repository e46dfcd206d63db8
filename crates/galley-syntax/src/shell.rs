//! The shell command of a RUN, as the shell sees it, and as a tree of commands whose every word knows its bytes in the
//! file.
//!
//! Line continuations are joined and comments between them dropped before the shell gets the text; here-document bodies
//! are part of it. The grammar is brush-parser's (POSIX and bash); this module turns its tree into a small one of our
//! own. A text it cannot parse is a value ([`ShellError`]), no failure: the shell may still accept it, or it may not be
//! a shell at all (SHELL can name anything).

mod lower;

use crate::ast::{Instruction, InstructionKind, RunCommand};
use crate::source_text::SourceText;
use crate::span::Span;

/// The shell text of a RUN and its commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunBody {
    /// What the shell gets as one argument, with the map back to the file.
    pub text: SourceText,
    /// The commands, or why they are unknown.
    pub script: Result<Script, ShellError>,
}

/// Why a shell text has no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShellError {
    /// Not in the grammar.
    #[error("the shell command cannot be parsed: {message}")]
    Syntax {
        /// What the grammar says.
        message: String,
        /// Where it stopped.
        span: Span,
    },
    /// Nested or long beyond what is parsed (64 levels, 10 of parentheses, 1 MiB, 9 digits of a descriptor), or one of the
    /// texts on which the parser itself fails.
    #[error("the shell command is too deep or too long to be analysed")]
    TooComplex {
        /// All of it.
        span: Span,
    },
}

impl ShellError {
    /// Where it is.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Syntax { span, .. } | Self::TooComplex { span } => *span,
        }
    }
}

/// Commands one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// In order.
    pub lists: Vec<AndOrList>,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AndOrList {
    /// At least one; the first one's connector is [`Connector::First`].
    pub pipelines: Vec<(Connector, Pipeline)>,
    /// True where it ends with `&`.
    pub background: bool,
    /// All of it.
    pub span: Span,
}

/// What stands before a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Connector {
    /// Nothing: it starts the list.
    First,
    /// `&&`
    And,
    /// `||`
    Or,
}

/// Commands joined by `|`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// True after `!`.
    pub negated: bool,
    /// At least one.
    pub commands: Vec<Command>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A program or builtin with its arguments.
    Simple(SimpleCommand),
    /// A group, loop, condition or function.
    Compound(CompoundCommand),
}

/// `NAME=value program argument >file`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SimpleCommand {
    /// In front of the program; without a program they set variables of the shell.
    pub assignments: Vec<Assignment>,
    /// The program and its arguments; may be empty.
    pub words: Vec<Word>,
    /// In the order written.
    pub redirects: Vec<Redirect>,
    /// All of it.
    pub span: Span,
}

/// A word as written, its quotes and expansions in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    /// The raw text with its map.
    pub text: SourceText,
}

/// `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// The whole assignment as written.
    pub text: SourceText,
    /// True for `NAME+=value`.
    pub append: bool,
}

/// What a redirection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedirectKind {
    /// `<`
    Read,
    /// `>`, `>|`, and `&>`
    Write,
    /// `>>` and `&>>`
    Append,
    /// `<>`
    ReadWrite,
    /// `<&`, `>&`
    Duplicate,
    /// `<<`
    HereDocument,
    /// `<<<`
    HereString,
}

/// One redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// What it does.
    pub kind: RedirectKind,
    /// The file descriptor in front.
    pub fd: Option<i32>,
    /// The file, or the here-string; for a here-document its body. `None` for a plain descriptor or a process
    /// substitution.
    pub target: Option<Word>,
}

/// The kinds of compound commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompoundKind {
    /// `( … )`
    Subshell,
    /// `{ … }`
    Group,
    /// `for`
    For,
    /// `case`
    Case,
    /// `if`
    If,
    /// `while`
    While,
    /// `until`
    Until,
    /// `name() …`
    Function,
    /// `(( … ))`, `[[ … ]]` and `coproc`
    Other,
}

/// A compound command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompoundCommand {
    /// Which.
    pub kind: CompoundKind,
    /// The words of a `for` or the subject of a `case`.
    pub words: Vec<Word>,
    /// The commands in it, part by part: condition, then body, then else branches.
    pub parts: Vec<Script>,
    /// Of the whole.
    pub redirects: Vec<Redirect>,
    /// All of it.
    pub span: Span,
}

impl RunBody {
    /// Parses a shell text.
    #[must_use]
    pub fn parse(text: SourceText) -> Self {
        let script = lower::parse(&text);
        Self { text, script }
    }

    /// The body of a RUN in shell form, also of one in ONBUILD, and of `RUN <<EOF` whose script names a POSIX shell or
    /// bash in its `#!`. `None` for anything else. The text of a script file keeps its `#!` line, a comment to the shell.
    #[must_use]
    pub fn of(instruction: &Instruction) -> Option<Self> {
        let run = match &instruction.kind {
            InstructionKind::Run(run) => run,
            InstructionKind::Onbuild(onbuild) => return Self::of(&onbuild.instruction),
            _ => return None,
        };
        match &run.command {
            RunCommand::Shell(text) => Some(Self::parse(text.clone())),
            RunCommand::Script { heredoc } => {
                let body = &instruction.heredocs.get(*heredoc)?.body;
                let first = body.as_str().lines().next()?;
                let program = first.strip_prefix("#!")?.split(['/', ' ', '\t']);
                let shell =
                    program.into_iter().any(|part| ["sh", "bash", "dash", "ash"].contains(&part.trim()));
                shell.then(|| Self::parse(body.clone()))
            }
            RunCommand::Exec(_) => None,
        }
    }

    /// Every simple command, in the order written, those inside groups, loops and functions included. Empty where the
    /// text could not be parsed.
    pub fn commands(&self) -> impl Iterator<Item = &SimpleCommand> {
        let mut found = Vec::new();
        if let Ok(script) = &self.script {
            script.collect(&mut found);
        }
        found.into_iter()
    }
}

impl Script {
    fn collect<'s>(&'s self, found: &mut Vec<&'s SimpleCommand>) {
        for (_, pipeline) in self.lists.iter().flat_map(|list| &list.pipelines) {
            for command in &pipeline.commands {
                match command {
                    Command::Simple(simple) => found.push(simple),
                    Command::Compound(compound) => {
                        for part in &compound.parts {
                            part.collect(found);
                        }
                    }
                }
            }
        }
    }
}

impl SimpleCommand {
    /// The program's name where it is written plainly: `apt-get`, `"/usr/bin/curl"`.
    #[must_use]
    pub fn program(&self) -> Option<String> {
        self.words.first()?.literal()
    }
}

impl Word {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Where it stands in the file.
    #[must_use]
    pub fn span(&self) -> Span {
        self.text.span()
    }

    /// The value where the shell would take the word as it is, quotes removed; `None` where a variable, command,
    /// wildcard, brace or tilde is expanded in it.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        let mut value = String::new();
        let mut quote = None;
        let text = self.as_str();
        let mut chars = text.chars().peekable();
        if text.starts_with('~') {
            return None;
        }
        while let Some(c) = chars.next() {
            match (quote, c) {
                (Some('\''), '\'') | (Some('"'), '"') => quote = None,
                (Some('\''), c) => value.push(c),
                (_, '$' | '`') => return None,
                (Some(_), '\\') => match chars.peek() {
                    Some('"' | '\\' | '$' | '`') => value.extend(chars.next()),
                    Some('\n') => {
                        chars.next();
                    }
                    _ => value.push('\\'),
                },
                (Some(_), c) => value.push(c),
                (None, '\'' | '"') => quote = Some(c),
                (None, '\\') => value.extend(chars.next().filter(|next| *next != '\n')),
                (None, '*' | '?' | '[' | '{') => return None,
                (None, c) => value.push(c),
            }
        }
        quote.is_none().then_some(value)
    }
}
