//! Why a root file system could not be made.

use std::io;
use std::path::{Path, PathBuf};

use galley_sandbox::{Exit, SandboxError};
use galley_store::StoreError;

use crate::archive::ArchiveError;
use crate::archive::lock::LockProblem;
use crate::root::DebProblem;

/// Why a root file system could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BasesError {
    /// The root would be empty.
    #[error("the root has no packages: name some with include")]
    NoPackages,
    /// Something is wrong with a package.
    #[error("cannot unpack the package {package} ({}): {problem}", file.display())]
    Package {
        /// Its name.
        package: String,
        /// Its file.
        file: PathBuf,
        /// What.
        problem: Box<DebProblem>,
    },
    /// A package's files cannot be written.
    #[error("cannot unpack the package {package} ({}): {source}", file.display())]
    Unpack {
        /// Its name.
        package: String,
        /// Its file.
        file: PathBuf,
        /// The store's answer.
        source: StoreError,
    },
    /// A package's script failed.
    #[error("configuring the packages ended with exit code {}:\n{tail}", exit.shell_code())]
    Configure {
        /// How dpkg ended.
        exit: Exit,
        /// The last that it and the scripts wrote.
        tail: String,
    },
    /// The disk was full while packages were configured.
    #[error("no space is left for the store {} while packages are configured: make room, for example with `galley prune`", store.display())]
    NoSpace {
        /// The store.
        store: PathBuf,
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
    /// The packages cannot be had.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The lock file.
    #[error("the lock file {}: {problem}", file.display())]
    Lock {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        problem: LockProblem,
    },
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BasesError {
    /// For `map_err`: a [`BasesError::Io`].
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
