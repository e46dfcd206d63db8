//! Everything that can go wrong on the way to a list of `.deb` files.

use std::io;
use std::path::PathBuf;

use galley_registry::{Failure, RegistryError};

use super::closure::ClosureError;
use super::lock::LockProblem;
use super::mirror::MalformedMirror;
use super::release::ReleaseProblem;

/// Why there are no packages. URIs are shown without credentials.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The machine's apt has none, or the machine has no apt.
    #[error("{} names no Debian mirror: give one with `--mirror URI`, or as `mirror` in galley.toml", .directory.display())]
    NoMirror {
        /// Where apt's sources were looked for.
        directory: PathBuf,
    },
    /// What was given as a mirror is none.
    #[error(transparent)]
    Mirror(#[from] MalformedMirror),
    /// The place that snapshots are asked for at is not usable.
    #[error(
        "the snapshot mirror `{template}` has to name `{{archive}}` and `{{moment}}` in its path, for an archive's name and a time such as 20260711T101637Z"
    )]
    Snapshot {
        /// As it was given.
        template: String,
    },
    /// Keys to check with.
    #[error("the keys {keyring} cannot be used: {detail}")]
    Keyring {
        /// Which: `of FILE`.
        keyring: String,
        /// What is wrong.
        detail: String,
    },
    /// The mirror has no such suite.
    #[error("there is no {uri}: check the name of the suite `{suite}`, and whether this mirror has it")]
    NoSuite {
        /// As it was asked for.
        suite: String,
        /// What was looked for.
        uri: String,
    },
    /// The suite has no such component, or not for this architecture.
    #[error("{uri} lists no packages of component `{component}` for {architecture}: check both names")]
    NoIndex {
        /// The release.
        uri: String,
        /// As it was asked for.
        component: String,
        /// As it was asked for.
        architecture: String,
    },
    /// A file did not come.
    #[error("cannot fetch {uri}: {problem}")]
    Fetch {
        /// Which.
        uri: String,
        /// Why not.
        problem: FetchProblem,
    },
    /// Nobody whose key is known says that this is what it says.
    #[error(
        "{uri} is not to be trusted: {detail}. It was checked with the keys {keyring}; name another keyring with `--keyring`, or take it as it is with `--allow-unsigned`"
    )]
    Untrusted {
        /// The release.
        uri: String,
        /// Why.
        detail: String,
        /// Which keys were tried.
        keyring: String,
    },
    /// It is signed, and too old: its mirror is frozen, or somebody holds updates back.
    #[error(
        "{uri} is out of date: {detail}. Use another mirror; one that is frozen on purpose is taken with `--allow-expired`"
    )]
    Expired {
        /// The release.
        uri: String,
        /// Since when.
        detail: String,
    },
    /// It is signed, and another one than was asked for.
    #[error("{uri} is not the release wanted: {problem}")]
    Release {
        /// The release.
        uri: String,
        /// What is wrong.
        problem: ReleaseProblem,
    },
    /// An index is not the one that its release lists.
    #[error(
        "{uri} is not the index that its release lists: {detail}. The mirror may be in the middle of an update: try again later, or use another one"
    )]
    Index {
        /// The index.
        uri: String,
        /// How it differs.
        detail: String,
    },
    /// See there.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// A package's file is not the one that was signed or locked.
    #[error(
        "{uri} is not the file of the package `{package}` that {expected_by} lists: {detail}. Use another mirror, or try again later"
    )]
    Package {
        /// Its name.
        package: String,
        /// The file.
        uri: String,
        /// The index, or the lock.
        expected_by: &'static str,
        /// How it differs.
        detail: String,
    },
    /// A package of the lock is not on the mirror any more.
    #[error(
        "the mirror does not have {uri} any more, which the lock has for the package `{package}`: use a snapshot mirror, or make the lock anew"
    )]
    Gone {
        /// Its name.
        package: String,
        /// The file.
        uri: String,
    },
    /// The lock is not for this request, or not whole.
    #[error("the lock does not fit: {0}; make it anew if that is meant")]
    Lock(#[from] LockProblem),
    /// A file of this machine.
    #[error("cannot {action} {}: {error}", .path.display())]
    Disk {
        /// `read`, `write`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The build was stopped.
    #[error("stopped")]
    Stopped,
}

impl ArchiveError {
    pub(super) fn disk(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Disk { action, path, error }
    }
}

/// Why a file did not come.
#[derive(Debug, thiserror::Error)]
pub enum FetchProblem {
    /// 404, 410, or no such file.
    #[error("the mirror does not have it")]
    NotFound,
    /// 401 or 403.
    #[error("the mirror refuses access ({0}): check the name and the password in its URI")]
    Denied(u16),
    /// Another status than these.
    #[error("the mirror answered {0}")]
    Status(u16),
    /// More came than there should be.
    #[error("it has more than {0} bytes")]
    TooLong(u64),
    /// The network.
    #[error(transparent)]
    Network(#[from] Failure),
    /// Certificates or proxies that cannot be used.
    #[error(transparent)]
    Configuration(Box<RegistryError>),
    /// Of a mirror that is a directory.
    #[error(transparent)]
    File(io::Error),
}

impl FetchProblem {
    /// Whether the same mirror may have it a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Network(failure) => matches!(failure, Failure::Timeout(_) | Failure::Broken { .. }),
            Self::Status(status) => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// Whether the mirror was not reached, or not in working order.
    pub(super) fn is_outage(&self) -> bool {
        matches!(self, Self::Network(_)) || matches!(self, Self::Status(500..))
    }
}
