//! Unpacks a layer of an image: decompresses, verifies and writes it in one pass, trusting nothing in it.

use std::collections::BTreeSet;
use std::io::{self, Read};

use galley_image::layer_tar::{ArchiveError, LayerSink, ReadError, Whiteouts, read};
use galley_image::{DiffId, Digest, Entry, TreePath};
use sha2::{Digest as _, Sha256};

use crate::decompress::{Decompressed, MOST_RATIO, Watch};
use crate::{LayerProblem, LayerWriter, Lease, Snapshot, SnapshotId, Store, StoreError};

/// Any layer may have this many entries, however well it compresses.
const ALWAYS_FINE: u64 = 1_000_000;

/// Beyond that, each entry must have taken this many compressed bytes: a header that says anything new takes more. What is
/// known of an entry is kept in memory, so this is what bounds it.
const LEAST_BYTES: u64 = 16;

/// A layer of an image, unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// The layer on its parent.
    pub snapshot: Snapshot,
    /// Device nodes of the layer that are not in the snapshot, because this process may not make any: only the machine's root may.
    /// A step sees nothing of it, since its `/dev` is the sandbox's own.
    pub left_out: Vec<TreePath>,
}

impl Store {
    /// Unpacks a layer of an image on `parent`. Nothing appears unless all of it was right: the archive, its end, and its
    /// diff ID. Device nodes are left out where this process may not make them: see [`Unpacked::left_out`].
    ///
    /// Compression is told by the content (gzip, also of several members; zstd; xz; bzip2; none), since media types lie.
    ///
    /// # Errors
    /// [`StoreError::Layer`] for whatever is wrong with the layer; what [`Store::prepare`] fails with;
    /// [`StoreError::NoSpace`].
    pub fn unpack_layer(
        &self,
        parent: Option<SnapshotId>,
        compressed: &mut dyn Read,
        expect: DiffId,
        lease: &Lease,
    ) -> Result<Unpacked, StoreError> {
        let wrong = |reason| StoreError::Layer { diff_id: expect, reason };
        let prepared = self.prepare(parent, lease)?;
        let plain = Decompressed::open(compressed).map_err(|error| wrong(LayerProblem::Read(error)))?;
        let (writer, watch) = (prepared.writer()?, plain.watch());
        let mut sink = Sink { writer, entries: 0, watch, left_out: BTreeSet::new() };
        let mut hashed = Hashed { plain, hash: Sha256::new() };
        let result = read(&mut hashed, Whiteouts::Decode, &mut sink);
        if hashed.plain.is_bomb() {
            return Err(wrong(LayerProblem::Bomb(format!("{MOST_RATIO} times its size"))));
        }
        result.map_err(|error| match error {
            ReadError::Archive(error) => wrong(archive_problem(error, hashed.plain.source_failed())),
            ReadError::Sink(SinkError::Entries(entries)) => {
                wrong(LayerProblem::Bomb(format!("{entries} entries out of so few bytes")))
            }
            ReadError::Sink(SinkError::Entry(_, error @ StoreError::NoSpace { .. })) => error,
            ReadError::Sink(SinkError::Entry(path, source)) => {
                wrong(LayerProblem::Entry { path: path.display(), source: Box::new(source) })
            }
        })?;
        let found = DiffId(Digest::from_sha256(hashed.hash.clone().finalize().into()));
        if found != expect {
            return Err(wrong(LayerProblem::WrongDigest(found)));
        }
        let snapshot = prepared.commit_written(sink.writer).map_err(|error| match error {
            // Attributes of directories are set at the end.
            StoreError::Attribute { ref path, .. } => {
                wrong(LayerProblem::Entry { path: path.display(), source: Box::new(error) })
            }
            error => error,
        })?;
        Ok(Unpacked { snapshot, left_out: sink.left_out.into_iter().collect() })
    }
}

fn archive_problem(error: ArchiveError, source_failed: bool) -> LayerProblem {
    match error {
        ArchiveError::Truncated { .. } => LayerProblem::Truncated,
        ArchiveError::Name(error) => LayerProblem::Escapes(error.to_string()),
        ArchiveError::Read { error, .. } if source_failed => LayerProblem::Read(error),
        ArchiveError::Read { error, .. } if error.kind() == io::ErrorKind::UnexpectedEof => {
            LayerProblem::Truncated
        }
        ArchiveError::Read { error, .. } => LayerProblem::Compression(error),
        error => LayerProblem::Archive(error.to_string()),
    }
}

/// The uncompressed bytes, hashed as they pass.
struct Hashed<'a> {
    plain: Decompressed<'a>,
    hash: Sha256,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.plain.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

struct Sink {
    writer: LayerWriter,
    entries: u64,
    watch: Watch,
    /// See [`Unpacked::left_out`].
    left_out: BTreeSet<TreePath>,
}

enum SinkError {
    Entries(u64),
    Entry(TreePath, StoreError),
}

/// Counts entries, and says how many were too many out of `taken` compressed bytes.
fn one_more(entries: &mut u64, taken: u64) -> Result<(), u64> {
    *entries += 1;
    let most = ALWAYS_FINE.max(taken / LEAST_BYTES);
    if *entries > most { Err(most) } else { Ok(()) }
}

impl Sink {
    fn count(&mut self) -> Result<(), SinkError> {
        one_more(&mut self.entries, self.watch.taken()).map_err(SinkError::Entries)
    }

    /// Keeps account of a node that cannot be made. Whatever it replaces is gone all the same.
    fn leave_out(&mut self, path: TreePath) -> Result<(), StoreError> {
        self.writer.whiteout(&path)?;
        self.left_out.insert(path);
        Ok(())
    }
}

impl LayerSink for Sink {
    type Error = SinkError;

    fn put(&mut self, path: TreePath, entry: Entry, content: &mut dyn Read) -> Result<(), SinkError> {
        self.count()?;
        self.left_out.remove(&path);
        let put = match entry.file() {
            Some(_) => self.writer.put_file(&path, &entry, content).map(|_| ()),
            None => match self.writer.put_special(&path, &entry) {
                Err(StoreError::DeviceRefused { .. }) => self.leave_out(path.clone()),
                put => put,
            },
        };
        put.map_err(|error| SinkError::Entry(path, error))
    }

    fn hard_link(&mut self, path: TreePath, target: TreePath) -> Result<(), SinkError> {
        self.count()?;
        self.left_out.remove(&path);
        let put = match self.left_out.contains(&target) {
            true => self.leave_out(path.clone()),
            false => self.writer.put_hardlink(&path, &target),
        };
        put.map_err(|error| SinkError::Entry(path, error))
    }

    fn whiteout(&mut self, path: TreePath) -> Result<(), SinkError> {
        self.count()?;
        self.writer.whiteout(&path).map_err(|error| SinkError::Entry(path, error))
    }

    fn opaque(&mut self, path: TreePath) -> Result<(), SinkError> {
        self.count()?;
        self.writer.opaque(&path).map_err(|error| SinkError::Entry(path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_entries_are_fine_and_more_cost_bytes() {
        let mut entries = ALWAYS_FINE - 1;
        assert_eq!(one_more(&mut entries, 0), Ok(()));
        assert_eq!(one_more(&mut entries, 0), Err(ALWAYS_FINE));
        assert_eq!(one_more(&mut entries, (ALWAYS_FINE + 2) * LEAST_BYTES), Ok(()));
        assert_eq!(one_more(&mut entries, (ALWAYS_FINE + 2) * LEAST_BYTES), Err(ALWAYS_FINE + 2));
    }
}
