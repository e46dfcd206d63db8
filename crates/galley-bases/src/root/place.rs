//! Files that galley itself puts into a root, with the root's date.

use galley_image::FileContent;
use galley_image::{Entry, Kind, Mtime, TreePath};
use galley_store::{LayerWriter, StoreError};

/// Writes files of root's, all with one date.
pub struct Placer<'a> {
    /// Takes them.
    pub writer: &'a mut LayerWriter,
    /// Seconds since 1970.
    pub date: i64,
}

impl Placer<'_> {
    /// A file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<(), StoreError> {
        let kind = Kind::File(FileContent { size: content.len() as u64, digest: None, link_group: None });
        let entry = Entry { kind, ..self.directory_entry(mode) };
        let mut content = content;
        self.writer.put_file(&at(path), &entry, &mut content).map(drop)
    }

    /// A directory of `owner`, who is user and group.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn directory(&mut self, path: &str, mode: u32, owner: u32) -> Result<(), StoreError> {
        let entry = Entry { uid: owner, gid: owner, ..self.directory_entry(mode) };
        self.writer.put_directory(&at(path), &entry)
    }

    /// A symbolic link.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), StoreError> {
        let entry = Entry { kind: Kind::Symlink(target.as_bytes().into()), ..self.directory_entry(0o777) };
        self.writer.put_special(&at(path), &entry)
    }

    fn directory_entry(&self, mode: u32) -> Entry {
        Entry::directory(mode, Mtime { seconds: self.date, nanoseconds: 0 })
    }
}

/// A path that is written in this crate, or made of names that were checked.
fn at(path: &str) -> TreePath {
    TreePath::clean(path.as_bytes()).unwrap_or_default()
}
