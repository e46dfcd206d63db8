//! The typed view of a Dockerfile: one struct per instruction, with spans, before any variable is expanded.
//!
//! Two kinds of text appear. A [`Word`] is raw: quotes, escapes and `$variables` are still in it, because what they
//! give depends on the stage; turn it into a value with [`crate::expand`]. A `Spanned<String>` is final.
//! Facts are those of the Dockerfile reference.

mod command;
mod files;
mod metadata;

pub use command::{
    Command, HealthcheckCommand, HealthcheckInstruction, NetworkMode, RunCommand, RunInstruction,
    SecurityMode,
};
pub use files::{AddInstruction, CopyInstruction, CopySource};
pub use metadata::{ArgDeclaration, ArgInstruction, KeyValue, KeyValueInstruction};

use crate::comment::Comment;
use crate::heredoc::Heredoc;
use crate::source_text::SourceText;
use crate::span::{Span, Spanned};

/// A raw word as written, before variable expansion and removal of quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word(pub SourceText);

impl Word {
    /// The raw text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where it stands in the file.
    #[must_use]
    pub fn span(&self) -> Span {
        self.0.span()
    }

    /// True where expansion can change it, because it holds a `$`.
    #[must_use]
    pub fn has_variable(&self) -> bool {
        self.as_str().contains('$')
    }
}

/// One flag, `--name` or `--name=value`, in the order written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The name without dashes.
    pub name: Spanned<String>,
    /// The value, its quotes removed; `None` without `=`.
    pub value: Option<Word>,
    /// The whole flag.
    pub span: Span,
}

/// One instruction with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// From the keyword's first byte to the last byte of the instruction, its heredocs' final line included and the
    /// line end not.
    pub span: Span,
    /// The keyword as the user wrote it (`from`, `Run`); [`InstructionKind::name`] gives the canonical one.
    pub keyword: Spanned<String>,
    /// The comment lines directly above (no blank line between), top to bottom.
    pub comments: Vec<Comment>,
    /// All flags in the order written, also the unknown ones (which the parser reports). The typed structs below hold
    /// the same values; use this list for spans.
    pub flags: Vec<Flag>,
    /// Here-documents in the order written; only RUN, COPY, ADD and ONBUILD of those have any.
    pub heredocs: Vec<Heredoc>,
    /// The logical line: keyword, flags and arguments with continuations joined and comments dropped. Here-document
    /// bodies are not part of it.
    pub text: SourceText,
    /// What it says.
    pub kind: InstructionKind,
}

impl Instruction {
    /// The first flag of that name.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.name.value == name)
    }
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructionKind {
    /// `FROM [--platform=P] IMAGE [AS NAME]`
    From(FromInstruction),
    /// `RUN`
    Run(RunInstruction),
    /// `COPY`
    Copy(CopyInstruction),
    /// `ADD`
    Add(AddInstruction),
    /// `ENV`
    Env(KeyValueInstruction),
    /// `LABEL`
    Label(KeyValueInstruction),
    /// `ARG`
    Arg(ArgInstruction),
    /// `WORKDIR PATH`; the path may contain spaces. Expanded.
    Workdir(Word),
    /// `USER NAME[:GROUP]`. Expanded.
    User(Word),
    /// `EXPOSE PORT...`; each word is expanded and then split at spaces, see [`crate::port::parse`].
    Expose(Vec<Word>),
    /// `VOLUME PATH...` or `VOLUME ["PATH", ...]`. Expanded.
    Volume(Vec<Word>),
    /// `CMD`
    Cmd(Command),
    /// `ENTRYPOINT`
    Entrypoint(Command),
    /// `SHELL ["program", "argument"...]`, at least one element. Not expanded.
    Shell(Vec<Spanned<String>>),
    /// `HEALTHCHECK`
    Healthcheck(HealthcheckInstruction),
    /// `STOPSIGNAL SIGNAL`. Expanded.
    Stopsignal(Word),
    /// `ONBUILD INSTRUCTION`
    Onbuild(OnbuildInstruction),
    /// `MAINTAINER TEXT` (deprecated). Not expanded.
    Maintainer(SourceText),
    /// An instruction that cannot be understood. The parser has reported an error for it, so lowering a file with one
    /// never gets to see it: check [`crate::Parsed::has_errors`] first.
    Invalid,
}

impl InstructionKind {
    /// The keyword in capitals; empty for [`InstructionKind::Invalid`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::From(_) => "FROM",
            Self::Run(_) => "RUN",
            Self::Copy(_) => "COPY",
            Self::Add(_) => "ADD",
            Self::Env(_) => "ENV",
            Self::Label(_) => "LABEL",
            Self::Arg(_) => "ARG",
            Self::Workdir(_) => "WORKDIR",
            Self::User(_) => "USER",
            Self::Expose(_) => "EXPOSE",
            Self::Volume(_) => "VOLUME",
            Self::Cmd(_) => "CMD",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Shell(_) => "SHELL",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Stopsignal(_) => "STOPSIGNAL",
            Self::Onbuild(_) => "ONBUILD",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Invalid => "",
        }
    }
}

/// `FROM [--platform=P] IMAGE [AS NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromInstruction {
    /// `--platform`, as `os[/arch[/variant]]`. Expanded with global ARGs.
    pub platform: Option<Word>,
    /// An image reference, an earlier stage, a named context or `scratch`. Expanded with global ARGs.
    pub image: Word,
    /// `AS NAME`.
    pub alias: Option<StageAlias>,
    /// The text of a doc comment (`# name text`) above, if any.
    pub description: Option<String>,
}

/// The name a stage was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageAlias {
    /// Lowercased, as stages are looked up; matches `[a-z][a-z0-9-_.]*`.
    pub name: String,
    /// As written.
    pub written: Spanned<String>,
    /// The keyword `AS` as written.
    pub keyword: Spanned<String>,
}

/// `ONBUILD INSTRUCTION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnbuildInstruction {
    /// The trigger; never ONBUILD, FROM or MAINTAINER. Not expanded until it runs in a child image.
    pub instruction: Box<Instruction>,
    /// The trigger as it goes into the image's config: the logical line after ONBUILD and, on further lines, the
    /// here-documents with their terminators. [`crate::parse_fragment`] reads it back.
    pub trigger: SourceText,
}
