//! The digest of a selection of a tree: what a step that copies or mounts the selection can see of it.
//!
//! Counted: path, type, permission bits, uid and gid, link target, device numbers, which files are hard-linked together,
//! the extended attributes that COPY keeps, and the bytes. Never counted: modification times and inode numbers, which
//! change without the content changing.

use std::collections::HashMap;

use crate::digest::TreeDigest;
use crate::entry::{Entry, Kind, LinkGroup};

/// Hashes a selection entry by entry. The caller gives the entries in one fixed order (path order).
pub struct TreeHasher {
    hash: blake3::Hasher,
    links: HashMap<(u32, LinkGroup), u64>,
    count: u64,
}

/// A file's bytes have not been hashed yet, so the selection has no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the content of `{0}` has not been hashed")]
pub struct Unhashed(pub String);

impl Default for TreeHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl TreeHasher {
    /// A hasher of an empty selection.
    #[must_use]
    pub fn new() -> Self {
        Self { hash: blake3::Hasher::new_derive_key("galley tree digest 1"), links: HashMap::new(), count: 0 }
    }

    /// Adds one entry under the path that the step sees it at. `origin` tells link groups of different layers apart.
    ///
    /// # Errors
    /// [`Unhashed`] for a regular file without a content digest.
    pub fn add(&mut self, path: &[u8], entry: &Entry, origin: u32) -> Result<(), Unhashed> {
        self.hash.update(b"e");
        self.bytes(path);
        for number in [entry.mode, entry.uid, entry.gid] {
            self.hash.update(&number.to_le_bytes());
        }
        match &entry.kind {
            Kind::File(file) => {
                let digest =
                    file.digest.ok_or_else(|| Unhashed(String::from_utf8_lossy(path).into_owned()))?;
                let count = self.count;
                let first = file
                    .link_group
                    .map_or(u64::MAX, |group| *self.links.entry((origin, group)).or_insert(count));
                self.hash.update(b"f").update(&file.size.to_le_bytes()).update(&digest.0);
                // A link group with one selected member is an ordinary file: only a second name makes it visible.
                self.number(if first == count { u64::MAX } else { first });
            }
            Kind::Directory => {
                self.hash.update(b"d");
            }
            Kind::Symlink(target) => {
                self.hash.update(b"l");
                self.bytes(target);
            }
            Kind::CharDevice { major, minor } => self.device(*b"c", *major, *minor),
            Kind::BlockDevice { major, minor } => self.device(*b"b", *major, *minor),
            Kind::Fifo => {
                self.hash.update(b"p");
            }
        }
        self.number(entry.xattrs.len() as u64);
        for (name, value) in &entry.xattrs {
            self.bytes(name);
            self.bytes(value);
        }
        self.count += 1;
        Ok(())
    }

    /// Adds a word about the selection itself, such as the name that a wildcard source lands under.
    pub fn note(&mut self, word: &[u8]) {
        self.hash.update(b"n");
        self.bytes(word);
    }

    /// The digest of everything that was added.
    #[must_use]
    pub fn finish(mut self) -> TreeDigest {
        let count = self.count;
        self.number(count);
        TreeDigest(*self.hash.finalize().as_bytes())
    }

    fn device(&mut self, kind: [u8; 1], major: u32, minor: u32) {
        self.hash.update(&kind).update(&major.to_le_bytes()).update(&minor.to_le_bytes());
    }

    fn number(&mut self, number: u64) {
        self.hash.update(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.hash.update(bytes);
    }
}
