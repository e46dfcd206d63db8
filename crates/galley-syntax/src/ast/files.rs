//! Instructions that bring files in: COPY and ADD.

use crate::ast::Word;

/// One source of COPY or ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A path, wildcard, or (ADD) URL or git reference. Expanded.
    Path(Word),
    /// A here-document, which becomes a file of mode 0644 named after its delimiter. The number is an index into
    /// [`crate::ast::Instruction::heredocs`].
    Heredoc {
        /// Index of the here-document.
        heredoc: usize,
    },
}

/// `COPY [flags] SOURCE... DEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyInstruction {
    /// `--from`: a stage by name or number, a named context or an image. Never expanded.
    pub from: Option<Word>,
    /// `--chown=user[:group]`, by name or number. Expanded.
    pub chown: Option<Word>,
    /// `--chmod`: octal up to 7777 or symbolic. Expanded, then read with [`crate::mode::parse`]; already checked where
    /// it has no variable.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--parents`: keep the sources' directories (after a `/./` pivot), with `**` in wildcards.
    pub parents: bool,
    /// `--exclude`, repeatable: patterns as in `.dockerignore`. Expanded.
    pub exclude: Vec<Word>,
    /// At least one.
    pub sources: Vec<CopySource>,
    /// The destination. Expanded. A trailing slash matters.
    pub dest: Word,
}

/// `ADD [flags] SOURCE... DEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddInstruction {
    /// `--chown=user[:group]`, by name or number. Expanded.
    pub chown: Option<Word>,
    /// `--chmod`, as in COPY.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--exclude`, as in COPY.
    pub exclude: Vec<Word>,
    /// `--checksum=algorithm:hex` or a commit. Expanded.
    pub checksum: Option<Word>,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
    /// `--unpack[=bool]`; `None`: local archives are unpacked, remote ones are not.
    pub unpack: Option<bool>,
    /// At least one.
    pub sources: Vec<CopySource>,
    /// The destination. Expanded. A trailing slash matters.
    pub dest: Word,
}
