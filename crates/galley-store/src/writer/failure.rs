//! Why one file of a layer could not be written.

use std::io;

use galley_image::TreePath;

use crate::StoreError;

/// Why a file could not be written.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is about the source, which the error names.
    Source(StoreError),
    /// It is about the file itself.
    Target(&'static str, io::Error),
    /// It is about an extended attribute of the file, with its size in bytes.
    Attribute(Box<[u8]>, usize, io::Error),
}

impl Failure {
    /// The failure, which happened to `path` of the layer.
    pub(super) fn at(self, path: &TreePath) -> StoreError {
        match self {
            Self::Source(error) => error,
            Self::Target(action, error) => StoreError::io(action, path.display(), error),
            Self::Attribute(name, size, source) => StoreError::Attribute {
                path: path.clone(),
                name: String::from_utf8_lossy(&name).into_owned(),
                size,
                source,
            },
        }
    }
}

pub(super) fn target<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Failure {
    move |error| Failure::Target(action, error.into())
}
