//! What is remembered of pruned results has bounds too.
//!
//! A pruned result is a few rows and a manifest, kept so that nothing runs only to learn that it changes nothing. Without a
//! bound they would be all that a store that is pruned every night consists of. What goes is what no build has asked for
//! for the longest time, and nothing before what stands on it. Forgetting costs a run, never a wrong result.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::{Duration, SystemTime};

use rusqlite::{Transaction, params};

use crate::database::{Failure, now};
use crate::gc::{Candidate, entries, oldest_first};
use crate::lock::FileLock;
use crate::store::Inner;
use crate::{SnapshotId, StoreError};

const DAY: u64 = 24 * 3600;

/// Keys under which one result is found: the newest of them. Each edit that changes nothing for a step adds one.
const MOST_RECORDS: i64 = 100;

/// How much is remembered of results whose files were pruned. A prune forgets what is beyond any of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remember {
    /// For how long after a build last asked for it. 90 days. Journals and stat caches are kept as long.
    pub unused_for: Duration,
    /// How many results. 10,000.
    pub results: usize,
    /// Bytes of their manifests. 1 GiB.
    pub manifest_bytes: u64,
    /// What a build asked for within this time is not forgotten, whatever the bounds: the build may still run. A day.
    pub in_use_for: Duration,
}

impl Default for Remember {
    fn default() -> Self {
        Self {
            unused_for: Duration::from_secs(90 * DAY),
            results: 10_000,
            manifest_bytes: 1 << 30,
            in_use_for: Duration::from_secs(DAY),
        }
    }
}

/// Seconds since 1970, this long ago.
pub(crate) fn ago(time: Duration) -> i64 {
    now().saturating_sub(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

impl Inner {
    /// Deletes the rows of pruned results that are beyond the bounds; returns how many results. Their manifests have no row
    /// then, and go as what dead processes left goes.
    pub(crate) fn forget_pruned(
        &self,
        transaction: &Transaction<'_>,
        remember: &Remember,
    ) -> Result<usize, Failure> {
        let (all, kept) = remembered(transaction)?;
        let mut users: HashMap<_, usize> = HashMap::new();
        for one in all.values() {
            *users.entry(one.layer).or_default() += 1;
        }
        let order = oldest_first(&all, &kept);
        let mut sizes = HashMap::new();
        for (id, _) in &order {
            if let Some(one) = all.get(id) {
                let size = || fs::metadata(self.manifest_path(one.layer)).map_or(0, |file| file.len());
                sizes.entry(one.layer).or_insert_with(size);
            }
        }
        let (mut results, mut bytes) = (order.len(), sizes.values().sum::<u64>());
        let mut forgotten = 0;
        for (id, used) in order {
            let beyond = used < ago(remember.unused_for)
                || results > remember.results
                || bytes > remember.manifest_bytes;
            // The rest was used later still.
            if !beyond || used > ago(remember.in_use_for) {
                break;
            }
            let Some(one) = all.get(&id) else { continue };
            for sql in [
                "DELETE FROM records_1 WHERE result = ?1",
                "DELETE FROM tree_digests_1 WHERE snapshot = ?1",
                "DELETE FROM chains_1 WHERE snapshot = ?1",
                "DELETE FROM snapshots_1 WHERE id = ?1",
            ] {
                transaction.prepare_cached(sql)?.execute([id])?;
            }
            let left = users.entry(one.layer).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                // One that has files nevertheless has them for a layer that lies over it.
                for sql in [
                    "DELETE FROM diff_ids_1 WHERE layer = ?1",
                    "DELETE FROM layers_1 WHERE id = ?1 AND present = 0",
                ] {
                    transaction.prepare_cached(sql)?.execute([one.layer])?;
                }
                bytes = bytes.saturating_sub(sizes.get(&one.layer).copied().unwrap_or(0));
            }
            results -= 1;
            forgotten += 1;
        }
        forget_rows(transaction, remember)?;
        Ok(forgotten)
    }

    /// Deletes stat caches of contexts that were not looked at for so long, and the lock files of steps that nobody runs.
    pub(crate) fn forget_files(&self, remember: &Remember) -> Result<(), StoreError> {
        let oldest = SystemTime::now().checked_sub(remember.unused_for);
        for (path, _) in entries(&self.root.join("contexts"))? {
            let written = fs::metadata(&path).and_then(|file| file.modified()).ok();
            if written.zip(oldest).is_some_and(|(written, oldest)| written < oldest) {
                self.discard(&path)?;
            }
        }
        // One is left of each step whose process was killed.
        for (path, name) in entries(&self.locks())? {
            if name.starts_with("step-")
                && let Some(lock) = FileLock::try_take(&path, false, &self.process)?
            {
                drop(lock.removing());
            }
        }
        Ok(())
    }
}

/// All snapshots; and those that must not be forgotten: they have files, or an image speaks of them, or of one on them.
fn remembered(
    transaction: &Transaction<'_>,
) -> rusqlite::Result<(HashMap<SnapshotId, Candidate>, HashSet<SnapshotId>)> {
    let mut all = HashMap::new();
    let mut roots: Vec<SnapshotId> = Vec::new();
    let mut select = transaction.prepare("SELECT id, parent, layer, used, present FROM snapshots_1")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        all.insert(id, Candidate { parent: row.get(1)?, layer: row.get(2)?, used: row.get(3)? });
        if row.get(4)? {
            roots.push(id);
        }
    }
    let sql = "SELECT snapshot FROM image_layers_1 WHERE snapshot IS NOT NULL";
    for id in transaction.prepare(sql)?.query_map([], |row| row.get(0))? {
        roots.push(id?);
    }
    let mut kept = HashSet::new();
    for root in roots {
        let mut next = Some(root);
        while let Some(id) = next.filter(|id| kept.insert(*id)) {
            next = all.get(&id).and_then(|one| one.parent);
        }
    }
    Ok((all, kept))
}

fn forget_rows(transaction: &Transaction<'_>, remember: &Remember) -> rusqlite::Result<()> {
    let sql = "DELETE FROM records_1 WHERE sequence IN (SELECT sequence FROM (SELECT sequence, \
               row_number() OVER (PARTITION BY result ORDER BY sequence DESC) AS place FROM records_1) \
               WHERE place > ?1)";
    transaction.execute(sql, params![MOST_RECORDS])?;
    transaction.execute("DELETE FROM journals_2 WHERE written < ?1", params![ago(remember.unused_for)])?;
    Ok(())
}
