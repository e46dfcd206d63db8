//! Records: which snapshot a cache key led to.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, params};

use crate::failpoint::{FailPoint, reached};
use crate::snapshot::touch;
use crate::{Lease, SnapshotId, Store, StoreError};

/// What a step gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The step's cache key (definition key or content key).
    pub key: [u8; 32],
    /// The snapshot that it made.
    pub result: SnapshotId,
    /// What the step read, as JSON, for `galley why`. The store does not look into it.
    pub inputs: String,
    /// When it was made: seconds since 1970-01-01 UTC.
    pub created: i64,
}

/// Which results of a key count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentRule {
    /// Any: nothing that the step stands on ran in this build.
    Any,
    /// Only one that was made on this very snapshot, because that was made in this build.
    Exactly(Option<SnapshotId>),
}

impl Store {
    /// The newest record of `key` whose result has its files and whose parent fits; the lease then holds the result and
    /// all it stands on.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn lookup(
        &self,
        key: &[u8; 32],
        rule: ParentRule,
        lease: &Lease,
    ) -> Result<Option<Record>, StoreError> {
        self.inner.database.write(|transaction| {
            let found = find(transaction, key, rule, true)?;
            if let Some(record) = &found {
                lease.hold_in(transaction, record.result)?;
                touch(transaction, record.result)?;
            }
            Ok(found)
        })
    }

    /// The newest record of `key` whose parent fits, also where its files were pruned: its tree and digests are known.
    /// One with files comes first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn lookup_any_state(&self, key: &[u8; 32], rule: ParentRule) -> Result<Option<Record>, StoreError> {
        let found = self.inner.database.read(|connection| find(connection, key, rule, false))?;
        if let Some(record) = &found {
            // Else it is soon forgotten, though builds ask for it.
            self.inner.database.write(|transaction| Ok(touch(transaction, record.result)?))?;
        }
        Ok(found)
    }

    /// Adds a record, also of a result whose files were pruned: another key may lead there. Earlier records of the key stay;
    /// the newest is found first. The lease then holds a result that has files.
    ///
    /// # Errors
    /// [`StoreError::UnknownSnapshot`], [`StoreError::NoSpace`] and [`StoreError::Database`].
    pub fn put_record(&self, record: &Record, lease: &Lease) -> Result<(), StoreError> {
        reached(FailPoint::RecordBefore);
        self.inner.database.write(|transaction| {
            let sql = "SELECT present FROM snapshots_1 WHERE id = ?1";
            let present: bool = transaction
                .prepare_cached(sql)?
                .query_row([record.result], |row| row.get(0))
                .optional()?
                .ok_or(StoreError::UnknownSnapshot(record.result))?;
            let sql = "DELETE FROM records_1 WHERE key = ?1 AND result = ?2";
            transaction.prepare_cached(sql)?.execute(params![record.key, record.result])?;
            let sql = "INSERT INTO records_1 (key, result, inputs, created) VALUES (?1, ?2, ?3, ?4)";
            transaction.prepare_cached(sql)?.execute(params![
                record.key,
                record.result,
                record.inputs,
                record.created
            ])?;
            if present { lease.hold_in(transaction, record.result) } else { Ok(()) }
        })?;
        reached(FailPoint::RecordAfter);
        Ok(())
    }
}

fn find(
    connection: &Connection,
    key: &[u8; 32],
    rule: ParentRule,
    present: bool,
) -> rusqlite::Result<Option<Record>> {
    let files = if present { "s.present = 1" } else { "1" };
    let (parent_rule, parent) = match rule {
        ParentRule::Any => ("?2 IS NULL", None),
        ParentRule::Exactly(parent) => ("s.parent IS ?2", parent),
    };
    let sql = format!(
        "SELECT r.key, r.result, r.inputs, r.created FROM records_1 r JOIN snapshots_1 s ON s.id = r.result \
         WHERE r.key = ?1 AND {files} AND {parent_rule} ORDER BY s.present DESC, r.sequence DESC LIMIT 1"
    );
    let parameters: [&dyn ToSql; 2] = [key, &parent];
    let record = connection.prepare_cached(&sql)?.query_row(&parameters[..], |row| {
        Ok(Record { key: row.get(0)?, result: row.get(1)?, inputs: row.get(2)?, created: row.get(3)? })
    });
    record.optional()
}
