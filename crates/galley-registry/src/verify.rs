//! Checks a blob while it passes.

use std::io::{self, Read};

use galley_image::{Descriptor, Digest};
use sha2::{Digest as _, Sha256};

use crate::error::{Blob, RegistryError};

/// A reader that hashes what passes and, at the end, fails unless size and digest are the descriptor's. Whoever reads to
/// the end without an error has the right bytes; whoever stops before knows nothing.
pub struct VerifyingReader<R> {
    inner: R,
    hash: Sha256,
    what: Blob,
    digest: Digest,
    size: u64,
    passed: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Verified,
    Failed,
}

impl<R: Read> VerifyingReader<R> {
    /// Checks `inner` against `descriptor`; `what` names it in errors.
    pub fn new(inner: R, descriptor: &Descriptor, what: Blob) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            what,
            digest: descriptor.digest,
            size: descriptor.size,
            passed: 0,
            state: State::Reading,
        }
    }

    fn finish(&mut self) -> Result<(), RegistryError> {
        let found = Digest::from_sha256(std::mem::take(&mut self.hash).finalize().into());
        let (what, expected) = (self.what.clone(), self.digest);
        if self.passed != self.size {
            return Err(RegistryError::Size { what, expected: self.size, found: self.passed });
        }
        if found != expected {
            return Err(RegistryError::Digest { what, expected, found });
        }
        Ok(())
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state {
            State::Verified => return Ok(0),
            // Never let a second try look like the end.
            State::Failed => return Err(io::ErrorKind::InvalidData.into()),
            State::Reading if buffer.is_empty() => return Ok(0),
            State::Reading => {}
        }
        let count = self.inner.read(buffer)?;
        if count == 0 {
            self.state = State::Failed;
            self.finish()?;
            self.state = State::Verified;
            return Ok(0);
        }
        self.passed += count as u64;
        if self.passed > self.size {
            self.state = State::Failed;
            let (what, expected, found) = (self.what.clone(), self.size, self.passed);
            return Err(RegistryError::Size { what, expected, found }.into());
        }
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}
