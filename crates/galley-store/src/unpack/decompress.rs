//! Decompression, told by the first bytes, since media types lie.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// The source of compressed bytes; counts them, and remembers whether it was the source that failed.
pub(super) struct Counted<'a> {
    source: &'a mut dyn Read,
    taken: Taken,
    failure: Failure,
}

/// How many compressed bytes were read.
#[derive(Clone, Default)]
pub(super) struct Taken(Rc<Cell<u64>>);

impl Taken {
    pub(super) fn bytes(&self) -> u64 {
        self.0.get()
    }
}

/// Whether the source failed.
#[derive(Clone, Default)]
pub(super) struct Failure(Rc<Cell<bool>>);

impl Failure {
    pub(super) fn happened(&self) -> bool {
        self.0.get()
    }
}

impl<'a> Counted<'a> {
    pub(super) fn new(source: &'a mut dyn Read) -> Self {
        Self { source, taken: Taken::default(), failure: Failure::default() }
    }

    pub(super) fn watch(&self) -> (Taken, Failure) {
        (self.taken.clone(), self.failure.clone())
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.source.read(buffer) {
            Ok(count) => {
                self.taken.0.set(self.taken.0.get() + count as u64);
                Ok(count)
            }
            Err(error) => {
                self.failure.0.set(error.kind() != io::ErrorKind::Interrupted);
                Err(error)
            }
        }
    }
}

/// The uncompressed bytes.
pub(super) fn open(source: Counted<'_>) -> io::Result<Box<dyn Read + '_>> {
    let mut source = BufReader::with_capacity(128 << 10, source);
    let mut start = Vec::new();
    // One read may give less than the longest magic number.
    source.by_ref().take(6).read_to_end(&mut start)?;
    let whole = io::Cursor::new(start.clone()).chain(source);
    Ok(match start.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(whole)?),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(whole)),
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(whole)),
        _ => Box::new(Plain(whole)),
    })
}

/// Not compressed.
struct Plain<R>(R);

impl<R: BufRead> Read for Plain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
