//! Why a command failed, and the exit code that goes with it.

use std::io;
use std::path::PathBuf;

use galley_build::container::RunError;
use galley_build::error::{BuildError, ImageError};
use galley_registry::RegistryError;
use galley_sandbox::SandboxError;
use galley_sandbox::userns::UserNamespaceError;
use galley_store::StoreError;

use crate::config::ConfigError;
use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option has a value that means nothing.
    #[error("{option} {value}: {problem}")]
    Option {
        /// The option, as typed: `--build-arg`.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Options that contradict each other.
    #[error("{0}")]
    Usage(&'static str),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no Dockerfile.
    #[error("there is no Dockerfile at {}{hint}", path.display())]
    NoDockerfile {
        /// Where it was looked for.
        path: PathBuf,
        /// What to do.
        hint: String,
    },
    /// Something that cannot be read as a Dockerfile or an ignore file.
    #[error("{} {problem}", path.display())]
    NotText {
        /// What was named.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A file or directory of the machine.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A tar context.
    #[error(transparent)]
    TarContext(Box<galley_build::context::TarContextError>),
    /// The build; its text has been shown with the Dockerfile's lines.
    #[error(transparent)]
    Build(Box<BuildError>),
    /// An image's layers.
    #[error(transparent)]
    Image(Box<ImageError>),
    /// An image that was named on the command line cannot be had.
    #[error("cannot get the image {reference}: {source}")]
    Pull {
        /// Its name.
        reference: String,
        /// What happened.
        source: Box<ImageError>,
    },
    /// The store.
    #[error(transparent)]
    Store(Box<StoreError>),
    /// A root of packages.
    #[error(transparent)]
    Root(Box<galley_bases::BasesError>),
    /// A registry.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(Box<SandboxError>),
    /// A run.
    #[error(transparent)]
    Run(Box<RunError>),
    /// The user namespace of a plain user.
    #[error(transparent)]
    UserNamespace(Box<UserNamespaceError>),
    /// An output.
    #[error(transparent)]
    Export(Box<galley_build::export::ExportError>),
    /// An archive to load.
    #[error(transparent)]
    Archive(Box<crate::archive::ArchiveError>),
    /// A build has not happened.
    #[error("{} has not been built with this store: build it first", .0)]
    NeverBuilt(String),
    /// A path is not in an image.
    #[error("there is no {path} in {image}{hint}")]
    NoSuchPath {
        /// The path.
        path: String,
        /// The image or stage.
        image: String,
        /// What is there instead.
        hint: String,
    },
}

impl Error {
    /// The exit code of a command that fails so.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Option { .. } | Self::Usage(_) | Self::Config(_) => Exit::USAGE,
            _ => Exit::FAILED,
        }
    }

    /// For `map_err`: an [`Error::Io`].
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// Boxed, because results carry an error's size also where all is well.
macro_rules! boxed {
    ($($variant:ident($source:ty)),* $(,)?) => {
        $(impl From<$source> for Error {
            fn from(source: $source) -> Self {
                Self::$variant(Box::new(source))
            }
        })*
    };
}

boxed!(
    TarContext(galley_build::context::TarContextError),
    Build(BuildError),
    Image(ImageError),
    Store(StoreError),
    Root(galley_bases::BasesError),
    Registry(RegistryError),
    Sandbox(SandboxError),
    Run(RunError),
    UserNamespace(UserNamespaceError),
    Export(galley_build::export::ExportError),
    Archive(crate::archive::ArchiveError),
);
