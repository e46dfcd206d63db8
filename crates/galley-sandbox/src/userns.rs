//! User namespaces: how a plain user's galley becomes root of its own ids.

mod caller;
mod ids;
mod reexec;

pub use caller::Caller;
pub use ids::{IdMap, IdRange, SubIds};
pub use reexec::{Reexec, in_user_namespace, reexec};

use std::io;
use std::path::PathBuf;

/// Why galley cannot run as root of a user namespace.
#[derive(Debug, thiserror::Error)]
pub enum UserNamespaceError {
    /// A file of subordinate ids has no line for the user.
    #[error(
        "{} gives user {user} no subordinate ids; let an administrator add the line `{user}:{suggested}:65536` to it (with a first id that no other line covers)",
        path.display()
    )]
    NoSubordinateIds {
        /// `/etc/subuid` or `/etc/subgid`.
        path: PathBuf,
        /// The user's name, or the id where it has none.
        user: String,
        /// A first id that is free in that file.
        suggested: u32,
    },
    /// A tool that writes the maps is missing.
    #[error("{tool} is not installed; install the package uidmap (shadow-utils on Fedora and RHEL)")]
    NoTool {
        /// `newuidmap` or `newgidmap`.
        tool: &'static str,
    },
    /// A tool that writes the maps refused.
    #[error(
        "{tool} refused the map {map}: {message}; it has to be set-uid root (or have the capability CAP_SETUID or CAP_SETGID), and its map has to be within /etc/subuid and /etc/subgid"
    )]
    MapRefused {
        /// `newuidmap` or `newgidmap`.
        tool: &'static str,
        /// Its arguments.
        map: String,
        /// What it wrote.
        message: String,
    },
    /// The kernel's setting forbids user namespaces for everyone.
    #[error(
        "user namespaces are switched off here: {sysctl} is 0; let an administrator raise it with `sysctl -w {sysctl}=15000`"
    )]
    SwitchedOff {
        /// The name of the setting.
        sysctl: &'static str,
    },
    /// AppArmor forbids user namespaces to programs without a profile (Ubuntu 23.10 and newer).
    #[error(
        "AppArmor forbids user namespaces to programs that it has no profile for; let an administrator install one for galley with the rule `userns,`, or switch the restriction off with `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
    )]
    AppArmor,
    /// The kernel refused for another reason.
    #[error(
        "cannot make a user namespace: {source}; a container around galley may forbid it, then run galley as root there"
    )]
    Refused {
        /// The kernel's answer.
        source: io::Error,
    },
    /// Something else failed on the way.
    #[error("cannot {action}: {source}")]
    Io {
        /// What galley was doing.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}
