//! Pruning: deletes files that nothing needs, and keeps what is known of them.
//!
//! Marked in one transaction, then renamed into `tmp/`, then deleted. What a killed prune marked and did not delete, the
//! next one finds: it looks through `layers/` itself.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use galley_image::{Descriptor, Digest, Manifest};
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::database::Failure;
use crate::failpoint::{FailPoint, reached};
use crate::forget::{Remember, ago};
use crate::image::load::names;
use crate::lock::{FileLock, lock_directory};
use crate::snapshot::digest_of;
use crate::underlay::underlay_of;
use crate::{LayerId, SnapshotId, Store, StoreError, ballast};

/// What to prune. The default prunes all files that no image and no running galley needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneFilter {
    /// Keeps results that a build used within this time. Uses are noted to the hour.
    pub unused_for: Option<Duration>,
    /// Stops when the layers' files are down to this many bytes; the least recently used go first.
    pub keep_bytes: Option<u64>,
    /// Cache mounts that are not in use go too.
    pub cache_mounts: bool,
    /// Images that have no name at all go too, with what only they need: results of builds without a tag, and those
    /// whose tag a later build took.
    pub unnamed_images: bool,
    /// How much is remembered of results whose files are gone.
    pub remember: Remember,
}

impl PruneFilter {
    /// What was used at this time or later stays: seconds since 1970.
    fn oldest_kept(&self) -> Option<i64> {
        self.unused_for.map(ago)
    }
}

/// What a prune did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Bytes of files; those that other layers share by links are counted too.
    pub bytes: u64,
    /// Layers whose files were deleted.
    pub layers: usize,
    /// Blobs deleted.
    pub blobs: usize,
    /// Cache mounts deleted.
    pub cache_mounts: usize,
    /// Images without a name removed.
    pub images: usize,
    /// Pruned results that are no longer remembered.
    pub forgotten: usize,
}

/// What takes room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Layers with files.
    pub layers: usize,
    /// Their bytes.
    pub layer_bytes: u64,
    /// Blobs.
    pub blobs: usize,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Images.
    pub images: usize,
}

/// A snapshot, as pruning sees it.
pub(crate) struct Candidate {
    pub(crate) parent: Option<SnapshotId>,
    pub(crate) layer: LayerId,
    pub(crate) used: i64,
}

impl Store {
    /// Deletes files that nothing needs; manifests, records and digests stay, within the filter's bounds. Blobs and images
    /// without a name stay for as long as any galley holds a lease: it may be about to use or to name them. Of a base that
    /// is known by its digest alone the layers' blobs go, since its registry has them; its configuration stays.
    ///
    /// # Errors
    /// [`StoreError::Io`] and [`StoreError::Database`].
    pub fn prune(&self, filter: &PruneFilter) -> Result<Freed, StoreError> {
        ballast::drop_it(&self.inner.root);
        let freed = self.prune_with_room(filter);
        ballast::lay(&self.inner.root);
        freed
    }

    fn prune_with_room(&self, filter: &PruneFilter) -> Result<Freed, StoreError> {
        self.inner.temporary.sweep()?;
        let mut freed = Freed::default();
        if filter.unnamed_images
            && let Some(_alone) = self.alone()?
        {
            freed.images = self.remove_unnamed_images(filter)?;
        }
        // On disk before the files go: else a power cut could take the mark back and leave rows that speak of nothing.
        self.inner.database.write_lasting(|transaction| {
            self.inner.forget_dead_leases(transaction)?;
            mark(transaction, filter, &mut freed)?;
            freed.forgotten = self.inner.forget_pruned(transaction, &filter.remember)?;
            Ok(())
        })?;
        reached(FailPoint::PruneMarked);
        self.delete_pruned_layers()?;
        self.prune_blobs(&mut freed)?;
        if filter.cache_mounts {
            self.prune_cache_mounts(&mut freed)?;
        }
        self.inner.forget_files(&filter.remember)?;
        Ok(freed)
    }

    /// What takes room.
    ///
    /// # Errors
    /// [`StoreError::Io`] and [`StoreError::Database`].
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let (layers, layer_bytes, images): (i64, i64, i64) = self.inner.database.read(|connection| {
            let sql = "SELECT (SELECT count(*) FROM layers_1 WHERE present = 1), \
                       (SELECT COALESCE(sum(size), 0) FROM layers_1 WHERE present = 1), \
                       (SELECT count(*) FROM images_1)";
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        })?;
        let mut usage = Usage {
            layers: usize::try_from(layers).unwrap_or(0),
            layer_bytes: u64::try_from(layer_bytes).unwrap_or(0),
            images: usize::try_from(images).unwrap_or(0),
            ..Usage::default()
        };
        for (path, _) in entries(&self.inner.root.join("blobs/sha256"))? {
            usage.blobs += 1;
            usage.blob_bytes += fs::metadata(&path).map_or(0, |metadata| metadata.len());
        }
        Ok(usage)
    }

    /// Deletes the files of layers that are marked, and layers that a dead process left without a row.
    fn delete_pruned_layers(&self) -> Result<(), StoreError> {
        for (path, name) in entries(&self.inner.root.join("layers"))? {
            let Ok(layer) = name.parse::<LayerId>() else { continue };
            let present = || -> Result<Option<bool>, StoreError> {
                self.inner.database.read(|connection| {
                    let sql = "SELECT present FROM layers_1 WHERE id = ?1";
                    connection.prepare_cached(sql)?.query_row([layer], |row| row.get(0)).optional()
                })
            };
            match present()? {
                Some(true) => {}
                Some(false) => self.inner.discard(&path.join("fs"))?,
                // Whoever is about to write the row has the directory locked.
                None => {
                    if let Ok(Some(_lock)) = lock_directory(&path, false, false)
                        && present()?.is_none()
                    {
                        self.inner.discard(&path)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The right to take what a galley at work may be about to use: no lease begins while it is held; `None` where one is held
    /// already. Leases of dead processes are removed.
    fn alone(&self) -> Result<Option<fs::File>, StoreError> {
        let leases = self.inner.root.join("leases");
        // Else a lease could begin before all that goes is gone, and its holder take a blob for present that is about to go.
        let no_new_lease = lock_directory(&leases, false, true)?;
        for (path, _) in entries(&leases)? {
            match FileLock::try_take(&path, false, &self.inner.process)? {
                Some(lock) => drop(lock.removing()),
                None => return Ok(None),
            }
        }
        Ok(no_new_lease)
    }

    fn remove_unnamed_images(&self, filter: &PruneFilter) -> Result<usize, StoreError> {
        let removed = self.inner.database.write(|transaction| {
            let before = filter.oldest_kept().unwrap_or(i64::MAX);
            let sql = "DELETE FROM images_1 WHERE created < ?1 AND id NOT IN (SELECT image FROM tags_1)";
            let removed = transaction.execute(sql, [before])?;
            let sql = "DELETE FROM image_layers_1 WHERE image NOT IN (SELECT id FROM images_1)";
            transaction.execute(sql, [])?;
            Ok(removed)
        })?;
        if removed > 0 {
            self.write_index()?;
        }
        Ok(removed)
    }

    fn prune_blobs(&self, freed: &mut Freed) -> Result<(), StoreError> {
        let Some(_alone) = self.alone()? else { return Ok(()) };
        let needed = self.inner.database.read(needed_blobs)?;
        for (path, name) in entries(&self.inner.root.join("blobs/sha256"))? {
            if !needed.contains(&name) {
                freed.bytes += fs::metadata(&path).map_or(0, |metadata| metadata.len());
                freed.blobs += 1;
                self.inner.discard(&path)?;
            }
        }
        let partial = self.inner.partial();
        for (path, name) in if partial.is_dir() { entries(&partial)? } else { Vec::new() } {
            let lock = self.inner.locks().join(format!("blob-{name}"));
            if let Some(lock) = FileLock::try_take(&lock, false, &self.inner.process)? {
                freed.bytes += fs::metadata(&path).map_or(0, |metadata| metadata.len());
                self.inner.discard(&path)?;
                drop(lock.removing());
            }
        }
        Ok(())
    }

    fn prune_cache_mounts(&self, freed: &mut Freed) -> Result<(), StoreError> {
        for (home, name) in entries(&self.inner.root.join("mounts"))? {
            for (path, number) in entries(&home)? {
                let lock = self.inner.locks().join(format!("mount-{name}-{number}"));
                if let Some(lock) = FileLock::try_take(&lock, false, &self.inner.process)? {
                    freed.bytes += bytes_below(&path);
                    freed.cache_mounts += 1;
                    self.inner.discard(&path)?;
                    drop(lock.removing());
                }
            }
        }
        Ok(())
    }
}

/// Marks what goes: snapshots that neither an image nor a lease nor the filter keeps, and layers that only they have.
fn mark(transaction: &Transaction<'_>, filter: &PruneFilter, freed: &mut Freed) -> Result<(), Failure> {
    let mut all: HashMap<SnapshotId, Candidate> = HashMap::new();
    {
        let mut select =
            transaction.prepare("SELECT id, parent, layer, used FROM snapshots_1 WHERE present = 1")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let candidate = Candidate { parent: row.get(1)?, layer: row.get(2)?, used: row.get(3)? };
            all.insert(row.get(0)?, candidate);
        }
    }
    let since = filter.oldest_kept();
    let mut roots: Vec<SnapshotId> = {
        let sql = "SELECT snapshot FROM holds_1 UNION SELECT snapshot FROM image_layers_1 WHERE snapshot IS NOT NULL";
        transaction.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    roots.extend(
        all.iter().filter(|(_, one)| since.is_some_and(|since| one.used >= since)).map(|(id, _)| *id),
    );
    let mut kept: HashSet<SnapshotId> = HashSet::new();
    for root in roots {
        let mut next = Some(root);
        while let Some(id) = next.filter(|id| kept.insert(*id)) {
            next = all.get(&id).and_then(|one| one.parent);
        }
    }
    let mut sizes: HashMap<LayerId, u64> = HashMap::new();
    {
        let mut select = transaction.prepare("SELECT id, size FROM layers_1 WHERE present = 1")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            sizes.insert(row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0));
        }
    }
    let mut users: HashMap<LayerId, usize> = HashMap::new();
    for one in all.values() {
        *users.entry(one.layer).or_default() += 1;
    }
    for layer in sizes.keys() {
        if let Some(underlay) = underlay_of(transaction, *layer)? {
            *users.entry(underlay).or_default() += 1;
        }
    }
    let mut total: u64 = sizes.values().sum();
    for (id, _) in oldest_first(&all, &kept) {
        if filter.keep_bytes.is_some_and(|keep| total <= keep) {
            break;
        }
        let Some(one) = all.get(&id) else { continue };
        transaction.prepare_cached("UPDATE snapshots_1 SET present = 0 WHERE id = ?1")?.execute([id])?;
        let mut next = Some(one.layer);
        while let Some(layer) = next.take() {
            let left = users.entry(layer).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                next = mark_layer(transaction, layer)?;
                let size = sizes.get(&layer).copied().unwrap_or(0);
                total = total.saturating_sub(size);
                freed.bytes += size;
                freed.layers += 1;
            }
        }
    }
    Ok(())
}

/// Marks a layer that nothing uses; returns the one whose files it used. One that no snapshot speaks of any more is forgotten.
fn mark_layer(transaction: &Transaction<'_>, layer: LayerId) -> rusqlite::Result<Option<LayerId>> {
    let underlay = underlay_of(transaction, layer)?;
    for sql in [
        "DELETE FROM underlays_1 WHERE layer = ?1",
        "UPDATE layers_1 SET present = 0 WHERE id = ?1",
        "DELETE FROM layers_1 WHERE id = ?1 AND id NOT IN (SELECT layer FROM snapshots_1)",
    ] {
        transaction.prepare_cached(sql)?.execute([layer])?;
    }
    Ok(underlay)
}

/// What may go, the least recently used first, and nothing before what stands on it; each with its last use.
pub(crate) fn oldest_first(
    all: &HashMap<SnapshotId, Candidate>,
    kept: &HashSet<SnapshotId>,
) -> Vec<(SnapshotId, i64)> {
    // A snapshot was used when anything on it was; and it stands higher the more it stands on.
    let mut used: HashMap<SnapshotId, i64> = HashMap::new();
    let mut depth: HashMap<SnapshotId, usize> = HashMap::new();
    for (id, one) in all {
        let (mut next, mut levels) = (Some(*id), 0);
        while let Some((at, below)) = next.and_then(|at| Some((at, all.get(&at)?))) {
            let latest = used.entry(at).or_insert(one.used);
            *latest = (*latest).max(one.used);
            levels += 1;
            next = below.parent;
        }
        depth.insert(*id, levels);
    }
    let may_go = all.iter().filter(|(id, _)| !kept.contains(id));
    let mut order: Vec<(SnapshotId, i64)> =
        may_go.map(|(id, one)| (*id, used.get(id).copied().unwrap_or(one.used))).collect();
    order.sort_by_key(|(id, used)| (*used, std::cmp::Reverse(depth.get(id).copied()), *id));
    order
}

/// The file names of the blobs that images need.
fn needed_blobs(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    let mut needed = HashSet::new();
    let mut select = connection.prepare("SELECT id, config, manifest FROM images_1")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        needed.insert(Digest::of(&row.get::<_, Vec<u8>>(1)?).hex());
        let names = names(connection, digest_of(row, 0)?)?;
        let again = !names.is_empty() && names.iter().all(|name| name.digest().is_some());
        if let Some(bytes) = row.get::<_, Option<Vec<u8>>>(2)? {
            needed.insert(Digest::of(&bytes).hex());
            let manifest: Option<Manifest> = serde_json::from_slice(&bytes).ok();
            let layers = manifest.filter(|_| !again).into_iter().flat_map(|manifest| manifest.layers);
            needed.extend(layers.map(|blob| blob.digest.hex()));
        }
    }
    let sql = "SELECT l.blob FROM image_layers_1 l WHERE l.blob IS NOT NULL AND (EXISTS \
               (SELECT 1 FROM tags_1 t WHERE t.image = l.image AND instr(t.reference, '@') = 0) \
               OR NOT EXISTS (SELECT 1 FROM tags_1 t WHERE t.image = l.image))";
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let blob: Option<Descriptor> = serde_json::from_str(&row.get::<_, String>(0)?).ok();
        needed.extend(blob.map(|blob| blob.digest.hex()));
    }
    Ok(needed)
}

/// The entries of one of the store's directories: paths and names.
pub(crate) fn entries(directory: &Path) -> Result<Vec<(std::path::PathBuf, String)>, StoreError> {
    let read = fs::read_dir(directory).map_err(StoreError::on("read", directory))?;
    read.map(|entry| {
        let entry = entry.map_err(StoreError::on("read", directory))?;
        Ok((entry.path(), entry.file_name().to_string_lossy().into_owned()))
    })
    .collect()
}

/// Bytes of all files below; what cannot be read counts nothing.
fn bytes_below(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| bytes_below(&entry.path())).sum()
}
