//! Writer.
use crate::{LayerId, StoreError};
use galley_image::{ContentDigest, Entry, TreePath};
use std::io::Read;
use std::path::PathBuf;

/// Where a copied file's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// A file on disk that may change at any time, such as one of a build context.
    Disk {
        /// Where it is; the last component is not followed if it is a symbolic link.
        path: PathBuf,
        /// The digest that its bytes must have: the one that the step's key was made of.
        expect: Option<ContentDigest>,
    },
    /// A file of a layer of this store.
    Layer {
        /// The layer that holds the bytes (and keeps them: hold a snapshot of it under a lease).
        layer: LayerId,
        /// Its path there.
        path: TreePath,
    },
}

/// Writes the files of one layer and keeps account of them.
pub struct LayerWriter {
    _private: (),
}

impl LayerWriter {
    /// Puts a directory; its mode, owner and mtime are set when the layer is sealed. On a directory of the parent, contents merge.
    pub fn put_directory(&mut self, path: &TreePath, entry: &Entry) -> Result<(), StoreError> {
        let _ = (path, entry);
        todo!()
    }
    /// Puts a symbolic link, device node or fifo, by the entry's kind (a directory or an empty file too).
    pub fn put_special(&mut self, path: &TreePath, entry: &Entry) -> Result<(), StoreError> {
        let _ = (path, entry);
        todo!()
    }
    /// Puts a file whose bytes come from `content`; returns their digest. The entry's size and digest are ignored.
    pub fn put_file(
        &mut self,
        path: &TreePath,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<ContentDigest, StoreError> {
        let _ = (path, entry, content);
        todo!()
    }
    /// Puts a copy of a file, made by a worker thread: a later call or the commit tells if it failed.
    pub fn put_file_from(
        &mut self,
        path: &TreePath,
        entry: &Entry,
        source: FileSource,
    ) -> Result<(), StoreError> {
        let _ = (path, entry, source);
        todo!()
    }
    /// Makes `path` another name of `target`, a file that this writer has put or that the parent has (then its bytes are copied into this layer first).
    pub fn put_hardlink(&mut self, path: &TreePath, target: &TreePath) -> Result<(), StoreError> {
        let _ = (path, target);
        todo!()
    }
    /// Deletes `path` of the parent. Nothing happens if there is none.
    pub fn whiteout(&mut self, path: &TreePath) -> Result<(), StoreError> {
        let _ = path;
        todo!()
    }
    /// Hides what the parent has in the directory `path`.
    pub fn opaque(&mut self, path: &TreePath) -> Result<(), StoreError> {
        let _ = path;
        todo!()
    }
}
