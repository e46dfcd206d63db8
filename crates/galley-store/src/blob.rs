//! Blobs.
use crate::{Store, StoreError};
use galley_image::Digest;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

/// A blob on its way in; it has no name before its digest is verified.
pub struct BlobWriter {
    _private: (),
}

impl BlobWriter {
    /// Verifies digest and length, and gives the blob its name.
    pub fn finish(self, expect: Digest, size: Option<u64>) -> Result<Digest, StoreError> {
        let _ = (expect, size);
        todo!()
    }
    /// Gives the blob the name that its bytes have; returns digest and length.
    pub fn finish_any(self) -> Result<(Digest, u64), StoreError> {
        todo!()
    }
    /// How many bytes came.
    pub fn written(&self) -> u64 {
        todo!()
    }
}
impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = bytes;
        todo!()
    }
    fn flush(&mut self) -> io::Result<()> {
        todo!()
    }
}

impl Store {
    /// A writer of a new blob.
    pub fn blob_writer(&self) -> Result<BlobWriter, StoreError> {
        todo!()
    }
    /// Puts a small blob (configuration, manifest); returns its digest.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let _ = bytes;
        todo!()
    }
    /// Opens a blob.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let _ = digest;
        todo!()
    }
    /// A small blob's bytes.
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let _ = digest;
        todo!()
    }
    /// Whether the blob is there.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        let _ = digest;
        todo!()
    }
    /// Where the blob is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let _ = digest;
        todo!()
    }
}
