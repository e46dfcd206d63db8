//! A layer in the making: where its files go, what a step's root is made of, and how it becomes a snapshot.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use galley_image::{Diff, Mtime, Tree, TreePath};
use rusqlite::params;
use rustix::fs::{AtFlags, CWD};

use crate::copied::Copied;
use crate::database::{Failure, now};
use crate::failpoint::{FailPoint, reached};
use crate::lock::lock_directory;
use crate::remove::remove_tree;
use crate::snapshot::insert_snapshot;
use crate::underlay::Underlay;
use crate::view::View;
use crate::walk::{What, walk};
use crate::writer::{Born, times_of};
use crate::{
    LayerId, LayerWriter, Lease, Snapshot, SnapshotId, Snapshotter, Store, StoreError, manifest, upper,
};

/// What to mount, or to change root into, so that a step sees its snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreparedRoot {
    /// An overlay mount.
    Overlay {
        /// Lower directories, topmost first; never empty, none twice.
        lowers: Vec<PathBuf>,
        /// The upper directory.
        upper: PathBuf,
        /// The work directory.
        work: PathBuf,
        /// Whether to mount with `userxattr`.
        userxattr: bool,
    },
    /// A directory that holds the whole tree.
    Directory(PathBuf),
}

/// A layer in the making, on a parent. Dropped without a commit, it leaves nothing.
#[derive(Debug)]
pub struct Prepared {
    store: Store,
    lease: Lease,
    parent: Option<SnapshotId>,
    view: View,
    /// In `tmp/`: `layer/` with `fs/` and the manifest, `scratch/`, and what the root needs.
    directory: PathBuf,
    scratch: PathBuf,
    copied: Option<Copied>,
    /// The files were written before anything runs: a whole tree, on nothing.
    filled: bool,
    /// Keep others from linking to inodes that a running step sees.
    mounted: Vec<File>,
}

impl Store {
    /// Begins a layer on `parent`. The lease holds the parent, and later the result.
    ///
    /// # Errors
    /// [`StoreError::UnknownSnapshot`], [`StoreError::Pruned`], [`StoreError::Corrupt`], [`StoreError::Io`],
    /// [`StoreError::NoSpace`] and [`StoreError::Database`].
    pub fn prepare(&self, parent: Option<SnapshotId>, lease: &Lease) -> Result<Prepared, StoreError> {
        if let Some(parent) = parent {
            lease.hold(parent)?;
        }
        let view = self.view(parent)?;
        let directory = self.inner.temporary.directory()?;
        let scratch = directory.join("scratch");
        let prepared = Prepared {
            store: self.clone(),
            lease: lease.clone(),
            parent,
            view,
            directory,
            scratch,
            copied: None,
            filled: false,
            mounted: Vec::new(),
        };
        for new in [&prepared.scratch, &prepared.directory.join("layer"), &prepared.files()] {
            fs::create_dir(new).map_err(StoreError::on("create", new))?;
        }
        reached(FailPoint::Prepare);
        Ok(prepared)
    }

    /// Begins a layer on nothing with the files that `fill` writes, for a process that goes on from there: one layer, and no
    /// file of it written twice.
    ///
    /// # Errors
    /// What `fill` says, and as [`Store::prepare`] and [`Prepared::writer`].
    pub fn prepare_filled<E: From<StoreError>>(
        &self,
        lease: &Lease,
        fill: impl FnOnce(LayerWriter) -> Result<LayerWriter, E>,
    ) -> Result<Prepared, E> {
        let mut prepared = self.prepare(None, lease)?;
        fill(prepared.writer()?)?.finish()?;
        prepared.filled = true;
        Ok(prepared)
    }
}

impl Prepared {
    /// What the layer is on.
    #[must_use]
    pub fn parent(&self) -> Option<SnapshotId> {
        self.parent
    }

    /// The merged tree of the parent.
    ///
    /// # Errors
    /// As [`Store::tree`].
    pub fn parent_tree(&self) -> Result<Arc<Tree>, StoreError> {
        self.store.tree(self.parent)
    }

    /// An empty directory for the caller's own use (a stub layer, files to bind), on the same file system, gone with this
    /// value.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The root for a step that runs. With [`Snapshotter::Copy`] the first call copies the whole tree. For as long as this
    /// value lives, the layers below count as mounted.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::NoSpace`] and what [`Store::tree`] fails with.
    pub fn root(&mut self) -> Result<PreparedRoot, StoreError> {
        match self.store.snapshotter() {
            Snapshotter::Overlay { userxattr } => self.overlay(userxattr),
            Snapshotter::Copy if self.filled => Ok(PreparedRoot::Directory(self.files())),
            Snapshotter::Copy => {
                if self.copied.is_none() {
                    let chain = self.store.chain(self.parent)?;
                    let tree = self.parent_tree()?;
                    let root = self.directory.join("tree");
                    self.copied = Some(Copied::make(&self.store, &chain, &tree, root)?);
                }
                let root = self.copied.as_ref().map(|copied| copied.root().to_path_buf());
                Ok(PreparedRoot::Directory(root.unwrap_or_default()))
            }
        }
    }

    fn overlay(&mut self, userxattr: bool) -> Result<PreparedRoot, StoreError> {
        let (upper, work) = (self.files(), self.directory.join("work"));
        if !work.exists() {
            fs::create_dir(&work).map_err(StoreError::on("create", &work))?;
            // The upper directory is the root of what the step sees.
            let root = File::open(&upper).map_err(StoreError::on("open", &upper))?.into();
            let entry = self.view.get(&TreePath::root()).cloned();
            if let Some(entry) = entry {
                Born::probe(&upper)?.set_directory(&root, &upper, &TreePath::root(), &entry)?;
            }
        }
        let mut lowers = Vec::new();
        let mut seen = HashSet::new();
        for snapshot in self.store.chain(self.parent)?.iter().rev() {
            // The same layer further down adds nothing: the kernel refuses it, and the one above says the same.
            if !seen.insert(snapshot.layer) || self.store.diff(snapshot.layer)?.is_empty() {
                continue;
            }
            let underlay = self.store.underlay(snapshot.layer)?.map(|underlay| underlay.layer);
            for layer in [snapshot.layer].into_iter().chain(underlay.filter(|layer| seen.insert(*layer))) {
                let directory = self.store.inner.layer_directory(layer);
                self.mounted.extend(lock_directory(&directory, true, true)?);
                lowers.push(self.store.inner.layer_files(layer));
            }
        }
        if lowers.is_empty() {
            let empty = self.directory.join("empty");
            if !empty.exists() {
                fs::create_dir(&empty).map_err(StoreError::on("create", &empty))?;
            }
            lowers.push(empty);
        }
        Ok(PreparedRoot::Overlay { lowers, upper, work, userxattr })
    }

    /// A writer of the layer's files, for a step that runs nothing.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn writer(&self) -> Result<LayerWriter, StoreError> {
        LayerWriter::new(&self.store, self.files(), self.view.clone())
    }

    /// Seals what `writer` wrote.
    ///
    /// # Errors
    /// What a copy failed with; [`StoreError::Io`], [`StoreError::NoSpace`], [`StoreError::Pruned`] and
    /// [`StoreError::Database`]. Then nothing of the layer is left.
    pub fn commit_written(self, writer: LayerWriter) -> Result<Snapshot, StoreError> {
        // The locks in the rest of it are held until the layer is in the database.
        let mut written = writer.finish()?;
        let diff = std::mem::take(&mut written.diff);
        self.seal(diff, &written.linked, written.underlay.take())
    }

    /// Seals what a step did in [`Prepared::root`]. `stubs` are mount points that the sandbox made up: those that the step
    /// left empty are no part of the layer.
    ///
    /// # Errors
    /// [`StoreError::WhiteoutName`], [`StoreError::OverlayFeature`], [`StoreError::Io`], [`StoreError::NoSpace`] and
    /// [`StoreError::Database`]. Then nothing of the layer is left.
    pub fn commit_walked(self, stubs: &[TreePath]) -> Result<Snapshot, StoreError> {
        let diff = match &self.copied {
            Some(copied) => {
                let chain = self.store.chain(self.parent)?;
                copied.take_changes(&self.store, &chain, &*self.parent_tree()?, stubs, &self.files())?
            }
            None => upper::read(&self.files(), &self.view, stubs)?,
        };
        self.seal(diff, &[], None)
    }

    /// Sets every time in [`Prepared::root`] that is later than `latest` to it, once nothing runs there any more.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn limit_times(&self, latest: Mtime) -> Result<(), StoreError> {
        let files = self.files();
        for found in walk(&files)? {
            let What::Entry(entry, _) = &found.what else { continue };
            if entry.mtime > latest {
                // The root is the directory itself: a slash at the end would follow it, were it a link.
                let path = match found.path.is_root() {
                    true => files.clone(),
                    false => files.join(OsStr::from_bytes(found.path.as_bytes())),
                };
                rustix::fs::utimensat(CWD, &path, &times_of(latest), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(StoreError::on("set the time of", &path))?;
            }
        }
        Ok(())
    }

    fn files(&self) -> PathBuf {
        self.directory.join("layer").join("fs")
    }

    /// Manifest, rename, row: in this order, so that a row never stands for less than everything.
    fn seal(
        &self,
        diff: Diff,
        linked: &[LayerId],
        underlay: Option<Underlay>,
    ) -> Result<Snapshot, StoreError> {
        let new = self.directory.join("layer");
        reached(FailPoint::SealBefore);
        manifest::write(&new.join("manifest"), &diff)?;
        if let Some(underlay) = &underlay {
            underlay.write(&new.join("underlay"))?;
        }
        reached(FailPoint::SealAfter);
        let layer = LayerId::random()?;
        let place = self.store.inner.layer_directory(layer);
        // Until the row is there, this lock is what tells the layer from what a dead process left.
        let _lock = lock_directory(&new, true, true)?;
        fs::rename(&new, &place).map_err(StoreError::on("create", &place))?;
        reached(FailPoint::LayerRenamed);
        let committed = self.insert(layer, diff.size(), linked, underlay.as_ref());
        match &committed {
            Ok(_) => {
                reached(FailPoint::SnapshotCommitted);
                self.store.inner.memo.put_diff(layer, &Arc::new(diff));
                self.store.inner.memo.put_underlay(layer, underlay.map(Arc::new));
            }
            Err(_) => self.store.inner.discard(&place)?,
        }
        committed
    }

    fn insert(
        &self,
        layer: LayerId,
        size: u64,
        linked: &[LayerId],
        underlay: Option<&Underlay>,
    ) -> Result<Snapshot, StoreError> {
        self.store.inner.database.write(|transaction| {
            let sql = "INSERT INTO layers_1 (id, size, present, standing, family, synced, boot, created) \
                       VALUES (?1, ?2, 1, ?3, NULL, 0, ?4, ?5)";
            transaction.prepare_cached(sql)?.execute(params![
                layer,
                i64::try_from(size).unwrap_or(i64::MAX),
                self.parent.is_none(),
                self.store.inner.boot,
                now()
            ])?;
            join_families(transaction, layer, linked)?;
            if let Some(underlay) = underlay {
                let sql = "INSERT INTO underlays_1 (layer, underlay) VALUES (?1, ?2)";
                transaction.prepare_cached(sql)?.execute(params![layer, underlay.layer])?;
            }
            insert_snapshot(transaction, self.parent, layer, &self.lease)
        })
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // What cannot be deleted now is swept when a store is opened after this process ended.
        let _ = remove_tree(&self.directory);
    }
}

/// `layer` shares inodes with the layers `linked`, and so with all that they share inodes with.
fn join_families(
    transaction: &rusqlite::Transaction<'_>,
    layer: LayerId,
    linked: &[LayerId],
) -> Result<(), Failure> {
    for other in linked {
        let families = "SELECT family FROM layers_1 WHERE id IN (?1, ?2) AND family IS NOT NULL";
        let sql = format!("UPDATE layers_1 SET family = ?1 WHERE id IN (?1, ?2) OR family IN ({families})");
        transaction.prepare_cached(&sql)?.execute(params![layer, other])?;
    }
    Ok(())
}
