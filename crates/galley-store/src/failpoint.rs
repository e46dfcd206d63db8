//! Places where a test may kill the process, one at every transition of the store.
//!
//! Compiled in only with the feature `failpoints`. Then `GALLEY_FAILPOINT=name` kills the process (SIGKILL, as a power
//! cut would: no destructor runs) the first time it comes by `name`, and `name:3` the third time.

macro_rules! fail_points {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// A transition of the store.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FailPoint {
            $($(#[$doc])* $variant,)*
        }

        /// The names of all fail points.
        pub const FAIL_POINTS: &[&str] = &[$($name),*];

        impl FailPoint {
            /// The name, as `GALLEY_FAILPOINT` has it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

fail_points! {
    /// A new store has directories and no format file yet.
    CreateDirectories => "create-directories",
    /// A new store's format file is about to appear.
    CreateFormat => "create-format",
    /// The database exists and has no schema yet.
    CreateSchema => "create-schema",
    /// A temporary directory for a new layer exists.
    Prepare => "prepare",
    /// A file is half copied into a layer.
    WriteFile => "write-file",
    /// All files of a layer are written, the manifest is not.
    SealBefore => "seal-before",
    /// The manifest is written, the layer is still in `tmp/`.
    SealAfter => "seal-after",
    /// The layer has its name under `layers/`, and no row yet.
    LayerRenamed => "layer-renamed",
    /// The snapshot's row is committed.
    SnapshotCommitted => "snapshot-committed",
    /// A merged snapshot is about to be committed.
    Stack => "stack",
    /// A record is about to be committed.
    RecordBefore => "record-before",
    /// A record is committed.
    RecordAfter => "record-after",
    /// A tree digest is about to be committed.
    TreeDigest => "tree-digest",
    /// A lease's file exists, its row does not.
    LeaseFile => "lease-file",
    /// A lease's row goes next.
    LeaseDrop => "lease-drop",
    /// Files are on disk, rows do not say so yet.
    Synced => "synced",
    /// A blob is written under its temporary name.
    BlobWritten => "blob-written",
    /// A blob has its name.
    BlobRenamed => "blob-renamed",
    /// An image's rows are about to be committed.
    ImageBefore => "image-before",
    /// An image's rows are committed, `index.json` is old.
    ImageAfter => "image-after",
    /// A tag's row is about to be committed.
    Tag => "tag",
    /// A new `index.json` is about to get its name.
    IndexRename => "index-rename",
    /// A cache mount's directory exists and is not marked as filled.
    CacheMountCreated => "cache-mount-created",
    /// A journal is about to be committed.
    Journal => "journal",
    /// A manifest with more digests is about to get its name.
    LearnDigests => "learn-digests",
    /// The stat cache is about to get its name.
    StatCacheRename => "stat-cache-rename",
    /// Pruned layers are marked in the database and all their bytes are there.
    PruneMarked => "prune-marked",
    /// A pruned layer's bytes are in `tmp/`.
    PruneRenamed => "prune-renamed",
    /// Pruned bytes are deleted.
    PruneDeleted => "prune-deleted",
}

/// Kills the process here if `GALLEY_FAILPOINT` says so.
#[cfg(feature = "failpoints")]
pub(crate) fn reached(point: FailPoint) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("GALLEY_FAILPOINT").ok()?;
        let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), count.parse().unwrap_or(1)))
    });
    if let Some((name, count)) = wanted
        && name == point.name()
        && SEEN.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal is on its way; nothing behind this point may happen.
        loop {
            std::thread::park();
        }
    }
}

/// Nothing, without the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn reached(_: FailPoint) {}
