//! Opening a store, and what all its parts share.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::database::Database;
use crate::failpoint::{FailPoint, reached};
use crate::memo::Memo;
use crate::remove::remove_tree;
use crate::temporary::Temporary;
use crate::{LayerId, StoreError, ballast, format};

/// How a step's root file system is put together and its changes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshotter {
    /// Overlay mounts.
    Overlay {
        /// Whiteouts' attributes are `user.overlay.*` (in a user namespace) and not `trusted.overlay.*`.
        userxattr: bool,
    },
    /// A tree of reflinks or copies for each running step, for kernels and containers without overlay mounts.
    Copy,
}

impl std::fmt::Display for Snapshotter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Overlay { userxattr: false } => "overlay",
            Self::Overlay { userxattr: true } => "overlay (userxattr)",
            Self::Copy => "copy",
        })
    }
}

/// How to open a store.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Creates the store where there is none.
    pub create: bool,
    /// The kind of snapshots: what a new store gets ([`Snapshotter::Copy`] when not said), and what an existing one must have.
    pub snapshotter: Option<Snapshotter>,
    /// Stands for the kernel's boot id, in tests.
    pub boot_id: Option<String>,
    /// What waiting processes are told about this one, such as `galley build -t app .`.
    pub process: String,
}

/// A store. Cheap to clone; may be used from several threads and by several processes.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) root: PathBuf,
    pub(crate) snapshotter: Snapshotter,
    pub(crate) process: String,
    pub(crate) boot: String,
    pub(crate) database: Database,
    pub(crate) temporary: Temporary,
    pub(crate) memo: Memo,
}

impl Store {
    /// Opens the store at `root`. Takes a millisecond or two where the store exists.
    ///
    /// Deletes what processes left in `tmp/` that died, and forgets results that an earlier boot did not finish writing.
    ///
    /// # Errors
    /// [`StoreError::NoStore`], [`StoreError::Format`], [`StoreError::SnapshotterMismatch`], [`StoreError::Io`] and
    /// [`StoreError::Database`].
    pub fn open(root: &Path, options: &OpenOptions) -> Result<Self, StoreError> {
        let snapshotter = match format::read(root)? {
            Some(snapshotter) => snapshotter,
            None if options.create => {
                let wanted = options.snapshotter.unwrap_or(Snapshotter::Copy);
                format::create(root, wanted, &options.process)?
            }
            None => return Err(StoreError::NoStore { root: root.into() }),
        };
        if let Some(wants) = options.snapshotter.filter(|wants| *wants != snapshotter) {
            return Err(StoreError::SnapshotterMismatch { root: root.into(), has: snapshotter, wants });
        }
        // Overlay's lower directories and the links in layers are made from it, wherever the caller changes to.
        let root = fs::canonicalize(root).map_err(StoreError::on("find", root))?;
        let inner = Inner {
            snapshotter,
            process: options.process.clone(),
            boot: options.boot_id.clone().unwrap_or_else(boot_id),
            database: Database::open(&root)?,
            temporary: Temporary::new(root.join("tmp"), &options.process),
            memo: Memo::default(),
            root,
        };
        ballast::lay(&inner.root);
        inner.temporary.sweep()?;
        inner.forget_lost_layers()?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The store's directory, absolute and without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Its kind of snapshots.
    #[must_use]
    pub fn snapshotter(&self) -> Snapshotter {
        self.inner.snapshotter
    }

    /// Whether the disk of the store has no space, or no inodes, left to speak of: why a step failed that says nothing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        const TO_SPEAK_OF: u64 = 1 << 20;
        rustix::fs::statvfs(&self.inner.root).is_ok_and(|disk| {
            let no_inodes = disk.f_files > 0 && disk.f_favail == 0;
            no_inodes || disk.f_bavail.saturating_mul(disk.f_frsize) < TO_SPEAK_OF
        })
    }

    /// Makes all that was committed in this boot last through a power cut: one `syncfs`, at the end of a build.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::NoSpace`] and [`StoreError::Database`].
    pub fn sync(&self) -> Result<(), StoreError> {
        let inner = &self.inner;
        // Only what was committed before the syncfs began is known to be on disk after it.
        let unsynced: Vec<LayerId> = inner.database.read(|connection| {
            let sql = "SELECT id FROM layers_1 WHERE synced = 0 AND boot = ?1";
            connection.prepare_cached(sql)?.query_map([&inner.boot], |row| row.get(0))?.collect()
        })?;
        if unsynced.is_empty() {
            return Ok(());
        }
        let directory = File::open(&inner.root).map_err(StoreError::on("open", &inner.root))?;
        rustix::fs::syncfs(&directory).map_err(StoreError::on("write to disk", &inner.root))?;
        reached(FailPoint::Synced);
        inner.database.write(|transaction| {
            let mut update = transaction.prepare_cached("UPDATE layers_1 SET synced = 1 WHERE id = ?1")?;
            for layer in &unsynced {
                update.execute([layer])?;
            }
            Ok(())
        })
    }

    /// Deletes the whole store at `root`.
    ///
    /// # Errors
    /// [`StoreError::NoStore`] where there is none: nothing else is ever deleted. [`StoreError::Io`].
    pub fn remove(root: &Path) -> Result<(), StoreError> {
        if !format::is_store(root)? {
            return Err(StoreError::NoStore { root: root.into() });
        }
        // The format file last: a removal that was cut short can be repeated.
        for entry in fs::read_dir(root).map_err(StoreError::on("read", root))? {
            let path = entry.map_err(StoreError::on("read", root))?.path();
            if !path.ends_with("format") {
                remove_tree(&path)?;
            }
        }
        remove_tree(&root.join("format"))?;
        match fs::remove_dir(root) {
            // A mount point stays, empty.
            Err(error) if error.kind() != ErrorKind::ResourceBusy => {
                Err(StoreError::io("delete", root, error))
            }
            _ => Ok(()),
        }
    }
}

impl Inner {
    pub(crate) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// Blobs that were not fetched to their end.
    pub(crate) fn partial(&self) -> PathBuf {
        self.root.join("partial")
    }

    pub(crate) fn layer_directory(&self, layer: LayerId) -> PathBuf {
        self.root.join("layers").join(layer.to_string())
    }

    /// Where a layer's files are.
    pub(crate) fn layer_files(&self, layer: LayerId) -> PathBuf {
        self.layer_directory(layer).join("fs")
    }

    pub(crate) fn manifest_path(&self, layer: LayerId) -> PathBuf {
        self.layer_directory(layer).join("manifest")
    }

    /// Layers of an earlier boot that no `syncfs` followed may be anything: they go, with all that stands on them.
    fn forget_lost_layers(&self) -> Result<(), StoreError> {
        let any = self.database.read(|connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM layers_1 WHERE synced = 0 AND boot <> ?1)";
            connection.prepare_cached(sql)?.query_row([&self.boot], |row| row.get::<_, bool>(0))
        })?;
        if !any {
            return Ok(());
        }
        let lost: Vec<LayerId> = self.database.write(|transaction| {
            let sql = "SELECT id FROM layers_1 WHERE synced = 0 AND boot <> ?1 \
                       UNION SELECT u.layer FROM underlays_1 u JOIN layers_1 l ON l.id = u.underlay \
                       WHERE l.synced = 0 AND l.boot <> ?1";
            let lost: Vec<LayerId> = transaction
                .prepare(sql)?
                .query_map([&self.boot], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            transaction.execute_batch(
                "CREATE TEMP TABLE lost (id BLOB PRIMARY KEY); CREATE TEMP TABLE lost_layers (id BLOB PRIMARY KEY);",
            )?;
            for layer in &lost {
                transaction.prepare_cached("INSERT INTO lost_layers (id) VALUES (?1)")?.execute([layer])?;
            }
            transaction.execute_batch(
                "INSERT INTO lost WITH RECURSIVE gone(id) AS (
                     SELECT s.id FROM snapshots_1 s JOIN lost_layers l ON l.id = s.layer
                     UNION SELECT s.id FROM snapshots_1 s JOIN gone ON s.parent = gone.id
                 ) SELECT id FROM gone;
                 DROP TABLE lost_layers;",
            )?;
            // An image that neither files nor blobs are left of cannot be made whole again; its name must not stand for it.
            transaction.execute_batch(
                "CREATE TEMP TABLE lost_images AS SELECT DISTINCT image AS id FROM image_layers_1
                     WHERE blob IS NULL AND snapshot IN (SELECT id FROM lost);
                 DELETE FROM tags_1 WHERE image IN (SELECT id FROM lost_images);
                 DELETE FROM image_layers_1 WHERE image IN (SELECT id FROM lost_images);
                 DELETE FROM images_1 WHERE id IN (SELECT id FROM lost_images);
                 DROP TABLE lost_images;
                 DELETE FROM records_1 WHERE result IN (SELECT id FROM lost);
                 DELETE FROM tree_digests_1 WHERE snapshot IN (SELECT id FROM lost);
                 DELETE FROM chains_1 WHERE snapshot IN (SELECT id FROM lost);
                 DELETE FROM holds_1 WHERE snapshot IN (SELECT id FROM lost);
                 UPDATE image_layers_1 SET snapshot = NULL WHERE snapshot IN (SELECT id FROM lost);
                 DELETE FROM snapshots_1 WHERE id IN (SELECT id FROM lost);
                 DROP TABLE lost;",
            )?;
            for layer in &lost {
                transaction.execute("DELETE FROM diff_ids_1 WHERE layer = ?1", [layer])?;
                transaction.execute("DELETE FROM underlays_1 WHERE layer = ?1", [layer])?;
                transaction.execute("DELETE FROM layers_1 WHERE id = ?1", [layer])?;
            }
            Ok(lost)
        })?;
        for layer in lost {
            self.discard(&self.layer_directory(layer))?;
        }
        Ok(())
    }

    /// Moves something out of sight, then deletes it: nobody sees it half deleted. Nothing there is fine.
    pub(crate) fn discard(&self, path: &Path) -> Result<(), StoreError> {
        let aside = self.temporary.path()?;
        match fs::rename(path, &aside) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::io("delete", path, error)),
        }
        reached(FailPoint::PruneRenamed);
        remove_tree(&aside)?;
        reached(FailPoint::PruneDeleted);
        Ok(())
    }
}

/// Tells this boot from any other (random(4)). Where `/proc` is not mounted all boots look alike.
fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}
