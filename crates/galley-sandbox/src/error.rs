//! Why a process could not be run, in words a person can act on.

use std::io;
use std::path::PathBuf;

/// Why a process could not be run. What the process itself does wrong is an [`crate::Exit`].
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The description of the process contradicts itself.
    #[error("cannot run the process: {problem}")]
    InvalidProcess {
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// The kernel refused to make the namespaces.
    #[error("cannot make the sandbox's namespaces: {source}; {advice}")]
    Namespaces {
        /// The kernel's answer.
        source: io::Error,
        /// What to do.
        advice: String,
    },
    /// One operation of the set-up failed.
    #[error("cannot {action}: {source}; {advice}")]
    Setup {
        /// The operation and its path in words, e.g. "mount the overlay of 3 layers".
        action: String,
        /// The kernel's answer.
        source: io::Error,
        /// What to do.
        advice: String,
    },
    /// The program is not there. Shells call this exit code 127.
    #[error(
        "{program}: not found in the root file system ({searched}); check the spelling, or install it in an earlier step"
    )]
    NotFound {
        /// The program as it was asked for.
        program: String,
        /// Where it was looked for.
        searched: String,
    },
    /// The program is there, but its interpreter (`#!` line or dynamic loader) is not.
    #[error(
        "{program}: the file exists, but its interpreter does not; look at its #! line (and for carriage returns in it), or whether it was linked for another C library"
    )]
    NoInterpreter {
        /// The program as it was asked for.
        program: String,
    },
    /// The program is there, but cannot be executed. Shells call this exit code 126.
    #[error("{program}: cannot be executed: {source}; {advice}")]
    NotExecutable {
        /// The program as it was asked for.
        program: String,
        /// The kernel's answer.
        source: io::Error,
        /// What to do.
        advice: String,
    },
    /// The working directory cannot be entered.
    #[error("cannot enter the working directory {}: {source}; create it first (WORKDIR does)", path.display())]
    WorkingDirectory {
        /// The directory, inside the root.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Galley's own side failed while the process ran.
    #[error("cannot {action} while the process runs: {source}")]
    Supervise {
        /// What galley was doing.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The run was cancelled and every process of the sandbox killed.
    #[error("cancelled")]
    Cancelled,
}

impl SandboxError {
    /// The exit code a shell would give for this failure: 127 for a program that is not there, 126 for
    /// one that cannot be executed, 125 (as docker) for everything else.
    pub fn shell_code(&self) -> i32 {
        match self {
            Self::NotFound { .. } | Self::NoInterpreter { .. } => 127,
            Self::NotExecutable { .. } => 126,
            _ => 125,
        }
    }
}
