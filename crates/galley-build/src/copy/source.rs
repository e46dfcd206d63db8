//! Where the bytes of selected files are: a context directory, the layers of a snapshot, or the Dockerfile itself.

use std::fs::File;
use std::io::{self, Read};

use galley_image::{ContentDigest, Entry, FileContent, Kind, LinkGroup, Mtime, Tree, TreePath};
use galley_plan::InlineFile;
use galley_store::{FileSource, LayerId, Snapshot, Store, StoreError};

use super::Selected;
use crate::context::{Context, ContextError};

/// Where the bytes of one source's files are.
#[derive(Clone, Copy)]
pub enum SourceBytes<'s> {
    /// In a context directory.
    Context(&'s Context),
    /// In the layers of a snapshot.
    Layers {
        /// The store that has them.
        store: &'s Store,
        /// The snapshot's chain, lowest first; a node's origin is an index into it.
        chain: &'s [Snapshot],
    },
    /// In the Dockerfile.
    Inline(&'s [InlineFile]),
}

/// Why a source's file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file of a build context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A file of a layer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kernel refused.
    #[error("cannot read {path:?}: {source}")]
    Io {
        /// The file, in its source's tree.
        path: TreePath,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The tree and the source do not belong together.
    #[error("{0:?} is not among the source's files")]
    Unknown(TreePath),
}

/// The bytes of one file.
pub(super) enum Bytes<'s> {
    /// On disk, or in a layer.
    Stored(FileSource),
    /// In memory.
    Here(&'s [u8]),
}

impl<'s> SourceBytes<'s> {
    /// The content digests of `files`, in the same order.
    pub(super) fn digests(&self, files: &[Selected<'_>]) -> Result<Vec<ContentDigest>, ReadError> {
        match self {
            Self::Context(context) => {
                let paths: Vec<&TreePath> = files.iter().map(|file| file.path).collect();
                Ok(context.digests(&paths)?)
            }
            Self::Layers { store, .. } => {
                let layered = files
                    .iter()
                    .map(|file| Ok((self.layer(file.path, file.node.origin)?, file.path.clone())));
                Ok(store.digest_files(&layered.collect::<Result<Vec<_>, ReadError>>()?)?)
            }
            Self::Inline(_) => {
                files.iter().map(|file| Ok(ContentDigest::of(self.inline(file.path)?))).collect()
            }
        }
    }

    /// Where the bytes of the file at `path` are. `expect` is what they must hash to.
    pub(super) fn bytes(
        &self,
        path: &TreePath,
        origin: u32,
        expect: Option<ContentDigest>,
    ) -> Result<Bytes<'s>, ReadError> {
        Ok(match self {
            Self::Context(context) => {
                Bytes::Stored(FileSource::Disk { path: context.disk_path(path), expect })
            }
            Self::Layers { .. } => {
                Bytes::Stored(FileSource::Layer { layer: self.layer(path, origin)?, path: path.clone() })
            }
            Self::Inline(_) => Bytes::Here(self.inline(path)?),
        })
    }

    /// Opens the file at `path` for reading.
    pub(crate) fn open(&self, path: &TreePath, origin: u32) -> Result<Box<dyn Read + 's>, ReadError> {
        let failed = |source| ReadError::Io { path: path.clone(), source };
        Ok(match self {
            Self::Context(context) => Box::new(context.open(path)?),
            Self::Layers { store, .. } => {
                let on_disk = store.file_path(self.layer(path, origin)?, path);
                Box::new(File::open(on_disk).map_err(failed)?)
            }
            Self::Inline(_) => Box::new(self.inline(path)?),
        })
    }

    fn layer(&self, path: &TreePath, origin: u32) -> Result<LayerId, ReadError> {
        let at = usize::try_from(origin).unwrap_or(usize::MAX);
        match self {
            Self::Layers { chain, .. } => chain.get(at).map(|snapshot| snapshot.layer),
            _ => None,
        }
        .ok_or_else(|| ReadError::Unknown(path.clone()))
    }

    fn inline(&self, path: &TreePath) -> Result<&'s [u8], ReadError> {
        match self {
            Self::Inline(files) => files.iter().find(|file| file.name.as_bytes() == path.as_bytes()),
            _ => None,
        }
        .map(|file| file.content.as_slice())
        .ok_or_else(|| ReadError::Unknown(path.clone()))
    }
}

/// The tree of files that stand in the Dockerfile, made at `created`.
#[must_use]
pub fn inline_tree(files: &[InlineFile], created: Mtime) -> Tree {
    let link_group: Option<LinkGroup> = None;
    let entry = |file: &InlineFile| Entry {
        kind: Kind::File(FileContent {
            size: file.content.len() as u64,
            digest: Some(ContentDigest::of(&file.content)),
            link_group,
        }),
        ..Entry::directory(file.mode, created)
    };
    Tree::from_entries(
        files.iter().filter_map(|file| Some((TreePath::clean(file.name.as_bytes()).ok()?, entry(file)))),
    )
}
