//! When a file of another layer may be hard-linked instead of copied, or show through.
//!
//! A second name must not show. So: metadata and digest agree; the inode is not in the layers below, nor in the layer
//! itself already (`cp -a` and tar would see a link that is not there); and no step runs on a layer that has the inode,
//! since linking changes its ctime. Layers that share inodes are a *family*; running steps lock the layers below them
//! shared, and who links locks the whole family exclusively, or else copies.
//!
//! That no inode comes twice into the layer is known without looking at any: of each family only one layer's files are linked, each
//! once, and none that has several names there.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use galley_image::{Change, ContentDigest, Entry, Kind, TreePath};
use rusqlite::params;

use crate::lock::lock_directory;
use crate::{LayerId, Store, StoreError};

/// Decides, for one layer in the making.
#[derive(Debug)]
pub(crate) struct Links {
    below: HashSet<LayerId>,
    families: HashMap<LayerId, Option<Arc<Family>>>,
    /// What was linked already.
    used: HashSet<(LayerId, TreePath)>,
    forbidden: bool,
}

/// A locked family of layers.
#[derive(Debug)]
pub(crate) struct Family {
    _locks: Vec<File>,
    /// The one layer whose files are linked.
    pub(super) from: LayerId,
    /// Inodes of the family that the layers below the new one have already.
    below: HashSet<(u64, u64)>,
}

impl Family {
    /// Whether the layers below the new one have any inode of the family.
    pub(super) fn has_some_below(&self) -> bool {
        !self.below.is_empty()
    }

    /// Whether the layers below the new one have the inode of `file` already, or it cannot be told.
    pub(super) fn is_below(&self, file: &Path) -> bool {
        if self.below.is_empty() {
            return false;
        }
        let stat = rustix::fs::lstat(file);
        stat.map_or(true, |stat| stat.st_nlink > 1 && self.below.contains(&(stat.st_dev, stat.st_ino)))
    }
}

impl Links {
    pub(super) fn new(below: HashSet<LayerId>) -> Self {
        Self { below, families: HashMap::new(), used: HashSet::new(), forbidden: false }
    }

    /// Never links.
    pub(super) fn forbid(&mut self) {
        self.forbidden = true;
    }

    /// The digest of a layer's file, if it is known; and the locked family of that layer, if the file may be linked for an entry of
    /// the new layer.
    pub(super) fn find(
        &mut self,
        store: &Store,
        layer: LayerId,
        path: &TreePath,
        wanted: &Entry,
    ) -> Result<(Option<ContentDigest>, Option<Arc<Family>>), StoreError> {
        let not_a_file = || StoreError::NotAFile { path: store.file_path(layer, path) };
        let diff = store.diff(layer)?;
        let Some(Change::Put { entry, .. }) = diff.get(path) else {
            return Err(not_a_file());
        };
        let Kind::File(file) = &entry.kind else {
            return Err(not_a_file());
        };
        let agrees = (entry.mode, entry.uid, entry.gid, entry.mtime)
            == (wanted.mode, wanted.uid, wanted.gid, wanted.mtime)
            && entry.xattrs == wanted.xattrs;
        let alone = file.link_group.is_none();
        let linkable = agrees && alone && file.size > 0 && file.digest.is_some() && !self.forbidden;
        let family = if linkable { self.family(store, layer)? } else { None };
        Ok((file.digest, family.filter(|family| family.from == layer)))
    }

    /// Whether the file was linked.
    pub(super) fn is_used(&self, layer: LayerId, path: &TreePath) -> bool {
        !self.used.is_empty() && self.used.contains(&(layer, path.clone()))
    }

    /// Notes that the file is linked; false if it was already.
    pub(super) fn use_once(&mut self, layer: LayerId, path: &TreePath) -> bool {
        self.used.insert((layer, path.clone()))
    }

    fn family(&mut self, store: &Store, layer: LayerId) -> Result<Option<Arc<Family>>, StoreError> {
        if self.below.contains(&layer) {
            return Ok(None);
        }
        if let Some(family) = self.families.get(&layer) {
            return Ok(family.clone());
        }
        let family = match lock_family(store, layer)? {
            Some((locks, members)) => {
                let shared = members.intersection(&self.below);
                let below = shared.map(|layer| inodes(store, *layer)).collect::<Result<Vec<_>, _>>()?;
                let below = below.into_iter().flatten().collect();
                let family = Arc::new(Family { _locks: locks, from: layer, below });
                // One lock for the whole family, whichever member a file is from.
                for member in members {
                    self.families.insert(member, Some(Arc::clone(&family)));
                }
                Some(family)
            }
            None => None,
        };
        self.families.insert(layer, family.clone());
        Ok(family)
    }
}

type Locked = (Vec<File>, HashSet<LayerId>);

/// Locks all layers that may share inodes with `layer`; `None` if one is in use.
fn lock_family(store: &Store, layer: LayerId) -> Result<Option<Locked>, StoreError> {
    let members = members(store, layer)?;
    let mut locks = Vec::with_capacity(members.len());
    for member in &members {
        match lock_directory(&store.inner.layer_directory(*member), false, false) {
            Ok(Some(lock)) => locks.push(lock),
            // In use; or pruned just now.
            Ok(None) | Err(_) => return Ok(None),
        }
    }
    // Somebody who had the lock just before may have made the family larger.
    if self::members(store, layer)? != members {
        return Ok(None);
    }
    Ok(Some((locks, members)))
}

fn members(store: &Store, layer: LayerId) -> Result<HashSet<LayerId>, StoreError> {
    store.inner.database.read(|connection| {
        let sql = "SELECT id FROM layers_1 WHERE present = 1 AND (id = ?1 \
                   OR family = (SELECT family FROM layers_1 WHERE id = ?1))";
        connection.prepare_cached(sql)?.query_map(params![layer], |row| row.get(0))?.collect()
    })
}

/// The inodes of a layer's files.
fn inodes(store: &Store, layer: LayerId) -> Result<Vec<(u64, u64)>, StoreError> {
    let mut inodes = Vec::new();
    for (path, change) in store.diff(layer)?.iter() {
        if let Change::Put { entry, .. } = change
            && entry.file().is_some()
        {
            let path = store.file_path(layer, path);
            let stat = rustix::fs::lstat(&path).map_err(StoreError::on("read", &path))?;
            inodes.push((stat.st_dev, stat.st_ino));
        }
    }
    Ok(inodes)
}
