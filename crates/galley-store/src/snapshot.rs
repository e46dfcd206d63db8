//! Snapshots: their chains, their trees, and what is remembered of them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use galley_image::{ChainId, Diff, Digest, Tree, TreeDigest, TreePath};

use crate::database::{Failure, now};
use crate::failpoint::{FailPoint, reached};
use crate::view::View;
use crate::{LayerId, Lease, SnapshotId, Store, StoreError, manifest};

/// Whether a snapshot's files are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotState {
    /// Its files are there, and those of all it stands on.
    Present,
    /// Only manifests and digests are left.
    Pruned,
}

/// A layer on a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub id: SnapshotId,
    /// What it stands on; `None` for nothing.
    pub parent: Option<SnapshotId>,
    /// The layer that it adds.
    pub layer: LayerId,
    /// Whether the files are there.
    pub state: SnapshotState,
}

impl Store {
    /// When a layer was made: seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// [`StoreError::UnknownLayer`] and [`StoreError::Database`].
    pub fn layer_created(&self, layer: LayerId) -> Result<i64, StoreError> {
        let found = self.inner.database.read(|connection| {
            let mut select = connection.prepare_cached("SELECT created FROM layers_1 WHERE id = ?1")?;
            select.query_row(params![layer], |row| row.get(0)).optional()
        })?;
        found.ok_or(StoreError::UnknownLayer(layer))
    }

    /// The snapshot named `id`.
    ///
    /// # Errors
    /// [`StoreError::UnknownSnapshot`] and [`StoreError::Database`].
    pub fn snapshot(&self, id: SnapshotId) -> Result<Snapshot, StoreError> {
        let found = self.inner.database.read(|connection| {
            let sql = "SELECT id, parent, layer, present FROM snapshots_1 WHERE id = ?1";
            connection.prepare_cached(sql)?.query_row([id], snapshot_of).optional()
        })?;
        found.ok_or(StoreError::UnknownSnapshot(id))
    }

    /// The snapshot and all that it stands on, lowest first; empty for `None`.
    ///
    /// # Errors
    /// [`StoreError::UnknownSnapshot`] and [`StoreError::Database`].
    pub fn chain(&self, top: Option<SnapshotId>) -> Result<Vec<Snapshot>, StoreError> {
        let mut chain = Vec::new();
        let mut next = top;
        while let Some(id) = next {
            let snapshot = self.snapshot(id)?;
            next = snapshot.parent;
            chain.push(snapshot);
        }
        chain.reverse();
        Ok(chain)
    }

    /// The merged tree. A node's `origin` is the index into [`Store::chain`]. Known for pruned snapshots too.
    ///
    /// # Errors
    /// [`StoreError::UnknownSnapshot`], [`StoreError::Corrupt`] and [`StoreError::Database`].
    pub fn tree(&self, top: Option<SnapshotId>) -> Result<Arc<Tree>, StoreError> {
        let chain = self.chain(top)?;
        let memo = |snapshot: &Snapshot| self.inner.memo.tree(snapshot.id);
        let known = chain.iter().enumerate().rev().find_map(|(at, snapshot)| Some((at + 1, memo(snapshot)?)));
        let (known, mut tree) = known.unwrap_or_else(|| (0, Arc::new(Tree::empty())));
        for (origin, snapshot) in chain.iter().enumerate().skip(known) {
            let diff = self.diff(snapshot.layer)?;
            tree = Arc::new(tree.apply(&diff, u32::try_from(origin).unwrap_or(u32::MAX)));
        }
        if let Some(top) = top.filter(|_| known < chain.len()) {
            self.inner.memo.put_tree(top, &tree);
        }
        Ok(tree)
    }

    /// A layer's sealed manifest.
    ///
    /// # Errors
    /// [`StoreError::UnknownLayer`], [`StoreError::Corrupt`] and [`StoreError::Io`].
    pub fn diff(&self, layer: LayerId) -> Result<Arc<Diff>, StoreError> {
        if let Some(diff) = self.inner.memo.diff(layer) {
            return Ok(diff);
        }
        let diff = match manifest::read(&self.inner.manifest_path(layer)) {
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::UnknownLayer(layer));
            }
            diff => Arc::new(diff?),
        };
        self.inner.memo.put_diff(layer, &diff);
        Ok(diff)
    }

    /// Where the bytes of a file lie that a layer's manifest lists.
    #[must_use]
    pub fn file_path(&self, layer: LayerId, path: &TreePath) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        // Where it cannot be read, the file will be missing, and named.
        let underlay = self.underlay(layer).ok().flatten().filter(|underlay| underlay.shows(path));
        let files = self.inner.layer_files(underlay.map_or(layer, |underlay| underlay.layer));
        if path.is_root() { files } else { files.join(std::ffi::OsStr::from_bytes(path.as_bytes())) }
    }

    /// Where the bytes of a tree's node lie; `None` if `origin` is no index into `chain`.
    #[must_use]
    pub fn source_path(&self, chain: &[Snapshot], origin: u32, path: &TreePath) -> Option<PathBuf> {
        let snapshot = chain.get(usize::try_from(origin).ok()?)?;
        Some(self.file_path(snapshot.layer, path))
    }

    /// A new snapshot: the layer of `layer_of` on `parent` (`COPY --link`).
    ///
    /// # Errors
    /// [`StoreError::Pruned`], [`StoreError::UnknownSnapshot`] (also where `layer_of` was not made on nothing: its layer
    /// says nothing without its own parent) and [`StoreError::Database`].
    pub fn stack(
        &self,
        parent: Option<SnapshotId>,
        layer_of: SnapshotId,
        lease: &Lease,
    ) -> Result<Snapshot, StoreError> {
        let source = self.snapshot(layer_of)?;
        reached(FailPoint::Stack);
        self.inner.database.write(|transaction| {
            let sql = "SELECT standing FROM layers_1 WHERE id = ?1 AND present = 1";
            let standing: Option<bool> =
                transaction.prepare_cached(sql)?.query_row([source.layer], |row| row.get(0)).optional()?;
            match standing {
                Some(true) => {}
                Some(false) => return Err(StoreError::UnknownSnapshot(layer_of).into()),
                None => return Err(StoreError::Pruned(layer_of).into()),
            }
            insert_snapshot(transaction, parent, source.layer, lease)
        })
    }

    /// A remembered digest of a selection of a snapshot's tree. It outlives the files.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn tree_digest(
        &self,
        snapshot: SnapshotId,
        selector: &[u8; 32],
    ) -> Result<Option<TreeDigest>, StoreError> {
        self.inner.database.read(|connection| {
            let sql = "SELECT digest FROM tree_digests_1 WHERE snapshot = ?1 AND selector = ?2";
            let found =
                connection.prepare_cached(sql)?.query_row(params![snapshot, selector], |row| row.get(0));
            Ok(found.optional()?.map(TreeDigest))
        })
    }

    /// Remembers the digest of a selection.
    ///
    /// # Errors
    /// [`StoreError::Database`] and [`StoreError::NoSpace`].
    pub fn put_tree_digest(
        &self,
        snapshot: SnapshotId,
        selector: &[u8; 32],
        digest: TreeDigest,
    ) -> Result<(), StoreError> {
        reached(FailPoint::TreeDigest);
        self.inner.database.write(|transaction| {
            let sql =
                "INSERT OR REPLACE INTO tree_digests_1 (snapshot, selector, digest) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(sql)?.execute(params![snapshot, selector, digest.0])?;
            Ok(())
        })
    }

    /// The snapshot into which the layers of a base were unpacked, if its files are there; `lease` then holds it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn chain_snapshot(&self, chain: ChainId, lease: &Lease) -> Result<Option<Snapshot>, StoreError> {
        self.inner.database.write(|transaction| {
            let Some(snapshot) = bound_snapshot(transaction, chain)? else { return Ok(None) };
            if snapshot.state == SnapshotState::Pruned {
                return Ok(None);
            }
            lease.hold_in(transaction, snapshot.id)?;
            touch(transaction, snapshot.id)?;
            Ok(Some(snapshot))
        })
    }

    /// The snapshot of a base, also where its files were pruned: its tree is still known.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn chain_snapshot_any_state(&self, chain: ChainId) -> Result<Option<Snapshot>, StoreError> {
        let found = self.inner.database.read(|connection| bound_snapshot(connection, chain))?;
        if let Some(snapshot) = &found {
            self.inner.database.write(|transaction| Ok(touch(transaction, snapshot.id)?))?;
        }
        Ok(found)
    }

    /// Remembers that `snapshot` holds the unpacked layers of `chain`.
    ///
    /// # Errors
    /// [`StoreError::Database`] and [`StoreError::NoSpace`].
    pub fn bind_chain(&self, chain: ChainId, snapshot: SnapshotId) -> Result<(), StoreError> {
        self.inner.database.write(|transaction| {
            let sql = "INSERT OR REPLACE INTO chains_1 (chain, snapshot) VALUES (?1, ?2)";
            transaction.prepare_cached(sql)?.execute(params![chain.0.as_bytes(), snapshot])?;
            Ok(())
        })
    }

    /// The layers of a snapshot as one view; fails if their files were pruned.
    pub(crate) fn view(&self, top: Option<SnapshotId>) -> Result<View, StoreError> {
        let mut layers = Vec::new();
        for snapshot in self.chain(top)?.iter().rev() {
            if snapshot.state == SnapshotState::Pruned {
                return Err(StoreError::Pruned(snapshot.id));
            }
            layers.push((snapshot.layer, self.diff(snapshot.layer)?));
        }
        Ok(View::new(layers))
    }

    /// Replaces a layer's manifest by one that says the same and more.
    pub(crate) fn reseal(&self, layer: LayerId, diff: Diff) -> Result<(), StoreError> {
        let new = self.inner.temporary.path()?;
        manifest::write(&new, &diff)?;
        reached(FailPoint::LearnDigests);
        let path = self.inner.manifest_path(layer);
        fs::rename(&new, &path).map_err(StoreError::on("write", &path))?;
        self.inner.memo.replace_diff(layer, &Arc::new(diff));
        Ok(())
    }
}

/// Inserts a snapshot with files, held by `lease`.
pub(crate) fn insert_snapshot(
    transaction: &Transaction<'_>,
    parent: Option<SnapshotId>,
    layer: LayerId,
    lease: &Lease,
) -> Result<Snapshot, Failure> {
    if let Some(parent) = parent {
        let sql = "SELECT present FROM snapshots_1 WHERE id = ?1";
        match transaction.prepare_cached(sql)?.query_row([parent], |row| row.get(0)).optional()? {
            Some(true) => {}
            Some(false) => return Err(StoreError::Pruned(parent).into()),
            None => return Err(StoreError::UnknownSnapshot(parent).into()),
        }
    }
    let id = SnapshotId::random()?;
    let sql = "INSERT INTO snapshots_1 (id, parent, layer, present, used) VALUES (?1, ?2, ?3, 1, ?4)";
    transaction.prepare_cached(sql)?.execute(params![id, parent, layer, now()])?;
    lease.hold_in(transaction, id)?;
    Ok(Snapshot { id, parent, layer, state: SnapshotState::Present })
}

/// Notes that a build used the snapshot. To the hour: most lookups then write nothing.
pub(crate) fn touch(transaction: &Transaction<'_>, snapshot: SnapshotId) -> rusqlite::Result<()> {
    let sql = "UPDATE snapshots_1 SET used = ?2 WHERE id = ?1 AND used < ?2 - 3600";
    transaction.prepare_cached(sql)?.execute(params![snapshot, now()]).map(|_| ())
}

fn snapshot_of(row: &Row<'_>) -> rusqlite::Result<Snapshot> {
    let state = if row.get(3)? { SnapshotState::Present } else { SnapshotState::Pruned };
    Ok(Snapshot { id: row.get(0)?, parent: row.get(1)?, layer: row.get(2)?, state })
}

pub(crate) fn bound_snapshot(
    connection: &rusqlite::Connection,
    chain: ChainId,
) -> rusqlite::Result<Option<Snapshot>> {
    let sql = "SELECT s.id, s.parent, s.layer, s.present FROM chains_1 c JOIN snapshots_1 s ON s.id = c.snapshot \
               WHERE c.chain = ?1";
    connection.prepare_cached(sql)?.query_row([chain.0.as_bytes()], snapshot_of).optional()
}

/// A sha256 digest out of a row.
pub(crate) fn digest_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get(column).map(Digest::from_sha256)
}
