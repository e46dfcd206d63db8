//! The archive's bytes, counted, and one member's share of them.

use std::io::{self, BufReader, Read};

use super::error::ArchiveError;
use crate::layer_tar::{BLOCK, padding};

/// As Go's archive/tar: longer extended headers only serve to fill memory.
const LARGEST_EXTENDED: u64 = 1 << 20;

/// The archive, block by block.
pub(super) struct Input<'a> {
    reader: BufReader<&'a mut dyn Read>,
    offset: u64,
}

impl<'a> Input<'a> {
    pub fn new(reader: &'a mut dyn Read) -> Self {
        Self { reader: BufReader::with_capacity(128 << 10, reader), offset: 0 }
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next block; `None` where the stream ends before it.
    pub fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        let mut block = [0; BLOCK];
        match self.fill(&mut block)? {
            BLOCK => Ok(Some(block)),
            0 => Ok(None),
            _ => Err(ArchiveError::Truncated { offset: self.offset }),
        }
    }

    /// The content of an extended header whose header block stands at `at`.
    pub fn extended(&mut self, size: u64, at: u64) -> Result<Vec<u8>, ArchiveError> {
        if size > LARGEST_EXTENDED {
            return Err(ArchiveError::ExtendedSize { offset: at, size });
        }
        let length = usize::try_from(size).unwrap_or(0);
        let mut content = vec![0; length + padding(size)];
        if self.fill(&mut content)? < content.len() {
            return Err(ArchiveError::Truncated { offset: self.offset });
        }
        content.truncate(length);
        Ok(content)
    }

    /// Reads over `count` bytes, all of which must be there.
    pub fn skip(&mut self, count: u64) -> Result<(), ArchiveError> {
        let skipped = io::copy(&mut (&mut self.reader).take(count), &mut io::sink());
        let skipped = skipped.map_err(|error| ArchiveError::Read { offset: self.offset, error })?;
        self.offset += skipped;
        if skipped < count { Err(ArchiveError::Truncated { offset: self.offset }) } else { Ok(()) }
    }

    /// Reads whatever is left: other programs pad archives to their own record size.
    pub fn drain(&mut self) -> Result<(), ArchiveError> {
        let drained = io::copy(&mut self.reader, &mut io::sink());
        self.offset += drained.map_err(|error| ArchiveError::Read { offset: self.offset, error })?;
        Ok(())
    }

    /// Fills `buffer` as far as the stream goes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::Read { offset: self.offset, error }),
            }
        }
        self.offset += filled as u64;
        Ok(filled)
    }
}

/// The bytes of one regular file.
pub(super) struct Content<'i, 'a> {
    input: &'i mut Input<'a>,
    left: u64,
    failure: Option<ArchiveError>,
}

impl<'i, 'a> Content<'i, 'a> {
    pub fn new(input: &'i mut Input<'a>, size: u64) -> Self {
        Self { input, left: size, failure: None }
    }

    /// The archive's own failure, if it is why the content ended; else reads over what the sink left, unless it gave up.
    pub fn finish(self, go_on: bool) -> Result<(), ArchiveError> {
        match self.failure {
            Some(failure) => Err(failure),
            None if go_on => self.input.skip(self.left),
            None => Ok(()),
        }
    }
}

impl Read for Content<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let result = self.input.reader.read(&mut buffer[..most]);
        let offset = self.input.offset;
        match result {
            Ok(0) => {
                self.failure = Some(ArchiveError::Truncated { offset });
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(count) => {
                self.input.offset += count as u64;
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                // The error goes to the archive's report; the sink learns its kind.
                let kind = error.kind();
                self.failure = Some(ArchiveError::Read { offset, error });
                Err(kind.into())
            }
        }
    }
}
