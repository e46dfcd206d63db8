//! The operations of a plan: what one vertex does, with every variable expanded and every default filled in.

use galley_image::{ChainId, Platform, Reference};
use galley_syntax::Span;
use galley_syntax::mode::Mode;
pub use galley_syntax::mount::CacheSharing;

use crate::key::KeyEncoder;

/// What a vertex does. Sources bring files in and stack on nothing; steps make a layer on their parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Source: the root file system of an image.
    Image(ImageSource),
    /// Source: the files of a build context.
    Context(ContextSource),
    /// Source: files whose bytes stand in the Dockerfile. Without files it is an empty tree.
    Inline(Vec<InlineFile>),
    /// Step: a process.
    Run(Run),
    /// Step: files of sources are copied in (COPY, ADD).
    Copy(Copy),
    /// Step: a directory is made where there is none (WORKDIR).
    Mkdir(Mkdir),
    /// Step: the one layer of `sources[0]`, a [`Copy`] made on nothing, is stacked on the parent (`COPY --link`).
    Merge,
}

/// An image by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSource {
    /// The reference, pinned to a digest.
    pub reference: Reference,
    /// The chain ID of all its layers, which is all of it that enters a key; `None` for an image without layers.
    pub chain: Option<ChainId>,
    /// The platform that was chosen.
    pub platform: Platform,
}

/// A build context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextSource {
    /// The name given with `--build-context`; empty for the main context.
    pub name: String,
}

/// A file written in the Dockerfile: a here-document of COPY or ADD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineFile {
    /// Its name, one path component.
    pub name: String,
    /// Its bytes, variables expanded where they are to be.
    pub content: Vec<u8>,
    /// Permission bits: octal 0644.
    pub mode: u32,
}

/// A process (RUN).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The argument vector, with SHELL in front for the shell form. Not empty.
    pub args: Vec<String>,
    /// The environment, in the order in which names were first set: the image's ENV and every declared ARG.
    pub env: Vec<(String, String)>,
    /// The working directory, absolute.
    pub cwd: String,
    /// `user[:group]`, names or numbers; empty is root.
    pub user: String,
    /// The network.
    pub network: Network,
    /// Mounts, sorted by target; of two on one target the later one covers the earlier one.
    pub mounts: Vec<RunMount>,
    /// Secrets that the process gets as environment variables.
    pub secret_env: Vec<SecretEnv>,
    /// A here-document that starts with `#!`: an executable file (octal 0755) that is there while the step runs and that
    /// `args[0]` names.
    pub script: Option<Script>,
    /// Proxy variables that nobody declared: the process gets them, the key and the image do not.
    pub proxies: Vec<(String, String)>,
}

/// What network a step sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Network {
    /// The host's.
    #[default]
    Host,
    /// A loopback device alone.
    None,
}

/// A file that is there only while a step runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Absolute path: `/dev/pipes/` and the here-document's name.
    pub path: String,
    /// Its bytes.
    pub content: String,
}

/// One mount of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunMount {
    /// Where it appears: an absolute, clean path other than `/`.
    pub target: String,
    /// What appears there.
    pub kind: MountKind,
    /// The `--mount` flag in the file; never part of a key.
    pub span: Span,
}

/// What a [`RunMount`] shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// Files of a source.
    Bind {
        /// Index into the vertex's sources.
        source: usize,
        /// Absolute, clean path in the source; `/` is all of it.
        path: String,
        /// Writes are allowed, and thrown away after the step.
        writable: bool,
    },
    /// A directory that outlives the build.
    Cache {
        /// Its id.
        id: String,
        /// How steps that run at once share it.
        sharing: CacheSharing,
        /// What fills a new one: index into the vertex's sources, and an absolute, clean path in it.
        source: Option<(usize, String)>,
        /// Permission bits of a new one.
        mode: u32,
        /// Owner of a new one.
        uid: u32,
        /// Group of a new one.
        gid: u32,
        /// Writes fail.
        read_only: bool,
    },
    /// Memory.
    Tmpfs {
        /// Upper limit in bytes.
        size: Option<u64>,
    },
    /// A secret as a file.
    Secret {
        /// Which.
        id: String,
        /// Without it the step fails; otherwise there is no file then.
        required: bool,
        /// Permission bits of the file.
        mode: u32,
        /// Owner of the file.
        uid: u32,
        /// Group of the file.
        gid: u32,
    },
}

/// A secret as an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretEnv {
    /// The variable.
    pub name: String,
    /// Which secret.
    pub id: String,
    /// Without it the step fails; otherwise the variable is not set then.
    pub required: bool,
    /// The `--mount` flag in the file; never part of a key.
    pub span: Span,
}

/// Files copied into the root file system (COPY, ADD).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What is copied, in the order written. Not empty.
    pub sources: Vec<CopySource>,
    /// Where to: an absolute, clean path. A trailing `/` means a directory.
    pub dest: String,
    /// `user[:group]` of everything that is copied, names or numbers; `None` is 0:0.
    pub chown: Option<String>,
    /// Permission bits of everything that is copied, or what changes in them.
    pub chmod: Option<Mode>,
    /// Patterns as in `.dockerignore`, in the order written.
    pub exclude: Vec<String>,
    /// Keep the sources' directories, those after a `/./` pivot.
    pub parents: bool,
    /// Made on nothing, to be stacked by a [`Op::Merge`].
    pub link: bool,
    /// What happens to archives.
    pub unpack: Unpack,
}

/// One source of a [`Copy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// Index into the vertex's sources.
    pub source: usize,
    /// A path or wildcard in the source, as written but expanded: a leading `/`, `.` and `..` are still in it, and mean
    /// the source's root at most. A literal name where the source is [`Op::Inline`].
    pub pattern: String,
}

/// What a [`Copy`] does with tar archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Unpack {
    /// Copies them as they are (COPY, `ADD --unpack=false`).
    #[default]
    Never,
    /// Unpacks those that are archives by content (ADD of local files).
    Auto,
    /// Unpacks, and fails where the content is no archive (`ADD --unpack`).
    Always,
}

/// A directory made where there is none, with missing parents (WORKDIR).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mkdir {
    /// Absolute, clean path other than `/`.
    pub path: String,
    /// `user[:group]` of directories that are made, names or numbers; empty is root.
    pub owner: String,
}

impl Op {
    /// Writes what the operation means: a tag, the version of its meaning, and every field that its result depends on.
    pub fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.text(self.tag());
        encoder.number(self.version());
        match self {
            Self::Image(image) => {
                encoder.platform(&image.platform);
                encoder.option(image.chain, |encoder, chain| encoder.bytes(chain.0.as_bytes()));
            }
            Self::Context(context) => encoder.text(&context.name),
            Self::Inline(files) => encoder.list(files, |encoder, file| {
                encoder.text(&file.name);
                encoder.bytes(&file.content);
                encoder.number(file.mode.into());
            }),
            Self::Run(run) => run.encode(encoder),
            Self::Copy(copy) => copy.encode(encoder),
            Self::Mkdir(mkdir) => {
                encoder.text(&mkdir.path);
                encoder.text(&mkdir.owner);
            }
            Self::Merge => {}
        }
    }

    /// True for [`Op::Image`], [`Op::Context`] and [`Op::Inline`].
    #[must_use]
    pub fn is_source(&self) -> bool {
        matches!(self, Self::Image(_) | Self::Context(_) | Self::Inline(_))
    }

    fn tag(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::Context(_) => "context",
            Self::Inline(_) => "inline",
            Self::Run(_) => "run",
            Self::Copy(_) => "copy",
            Self::Mkdir(_) => "mkdir",
            Self::Merge => "merge",
        }
    }

    /// Raised when the same fields come to mean another result, so that older results stop being found.
    fn version(&self) -> u64 {
        match self {
            Self::Image(_)
            | Self::Context(_)
            | Self::Inline(_)
            | Self::Run(_)
            | Self::Copy(_)
            | Self::Mkdir(_)
            | Self::Merge => 1,
        }
    }
}

impl Run {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.list(&self.args, |encoder, arg| encoder.text(arg));
        // A process finds its variables by name: their order is no difference.
        let mut env: Vec<_> = self.env.iter().collect();
        env.sort();
        encoder.list(env, |encoder, (name, value)| {
            encoder.text(name);
            encoder.text(value);
        });
        encoder.text(&self.cwd);
        encoder.text(&self.user);
        encoder.text(match self.network {
            Network::Host => "host",
            Network::None => "none",
        });
        encoder.list(&self.mounts, |encoder, mount| {
            encoder.text(&mount.target);
            mount.kind.encode(encoder);
        });
        let mut secrets: Vec<_> = self.secret_env.iter().map(|s| (&s.name, &s.id, s.required)).collect();
        secrets.sort();
        encoder.list(secrets, |encoder, (name, id, required)| {
            encoder.text(name);
            encoder.text(id);
            encoder.flag(required);
        });
        encoder.option(self.script.as_ref(), |encoder, script| {
            encoder.text(&script.path);
            encoder.text(&script.content);
        });
    }
}

impl MountKind {
    fn encode(&self, encoder: &mut KeyEncoder) {
        match self {
            Self::Bind { source, path, writable } => {
                encoder.text("bind");
                encoder.number(*source as u64);
                encoder.text(path);
                encoder.flag(*writable);
            }
            // What a cache holds never decides a result, so what fills a new one is all that counts besides the id.
            Self::Cache { id, sharing, source, mode, uid, gid, read_only } => {
                encoder.text("cache");
                encoder.text(id);
                encoder.text(match sharing {
                    CacheSharing::Shared => "shared",
                    CacheSharing::Private => "private",
                    CacheSharing::Locked => "locked",
                });
                encoder.option(source.as_ref(), |encoder, (source, path)| {
                    encoder.number(*source as u64);
                    encoder.text(path);
                });
                for number in [mode, uid, gid] {
                    encoder.number((*number).into());
                }
                encoder.flag(*read_only);
            }
            Self::Tmpfs { size } => {
                encoder.text("tmpfs");
                encoder.option(*size, KeyEncoder::number);
            }
            Self::Secret { id, required, mode, uid, gid } => {
                encoder.text("secret");
                encoder.text(id);
                encoder.flag(*required);
                for number in [mode, uid, gid] {
                    encoder.number((*number).into());
                }
            }
        }
    }
}

impl Copy {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.list(&self.sources, |encoder, source| {
            encoder.number(source.source as u64);
            encoder.text(&source.pattern);
        });
        encoder.text(&self.dest);
        encoder.option(self.chown.as_deref(), KeyEncoder::text);
        encoder.option(self.chmod.as_ref(), |encoder, mode| match mode {
            Mode::Octal(bits) => encoder.number((*bits).into()),
            Mode::Symbolic(_) => {
                // No octal mode is this large.
                encoder.number(u64::MAX);
                encoder.text(&mode.to_string());
            }
        });
        encoder.list(&self.exclude, |encoder, pattern| encoder.text(pattern));
        encoder.flag(self.parents);
        encoder.flag(self.link);
        encoder.text(match self.unpack {
            Unpack::Never => "never",
            Unpack::Auto => "auto",
            Unpack::Always => "always",
        });
    }
}
