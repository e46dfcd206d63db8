//! Leases: what a running process needs is not pruned.
//!
//! A lease is a row and a flock'd file. The rows of a lease whose file nobody locks belong to a process that died; they
//! count for nothing, and a prune deletes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{OptionalExtension, Transaction, params};

use crate::database::Failure;
use crate::failpoint::{FailPoint, reached};
use crate::id::LeaseId;
use crate::lock::{FileLock, lock_directory};
use crate::store::Inner;
use crate::{SnapshotId, Store, StoreError};

/// Keeps snapshots from being pruned while it lives. Cheap to clone; it ends with its last clone, or with the process.
#[derive(Clone, Debug)]
pub struct Lease {
    row: Arc<LeaseRow>,
}

#[derive(Debug)]
struct LeaseRow {
    store: Arc<Inner>,
    id: LeaseId,
    /// Whether it may have rows.
    holds: AtomicBool,
    _lock: FileLock,
}

impl Store {
    /// A new lease that holds nothing yet.
    ///
    /// # Errors
    /// [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn lease(&self) -> Result<Lease, StoreError> {
        let leases = self.inner.root.join("leases");
        let _no_blob_is_deleted_now = lock_directory(&leases, true, true)?;
        let (id, lock) = FileLock::take_new(&self.inner.process, || {
            let id = LeaseId::random()?;
            Ok((id, self.inner.lease_path(id)))
        })?;
        reached(FailPoint::LeaseFile);
        let (store, holds) = (Arc::clone(&self.inner), AtomicBool::new(false));
        Ok(Lease { row: Arc::new(LeaseRow { store, id, holds, _lock: lock.removing() }) })
    }
}

impl Lease {
    /// Holds a snapshot and all it stands on.
    ///
    /// # Errors
    /// [`StoreError::UnknownSnapshot`], [`StoreError::Pruned`] and [`StoreError::Database`].
    pub fn hold(&self, snapshot: SnapshotId) -> Result<(), StoreError> {
        self.row.store.database.write(|transaction| {
            let sql = "SELECT present FROM snapshots_1 WHERE id = ?1";
            match transaction.prepare_cached(sql)?.query_row([snapshot], |row| row.get(0)).optional()? {
                Some(true) => Ok(self.hold_in(transaction, snapshot)?),
                Some(false) => Err(StoreError::Pruned(snapshot).into()),
                None => Err(StoreError::UnknownSnapshot(snapshot).into()),
            }
        })
    }

    /// Holds a snapshot that the transaction knows to have files.
    pub(crate) fn hold_in(&self, transaction: &Transaction<'_>, snapshot: SnapshotId) -> Result<(), Failure> {
        self.row.holds.store(true, Ordering::Relaxed);
        let sql = "INSERT OR IGNORE INTO leases_1 (id) VALUES (?1)";
        transaction.prepare_cached(sql)?.execute([self.row.id])?;
        let sql = "INSERT OR IGNORE INTO holds_1 (lease, snapshot) VALUES (?1, ?2)";
        transaction.prepare_cached(sql)?.execute(params![self.row.id, snapshot])?;
        Ok(())
    }
}

impl Drop for LeaseRow {
    fn drop(&mut self) {
        if !*self.holds.get_mut() {
            return;
        }
        reached(FailPoint::LeaseDrop);
        // If this fails, the rows count for nothing as soon as the file is unlocked, and the next prune deletes them.
        let _ = self.store.database.write(|transaction| Ok(forget(transaction, self.id)?));
    }
}

impl Inner {
    pub(crate) fn lease_path(&self, lease: LeaseId) -> std::path::PathBuf {
        self.root.join("leases").join(lease.to_string())
    }

    /// Deletes the rows of leases whose process died. The caller's transaction keeps new ones from appearing meanwhile.
    pub(crate) fn forget_dead_leases(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let leases: Vec<LeaseId> = transaction
            .prepare_cached("SELECT id FROM leases_1")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for lease in leases {
            if let Some(lock) = FileLock::try_take(&self.lease_path(lease), false, &self.process)? {
                forget(transaction, lease)?;
                drop(lock.removing());
            }
        }
        Ok(())
    }
}

fn forget(transaction: &Transaction<'_>, lease: LeaseId) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM holds_1 WHERE lease = ?1")?.execute([lease])?;
    transaction.prepare_cached("DELETE FROM leases_1 WHERE id = ?1")?.execute([lease])?;
    Ok(())
}
