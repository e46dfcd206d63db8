//! `RUN --mount`: the options as written, and their typed meaning once variables are expanded.

use crate::ast::Word;
use crate::span::{Span, Spanned};

/// One `--mount=key=value,...` as written. [`Mount::resolve`] gives its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The flag's value.
    pub span: Span,
    /// The options in the order written, unknown keys left out (the parser has reported them).
    pub options: Vec<MountOption>,
}

/// One option of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOption {
    /// The key, aliases folded (`src` is [`MountKey::Source`]).
    pub key: Spanned<MountKey>,
    /// The value after `=`. Expanded, except for `from`.
    pub value: Option<Word>,
}

/// The keys of `--mount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MountKey {
    /// `type`
    Type,
    /// `from`
    From,
    /// `source`, `src`
    Source,
    /// `target`, `dst`, `destination`
    Target,
    /// `readonly`, `ro`
    ReadOnly,
    /// `readwrite`, `rw`
    ReadWrite,
    /// `id`
    Id,
    /// `sharing`
    Sharing,
    /// `required`
    Required,
    /// `size`
    Size,
    /// `mode`
    Mode,
    /// `uid`
    Uid,
    /// `gid`
    Gid,
    /// `env`
    Env,
}

/// The meaning of a mount, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSpec {
    /// `type=bind` (the default type).
    Bind(BindMount),
    /// `type=cache`
    Cache(CacheMount),
    /// `type=tmpfs`
    Tmpfs(TmpfsMount),
    /// `type=secret`
    Secret(SecretMount),
    /// `type=ssh`
    Ssh(SshMount),
}

/// `type=bind`: files of a stage, image or context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindMount {
    /// Stage, image or named context; `None` is the main context.
    pub from: Option<Spanned<String>>,
    /// Path in `from`; `/` by default.
    pub source: String,
    /// Where it appears; relative to WORKDIR.
    pub target: Spanned<String>,
    /// False by default; what is written is thrown away after the step.
    pub writable: bool,
}

/// How a cache mount is shared by steps that run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CacheSharing {
    /// All at once.
    #[default]
    Shared,
    /// Each its own.
    Private,
    /// One after the other.
    Locked,
}

/// `type=cache`: a directory that outlives the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMount {
    /// `id`; `None`: the cleaned absolute target is the id, see [`CacheMount::target`].
    pub id: Option<String>,
    /// Where it appears; relative to WORKDIR.
    pub target: Spanned<String>,
    /// `sharing`
    pub sharing: CacheSharing,
    /// Stage, image or named context that fills a new cache.
    pub from: Option<Spanned<String>>,
    /// Path in `from`; `/` by default.
    pub source: String,
    /// True for `ro`.
    pub read_only: bool,
    /// Mode of a new cache directory, octal 0755 by default.
    pub mode: u32,
    /// Owner of a new cache directory, 0 by default.
    pub uid: u32,
    /// Group of a new cache directory, 0 by default.
    pub gid: u32,
}

/// `type=tmpfs`: memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmpfsMount {
    /// Where it appears; relative to WORKDIR.
    pub target: Spanned<String>,
    /// Upper limit in bytes.
    pub size: Option<u64>,
}

/// `type=secret`: a secret as file, environment variable or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretMount {
    /// Which secret: `id`, else `source`, else the last component of the target.
    pub id: Spanned<String>,
    /// Where the file appears; `None` where only `env` is given, and `/run/secrets/<id's last component>` without both.
    pub target: Option<String>,
    /// Name of an environment variable that gets the value.
    pub env: Option<String>,
    /// True: a build without the secret fails. False by default.
    pub required: bool,
    /// Mode of the file, octal 0400 by default.
    pub mode: u32,
    /// Owner of the file, 0 by default.
    pub uid: u32,
    /// Group of the file, 0 by default.
    pub gid: u32,
}

/// `type=ssh`: the socket of an SSH agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshMount {
    /// Which agent; `default` by default.
    pub id: String,
    /// Where the socket appears; `None`: a place of the builder's choice, named by `SSH_AUTH_SOCK`.
    pub target: Option<String>,
    /// True: a build without the agent fails. False by default.
    pub required: bool,
    /// Mode of the socket, octal 0600 by default.
    pub mode: u32,
    /// Owner of the socket, 0 by default.
    pub uid: u32,
    /// Group of the socket, 0 by default.
    pub gid: u32,
}
