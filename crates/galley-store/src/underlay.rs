//! A layer may lie over another one, its *underlay*, and hold only the files in which the two differ.
//!
//! `COPY . .` after an edit gives a layer of which all but a few files are those of the layer before. A hard link for each
//! of 50,000 costs most of the rebuild; one more lower directory costs nothing. What such a layer contains is still its
//! manifest, whole; the underlay only says where the bytes are. So the rule is: every path of the underlay is a path of the
//! layer, hidden by a file of the layer's own or meant to show. An underlay has none itself: a layer of many edits lies over
//! the first one.
//!
//! ```text
//! "galley underlay 1\n"
//! id "\n"                     of the underlay, 32 hex digits
//! (path "\0")*                the layer's own files: all that the underlay does not show
//! blake3                      32 bytes, over everything before
//! ```

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use galley_image::TreePath;
use rusqlite::{Connection, OptionalExtension};

use crate::store::Inner;
use crate::{LayerId, Store, StoreError};

const MAGIC: &[u8] = b"galley underlay 1\n";
const CHECKSUM: usize = 32;

/// What a layer lies over, and which files it has itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Underlay {
    /// The layer below, which has no underlay.
    pub(crate) layer: LayerId,
    own: HashSet<TreePath>,
}

impl Underlay {
    pub(crate) fn new(layer: LayerId, own: HashSet<TreePath>) -> Self {
        Self { layer, own }
    }

    /// Whether the underlay has the file, not the layer itself. Directories are in both.
    pub(crate) fn shows(&self, path: &TreePath) -> bool {
        !self.own.contains(path)
    }

    /// Writes it to a new file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let mut file = fs::File::create_new(path).map_err(StoreError::on("create", path))?;
        file.write_all(&self.seal()).map_err(StoreError::on("write", path))
    }

    fn seal(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(format!("{}\n", self.layer).as_bytes());
        let mut own: Vec<&TreePath> = self.own.iter().collect();
        own.sort_unstable();
        for path in own {
            bytes.extend_from_slice(path.as_bytes());
            bytes.push(0);
        }
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes
    }

    fn unseal(bytes: &[u8]) -> Option<Self> {
        let (sealed, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
        if blake3::hash(sealed).as_bytes().as_slice() != checksum {
            return None;
        }
        let rest = sealed.strip_prefix(MAGIC)?;
        let (id, paths) = rest.split_at(rest.iter().position(|byte| *byte == b'\n')?);
        let layer = std::str::from_utf8(id).ok()?.parse().ok()?;
        let paths = paths.get(1..)?.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        let own = paths.map(|path| TreePath::strict(path).ok()).collect::<Option<_>>()?;
        Some(Self { layer, own })
    }

    /// Reads it; `None` where there is no such file, as with most layers.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", path, error)),
        };
        let corrupt =
            || StoreError::Corrupt { path: path.into(), reason: "it is not what was written".into() };
        Self::unseal(&bytes).map(Some).ok_or_else(corrupt)
    }
}

impl Store {
    /// What a layer lies over.
    pub(crate) fn underlay(&self, layer: LayerId) -> Result<Option<Arc<Underlay>>, StoreError> {
        if let Some(known) = self.inner.memo.underlay(layer) {
            return Ok(known);
        }
        let found = Underlay::read(&self.inner.underlay_path(layer))?.map(Arc::new);
        self.inner.memo.put_underlay(layer, found.clone());
        Ok(found)
    }
}

impl Inner {
    pub(crate) fn underlay_path(&self, layer: LayerId) -> std::path::PathBuf {
        self.layer_directory(layer).join("underlay")
    }
}

/// The underlay that the database knows of: what pruning goes by.
pub(crate) fn underlay_of(connection: &Connection, layer: LayerId) -> rusqlite::Result<Option<LayerId>> {
    let sql = "SELECT underlay FROM underlays_1 WHERE layer = ?1";
    connection.prepare_cached(sql)?.query_row([layer], |row| row.get(0)).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_what_is_read() {
        let paths = ["a", "a/b", "c\n"].map(|path| TreePath::clean(path.as_bytes()).unwrap());
        for own in [HashSet::new(), HashSet::from(paths)] {
            let underlay = Underlay::new(LayerId::random().unwrap(), own);
            let bytes = underlay.seal();
            assert_eq!(Underlay::unseal(&bytes), Some(underlay));
            for end in 0..bytes.len() {
                assert_eq!(Underlay::unseal(&bytes[..end]), None, "cut off at {end}");
            }
        }
    }
}
