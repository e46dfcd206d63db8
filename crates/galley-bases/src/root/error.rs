//! What can be wrong with one package.

use super::deb::DebError;

/// What is wrong with one package.
#[derive(Debug, thiserror::Error)]
pub enum DebProblem {
    /// The file around it.
    #[error(transparent)]
    Container(DebError),
    /// The control archive.
    #[error("its control archive: {0}")]
    ControlArchive(String),
    /// There is no control file.
    #[error("it has no control file")]
    NoControl,
    /// The control file lacks a field.
    #[error("its control file has no field {0}")]
    NoField(&'static str),
    /// The control file cannot be understood.
    #[error("its control file: {0}")]
    Control(String),
    /// It is another package than the index says.
    #[error("it is {found}, and {expected} was to be there: remove it from the package cache")]
    Another {
        /// Name, version and architecture in the file.
        found: String,
        /// Those in the index or lock.
        expected: String,
    },
    /// Its files' archive.
    #[error("its data archive: {0}")]
    DataArchive(String),
    /// A name that leads out of the root.
    #[error("it has the path `{path}`, which {reason}")]
    Path {
        /// As written.
        path: String,
        /// What it does.
        reason: &'static str,
    },
    /// A device node.
    #[error("it has the device node {0}, which no package of a root may have")]
    Device(String),
    /// Two packages have one file.
    #[error("it has {path}, which {other} has too, and it does not say that it replaces it")]
    Conflict {
        /// Where.
        path: String,
        /// The other package.
        other: String,
    },
    /// Something is put where another package has a directory or a link.
    #[error("it has {path}, but {at} is {what} of {other}")]
    Through {
        /// What was to be put there.
        path: String,
        /// What is in its way.
        at: String,
        /// `a symbolic link`, `a file`, `a directory`.
        what: &'static str,
        /// Whose.
        other: String,
    },
    /// A hard link to nothing.
    #[error("its hard link {path} names {target}, which it does not have")]
    HardLink {
        /// The link.
        path: String,
        /// What it names.
        target: String,
    },
}
