//! `RUN --mount`: the options as written, and their typed meaning once variables are expanded.

mod resolve;

use crate::ast::Word;
use crate::diagnostic::Diagnostic;
use crate::source_text::SourceText;
use crate::span::{Span, Spanned};
use crate::suggest;

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

/// Names of keys, aliases included.
const KEYS: [(&str, MountKey); 18] = [
    ("type", MountKey::Type),
    ("from", MountKey::From),
    ("source", MountKey::Source),
    ("src", MountKey::Source),
    ("target", MountKey::Target),
    ("dst", MountKey::Target),
    ("destination", MountKey::Target),
    ("readonly", MountKey::ReadOnly),
    ("ro", MountKey::ReadOnly),
    ("readwrite", MountKey::ReadWrite),
    ("rw", MountKey::ReadWrite),
    ("id", MountKey::Id),
    ("sharing", MountKey::Sharing),
    ("required", MountKey::Required),
    ("size", MountKey::Size),
    ("mode", MountKey::Mode),
    ("uid", MountKey::Uid),
    ("gid", MountKey::Gid),
];

/// The key that only secrets know.
const ENV_KEY: (&str, MountKey) = ("env", MountKey::Env);

/// Reads the value of one `--mount`. Where no value holds a variable, its meaning is checked at once.
pub(crate) fn parse(value: &Word, diagnostics: &mut Vec<Diagnostic>) -> Mount {
    let before = diagnostics.len();
    let options = fields(&value.0).into_iter().filter_map(|field| option(&field, diagnostics)).collect();
    let mount = Mount { span: value.span(), options };
    let complete = diagnostics.len() == before;
    let constant = mount.options.iter().filter_map(|o| o.value.as_ref()).all(|value| !value.has_variable());
    if complete
        && constant
        && let Err(problems) = mount.resolve(&mut |word| Ok(word.as_str().to_owned()))
    {
        diagnostics.extend(problems);
    }
    mount
}

/// The fields of a line of comma separated values; a field in double quotes may hold commas.
fn fields(value: &SourceText) -> Vec<SourceText> {
    let text = value.as_str();
    let mut found = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                found.push(value.slice(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(value.slice(start..text.len()));
    found.into_iter().map(without_quotes).collect()
}

fn without_quotes(field: SourceText) -> SourceText {
    let inner = field.as_str().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) => field.slice(1..1 + inner.len()),
        None => field,
    }
}

fn option(field: &SourceText, diagnostics: &mut Vec<Diagnostic>) -> Option<MountOption> {
    let text = field.as_str();
    let equals = text.find('=').unwrap_or(text.len());
    let name = field.slice(0..equals);
    let lower = name.as_str().to_ascii_lowercase();
    let known = KEYS.iter().chain([&ENV_KEY]).find(|(known, _)| *known == lower);
    let Some((_, key)) = known else {
        let names = KEYS.iter().chain([&ENV_KEY]).map(|(known, _)| *known);
        let message = match lower.as_str() {
            "" => "an empty option of `--mount`".to_owned(),
            _ => format!("`--mount` has no option `{}`", name.as_str()),
        };
        let help = suggest::did_you_mean(&lower, names).unwrap_or_else(|| {
            "the options are type, from, source, target, readonly, readwrite, id, sharing, required, size, mode, \
             uid, gid and env"
                .to_owned()
        });
        diagnostics.push(Diagnostic::error("unknown-mount-option", field.span(), message).help(help));
        return None;
    };
    let value = (equals < text.len()).then(|| Word(field.slice(equals + 1..text.len())));
    if let (MountKey::From, Some(word)) = (key, value.as_ref().filter(|word| word.has_variable())) {
        diagnostics.push(
            Diagnostic::error("variable-in-from", word.span(), "`from` does not expand variables")
                .help("give the image a stage name (`FROM image:$TAG AS name`) and mount `from=name`"),
        );
    }
    Some(MountOption { key: Spanned::new(*key, name.span()), value })
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
