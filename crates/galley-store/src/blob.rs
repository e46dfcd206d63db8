//! Blobs: configurations, manifests and compressed layers, by digest, as an OCI image layout keeps them.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use galley_image::Digest;
use sha2::{Digest as _, Sha256};

use crate::failpoint::{FailPoint, reached};
use crate::lock::FileLock;
use crate::remove::remove_tree;
use crate::{Store, StoreError};

/// A blob on its way in; it has no name before its digest is verified. Dropped without being finished, it leaves nothing,
/// or, from [`Store::resume_blob`], what came so far.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    path: PathBuf,
    file: File,
    hash: Sha256,
    written: u64,
    /// What came outlasts the writer.
    lasts: bool,
    /// Of a blob that lasts: held until its file is left, renamed or deleted.
    _lock: Option<FileLock>,
}

impl BlobWriter {
    /// Verifies digest and length, and gives the blob its name.
    ///
    /// # Errors
    /// [`StoreError::BlobSize`], [`StoreError::BlobDigest`], [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn finish(mut self, expect: Digest, size: Option<u64>) -> Result<Digest, StoreError> {
        // Whole or wrong: either way there is nothing to resume.
        self.lasts = false;
        if let Some(expected) = size.filter(|size| *size != self.written) {
            return Err(StoreError::BlobSize { digest: expect, expected, found: self.written });
        }
        let found = Digest::from_sha256(self.hash.clone().finalize().into());
        if found != expect {
            return Err(StoreError::BlobDigest { expected: expect, found });
        }
        self.name(found).map(|()| found)
    }

    /// Gives the blob the name that its bytes have; returns its digest and its length in bytes.
    ///
    /// # Errors
    /// [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn finish_any(self) -> Result<(Digest, u64), StoreError> {
        let found = Digest::from_sha256(self.hash.clone().finalize().into());
        self.name(found)?;
        Ok((found, self.written))
    }

    /// What a write that failed with `error` means: [`StoreError::NoSpace`] or [`StoreError::Io`].
    #[must_use]
    pub fn failed(&self, error: io::Error) -> StoreError {
        StoreError::io("write", &self.path, error)
    }

    /// Drops it for good: what came is wrong, and nothing to resume.
    pub fn discard(mut self) {
        self.lasts = false;
    }

    /// How many bytes came, those of an earlier try included.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// On disk first, then the name: a blob with a name is whole, also after a power cut.
    fn name(&self, digest: Digest) -> Result<(), StoreError> {
        self.file.sync_data().map_err(StoreError::on("write", &self.path))?;
        reached(FailPoint::BlobWritten);
        let place = self.store.blob_path(&digest);
        fs::rename(&self.path, &place).map_err(StoreError::on("create", &place))?;
        reached(FailPoint::BlobRenamed);
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A partial blob is not worth the last room on the disk.
        let count = self.file.write(bytes).inspect_err(|_| self.lasts = false)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if self.lasts {
            return;
        }
        // Nothing there if it got its name; swept later if it cannot be deleted now.
        let _ = remove_tree(&self.path);
    }
}

impl Store {
    /// A writer of a new blob.
    ///
    /// # Errors
    /// [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn blob_writer(&self) -> Result<BlobWriter, StoreError> {
        let path = self.inner.temporary.path()?;
        let file = File::create_new(&path).map_err(StoreError::on("create", &path))?;
        Ok(BlobWriter {
            store: self.clone(),
            path,
            file,
            hash: Sha256::new(),
            written: 0,
            lasts: false,
            _lock: None,
        })
    }

    /// A writer of the blob `digest` that goes on where an earlier one was dropped or killed: [`BlobWriter::written`] says
    /// where that is. `size` is the whole blob's in bytes. What came earlier is trusted only as far as the digest
    /// confirms it in the end. Where another process writes the same blob, this is a writer from the start.
    ///
    /// # Errors
    /// [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn resume_blob(&self, digest: &Digest, size: u64) -> Result<BlobWriter, StoreError> {
        let name = digest.hex();
        let lock =
            FileLock::try_take(&self.inner.locks().join(format!("blob-{name}")), false, &self.inner.process)?;
        let Some(lock) = lock else { return self.blob_writer() };
        let directory = self.inner.partial();
        fs::create_dir_all(&directory).map_err(StoreError::on("create", &directory))?;
        let path = directory.join(name);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::on("open", &path))?;
        let (mut hash, mut written) = hashed(&mut file).map_err(StoreError::on("read", &path))?;
        if written > size {
            file.set_len(0).map_err(StoreError::on("write", &path))?;
            file.rewind().map_err(StoreError::on("write", &path))?;
            (hash, written) = (Sha256::new(), 0);
        }
        let _lock = Some(lock.removing());
        Ok(BlobWriter { store: self.clone(), path, file, hash, written, lasts: true, _lock })
    }

    /// Puts a small blob (a configuration, a manifest); returns its digest.
    ///
    /// # Errors
    /// [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if !self.has_blob(&digest) {
            let mut writer = self.blob_writer()?;
            writer.write_all(bytes).map_err(StoreError::on("write", &writer.path))?;
            writer.finish(digest, None)?;
        }
        Ok(digest)
    }

    /// Opens a blob.
    ///
    /// # Errors
    /// [`StoreError::UnknownBlob`] and [`StoreError::Io`].
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::UnknownBlob(*digest),
            _ => StoreError::io("open", &path, error),
        })
    }

    /// A small blob's bytes, verified.
    ///
    /// # Errors
    /// [`StoreError::UnknownBlob`], [`StoreError::BlobDigest`] and [`StoreError::Io`].
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let mut file = self.open_blob(digest)?;
        file.read_to_end(&mut bytes).map_err(StoreError::on("read", &self.blob_path(digest)))?;
        match Digest::of(&bytes) {
            found if found == *digest => Ok(bytes),
            found => Err(StoreError::BlobDigest { expected: *digest, found }),
        }
    }

    /// Whether the blob is there.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// Where the blob is, or would be.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.inner.root.join("blobs/sha256").join(digest.hex())
    }
}

/// The hash of what is left of a file, and its length.
fn hashed(file: &mut File) -> io::Result<(Sha256, u64)> {
    let (mut hash, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hash, length)),
            Ok(count) => {
                hash.update(buffer.get(..count).unwrap_or_default());
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
