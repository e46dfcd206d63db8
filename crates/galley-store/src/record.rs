//! Records.
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
    /// Only one that was made on this very snapshot, because that ran in this build.
    Exactly(Option<SnapshotId>),
}

impl Store {
    /// The newest record of `key` whose result's files are there and whose parent fits; the lease then holds the result and all it stands on.
    pub fn lookup(
        &self,
        key: &[u8; 32],
        rule: ParentRule,
        lease: &Lease,
    ) -> Result<Option<Record>, StoreError> {
        let _ = (key, rule, lease);
        todo!()
    }
    /// The newest record of `key` whose parent fits, also if its files were pruned: its tree and digests are still known.
    pub fn lookup_any_state(&self, key: &[u8; 32], rule: ParentRule) -> Result<Option<Record>, StoreError> {
        let _ = (key, rule);
        todo!()
    }
    /// Adds a record. Earlier ones of the key stay; the newest is found first.
    pub fn put_record(&self, record: &Record, lease: &Lease) -> Result<(), StoreError> {
        let _ = (record, lease);
        todo!()
    }
}
