//! The store: one directory that holds blobs, snapshots, cache records and locks, used by many processes and by no daemon.
//!
//! ```text
//! <root>/
//!   format              version, snapshotter and xattr class; written last, so a directory without it is no store
//!   oci-layout          the root is an OCI image layout ...
//!   index.json          ... of the images whose blobs are all here
//!   blobs/sha256/<hex>  configurations, manifests, compressed layers
//!   partial/<hex>       blobs whose fetching was interrupted, to be resumed; flock'd by `locks/blob-<hex>` meanwhile
//!   layers/<id>/fs/     a layer's files, as an overlay lower directory; immutable
//!   layers/<id>/manifest  the sealed manifest: a `Diff`, authoritative over what lies in `fs/`
//!   layers/<id>/underlay  the layer whose files show through, and the files that are this one's own; few layers have it
//!   records.db          SQLite, WAL: layers, snapshots, records, tree digests, diff IDs, images, tags, leases, journals
//!   mounts/<hash>/<n>/  cache mounts: `data/`, and `filled` once its first content is whole
//!   contexts/<hash>     stat caches, one for each context directory
//!   leases/<id>         flock'd while the lease lives; the lease's rows count only that long
//!   locks/              flock'd files: `setup`, `index`, `step-<key>`, `mount-<id>-<n>`, `blob-<hex>`
//!   ballast             room that a prune gets back first when the disk is full
//!   tmp/<owner>/        what this process has not finished; swept by anybody once `tmp/<owner>.lock` is free
//! ```
//!
//! A [`Snapshot`] is a layer on a parent. A layer never moves to another parent than the one it was made on, except one
//! that was made on nothing ([`Store::stack`]). Pruning deletes a layer's `fs/` and keeps its manifest and rows, so what
//! a pruned stage contained is still known, within the bounds of [`Remember`].
//!
//! Order on disk: files, manifest, rename into `layers/`, row. So a row means that everything below it was there when it
//! was written; [`Store::sync`] makes it last through a power cut, and until then the row belongs to this boot alone.

mod ballast;
mod blob;
mod cache_mount;
mod check;
mod copied;
mod database;
mod decompress;
mod digests;
mod error;
mod failpoint;
mod forget;
mod format;
mod gc;
mod id;
mod image;
mod journal;
mod lease;
mod lock;
mod manifest;
mod memo;
mod pack;
mod prepared;
mod record;
mod remove;
mod snapshot;
mod stat_cache;
mod store;
mod temporary;
mod underlay;
mod unpack;
mod upper;
mod view;
mod walk;
mod writer;

pub use blob::BlobWriter;
pub use cache_mount::{CacheMount, CacheMountSpec, Sharing};
pub use check::Problem;
pub use decompress::{ALWAYS_FINE, Compression, Decompressed, MOST_RATIO};
pub use error::{LayerProblem, StoreError};
pub use failpoint::{FAIL_POINTS, FailPoint};
pub use forget::Remember;
pub use gc::{Freed, PruneFilter, Usage};
pub use id::{BadId, LayerId, SnapshotId};
pub use image::{Image, ImageLayer, NewImage};
pub use lease::Lease;
pub use lock::{Holder, StepLock, Wait};
pub use prepared::{Prepared, PreparedRoot};
pub use record::{ParentRule, Record};
pub use snapshot::{Snapshot, SnapshotState};
pub use stat_cache::{StatCache, StatKey};
pub use store::{OpenOptions, Snapshotter, Store};
pub use unpack::Unpacked;
pub use writer::{FileSource, LayerWriter};

/// The decoder of sealed manifests, for `fuzz/`.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    use galley_image::Diff;

    /// The bytes of a sealed manifest.
    #[must_use]
    pub fn seal(diff: &Diff) -> Vec<u8> {
        crate::manifest::seal(diff)
    }

    /// Reads a sealed manifest back.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn unseal(bytes: &[u8]) -> Result<Diff, &'static str> {
        crate::manifest::unseal(bytes)
    }

    /// `body` with the magic in front and its checksum behind, so that a fuzzer gets past both.
    #[must_use]
    pub fn checksummed(body: &[u8]) -> Vec<u8> {
        let mut bytes = [crate::manifest::MAGIC, body].concat();
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes
    }
}
