//! What can be wrong with the configuration.

use std::io;
use std::path::PathBuf;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A configuration file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A configuration file cannot be understood.
    #[error("{}:{line}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// There is no place for a user's store.
    #[error("HOME is not set, so there is no place for the store: give one with --store DIR")]
    NoHome,
    /// `--snapshot` is no date.
    #[error("--snapshot {0}: write a date such as 2026-07-11 or 20260711T101637Z")]
    Moment(String),
    /// `--snapshot` without a mirror that has any.
    #[error(
        "--snapshot needs a mirror that keeps every state of the archive: give its URI, with `{{archive}}` and `{{moment}}` in it, as `snapshot` in [debian] of galley.toml, or with --mirror"
    )]
    NoSnapshotMirror,
    /// `SOURCE_DATE_EPOCH` is no time.
    #[error("SOURCE_DATE_EPOCH is `{0}`: write seconds since 1970, such as 1700000000")]
    SourceDateEpoch(String),
    /// No CA bundle is where the machine's own could be.
    #[error("no CA bundle was found on this machine (looked for {}): name one with --site-ca FILE", looked_for.join(", "))]
    NoHostBundle {
        /// Where it was looked for.
        looked_for: Vec<String>,
    },
    /// A file that a table names cannot be read.
    #[error("cannot read {} for [{table}]: {source}", path.display())]
    File {
        /// The table.
        table: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A CA bundle holds no certificate.
    #[error("{} holds no certificate: a CA bundle is a file of PEM blocks `BEGIN CERTIFICATE`", path.display())]
    NotABundle {
        /// The file.
        path: PathBuf,
    },
    /// A project's configuration reaches out of the project.
    #[error(
        "{} names {}, which is outside of the project: files of the machine are given to steps by the user's own configuration alone",
        config.display(), path.display()
    )]
    OutsideProject {
        /// The project's configuration file.
        config: PathBuf,
        /// The path in it.
        path: PathBuf,
    },
    /// A base that cannot be bound as it is written.
    #[error("{}: [bases] {name}: {problem}", config.display())]
    Base {
        /// The configuration file.
        config: PathBuf,
        /// The name.
        name: String,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A file's target in the root of a step is not absolute.
    #[error("[site] files: `{0}` is no absolute path, such as /etc/pip.conf")]
    RelativeTarget(String),
}
