//! Unpacks a layer of an image: decompresses, verifies and writes it in one pass, trusting nothing in it.

mod decompress;

use std::io::{self, Read};

use galley_image::layer_tar::{ArchiveError, LayerSink, ReadError, Whiteouts, read};
use galley_image::{DiffId, Digest, Entry, TreePath};
use sha2::{Digest as _, Sha256};

use crate::{LayerProblem, LayerWriter, Lease, Snapshot, SnapshotId, Store, StoreError};
use decompress::Counted;

/// Honest layers may be this large, however well they compress: 10 GiB.
const ALWAYS_FINE: u64 = 10 << 30;

/// Beyond that, more than this many bytes out of one are a bomb.
const MOST_RATIO: u64 = 1000;

/// More entries than the largest of images have together.
const MOST_ENTRIES: u64 = 10_000_000;

impl Store {
    /// Unpacks a layer of an image on `parent`. Nothing appears unless all of it was right: the archive, its end, and its
    /// diff ID.
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
    ) -> Result<Snapshot, StoreError> {
        let wrong = |reason| StoreError::Layer { diff_id: expect, reason };
        let prepared = self.prepare(parent, lease)?;
        let counted = Counted::new(compressed);
        let (taken, read_failed) = counted.watch();
        let plain = decompress::open(counted).map_err(|error| wrong(read_problem(error, &read_failed)))?;
        let mut hashed = Hashed { plain, hash: Sha256::new(), given: 0, taken, bomb: false };
        let mut sink = Sink { writer: prepared.writer()?, entries: 0 };
        let result = read(&mut hashed, Whiteouts::Decode, &mut sink);
        if hashed.bomb {
            return Err(wrong(LayerProblem::Bomb(format!("{MOST_RATIO} times its size"))));
        }
        result.map_err(|error| match error {
            ReadError::Archive(error) => wrong(archive_problem(error, &read_failed)),
            ReadError::Sink(SinkError::Entries) => {
                wrong(LayerProblem::Bomb(format!("{MOST_ENTRIES} entries")))
            }
            ReadError::Sink(SinkError::Entry(_, error @ StoreError::NoSpace { .. })) => error,
            ReadError::Sink(SinkError::Entry(path, source)) => {
                let path = path.display();
                wrong(LayerProblem::Entry { path, source: Box::new(source) })
            }
        })?;
        let found = DiffId(Digest::from_sha256(hashed.hash.clone().finalize().into()));
        if found != expect {
            return Err(wrong(LayerProblem::WrongDigest(found)));
        }
        prepared.commit_written(sink.writer)
    }
}

fn archive_problem(error: ArchiveError, read_failed: &decompress::Failure) -> LayerProblem {
    match error {
        ArchiveError::Truncated { .. } => LayerProblem::Truncated,
        ArchiveError::Name(error) => LayerProblem::Escapes(error.to_string()),
        ArchiveError::Read { error, .. } => read_problem(error, read_failed),
        error => LayerProblem::Archive(error.to_string()),
    }
}

/// Tells a source that failed from compressed bytes that are damaged.
fn read_problem(error: io::Error, read_failed: &decompress::Failure) -> LayerProblem {
    if read_failed.happened() {
        LayerProblem::Read(error)
    } else if error.kind() == io::ErrorKind::UnexpectedEof {
        LayerProblem::Truncated
    } else {
        LayerProblem::Compression(error)
    }
}

/// The uncompressed bytes, hashed as they pass, and stopped where they are too many.
struct Hashed<'a> {
    plain: Box<dyn Read + 'a>,
    hash: Sha256,
    given: u64,
    taken: decompress::Taken,
    bomb: bool,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.plain.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.given += count as u64;
        if self.given > ALWAYS_FINE.max(self.taken.bytes().saturating_mul(MOST_RATIO)) {
            self.bomb = true;
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(count)
    }
}

struct Sink {
    writer: LayerWriter,
    entries: u64,
}

enum SinkError {
    Entries,
    Entry(TreePath, StoreError),
}

impl Sink {
    fn count(&mut self) -> Result<(), SinkError> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES { Err(SinkError::Entries) } else { Ok(()) }
    }
}

impl LayerSink for Sink {
    type Error = SinkError;

    fn put(&mut self, path: TreePath, entry: Entry, content: &mut dyn Read) -> Result<(), SinkError> {
        self.count()?;
        let put = match entry.file() {
            Some(_) => self.writer.put_file(&path, &entry, content).map(|_| ()),
            None => self.writer.put_special(&path, &entry),
        };
        put.map_err(|error| SinkError::Entry(path, error))
    }

    fn hard_link(&mut self, path: TreePath, target: TreePath) -> Result<(), SinkError> {
        self.count()?;
        self.writer.put_hardlink(&path, &target).map_err(|error| SinkError::Entry(path, error))
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
