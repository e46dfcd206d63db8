//! Decompression of archives that may come from anybody: told by the first bytes, since media types and names lie, and
//! bounded in what comes out and in the memory that it takes.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// An archive may unpack to this many bytes, however well it compresses: 10 GiB.
pub const ALWAYS_FINE: u64 = 10 << 30;

/// Beyond that, more than this many bytes out of one are a bomb. Text compresses 5 times, logs 30 times.
pub const MOST_RATIO: u64 = 200;

/// The memory that an xz stream may ask for: four times what `xz -9` needs. Zstandard's own limit is 128 MiB, and gzip and
/// bzip2 have fixed windows.
const XZ_MEMORY: u64 = 256 << 20;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), also of several members.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// Bytes that tell it.
    pub const MAGIC: usize = 6;

    /// The compression that a file with these first bytes has.
    #[must_use]
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The uncompressed bytes of `source`.
    ///
    /// # Errors
    /// What setting up a decompressor says.
    pub fn reader<'r>(self, source: impl Read + 'r) -> io::Result<Decompressed<'r>> {
        let watch = Watch::default();
        let counted = Counted { source, watch: watch.clone() };
        let plain: Box<dyn Read + 'r> = match self {
            Self::None => Box::new(counted),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(counted)),
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(counted)),
            Self::Xz => {
                let stream =
                    liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
                Box::new(liblzma::read::XzDecoder::new_stream(counted, stream))
            }
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(counted)?),
        };
        Ok(Decompressed { plain, watch, given: 0, always_fine: ALWAYS_FINE, bomb: false })
    }
}

/// The uncompressed bytes of an archive. Reading fails where they are too many ([`ALWAYS_FINE`], [`MOST_RATIO`]).
pub struct Decompressed<'r> {
    plain: Box<dyn Read + 'r>,
    watch: Watch,
    given: u64,
    always_fine: u64,
    bomb: bool,
}

impl<'r> Decompressed<'r> {
    /// Those of `source`, whose compression is told by its first bytes.
    ///
    /// # Errors
    /// What reading them says, or setting up a decompressor.
    pub fn open(mut source: impl Read + 'r) -> io::Result<Self> {
        let mut start = Vec::with_capacity(Compression::MAGIC);
        // One read may give less than the longest magic number.
        source.by_ref().take(Compression::MAGIC as u64).read_to_end(&mut start)?;
        let compression = Compression::of(&start);
        compression.reader(io::Cursor::new(start).chain(source))
    }

    /// Whether reading failed because the source did, and not because its bytes are damaged.
    #[must_use]
    pub fn source_failed(&self) -> bool {
        self.watch.failed.get()
    }

    /// Whether reading failed because this is an archive bomb.
    #[must_use]
    pub fn is_bomb(&self) -> bool {
        self.bomb
    }

    /// What tells how many compressed bytes were read, while somebody else reads.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }
}

impl Read for Decompressed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bomb {
            return Err(bomb());
        }
        let count = self.plain.read(buffer)?;
        self.given += count as u64;
        if self.given > self.always_fine.max(self.watch.taken().saturating_mul(MOST_RATIO)) {
            self.bomb = true;
            return Err(bomb());
        }
        Ok(count)
    }
}

fn bomb() -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it unpacks to more than {MOST_RATIO} times its size: refused as an archive bomb"),
    )
}

/// What is known of the compressed side.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    taken: Rc<Cell<u64>>,
    failed: Rc<Cell<bool>>,
}

impl Watch {
    /// How many compressed bytes were read.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.get()
    }
}

struct Counted<R> {
    source: R,
    watch: Watch,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.source.read(buffer) {
            Ok(count) => {
                self.watch.taken.set(self.watch.taken.get() + count as u64);
                Ok(count)
            }
            Err(error) => {
                self.watch.failed.set(error.kind() != io::ErrorKind::Interrupted);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn packed(plain: &[u8]) -> [(Compression, Vec<u8>); 4] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        for writer in [&mut gzip as &mut dyn io::Write, &mut bzip2, &mut xz] {
            writer.write_all(plain).unwrap();
        }
        [
            (Compression::Gzip, gzip.finish().unwrap()),
            (Compression::Bzip2, bzip2.finish().unwrap()),
            (Compression::Xz, xz.finish().unwrap()),
            (Compression::Zstd, zstd::encode_all(plain, 3).unwrap()),
        ]
    }

    #[test]
    fn bombs_of_every_kind_are_stopped_and_honest_archives_pass() {
        let zeroes = vec![0; 1 << 20];
        for (kind, bytes) in packed(&zeroes) {
            let mut reader = Decompressed::open(&bytes[..]).unwrap();
            assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap(), 1 << 20, "{kind:?}");
            let mut reader = Decompressed { always_fine: 1 << 18, ..Decompressed::open(&bytes[..]).unwrap() };
            let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
            assert!(reader.is_bomb() && error.to_string().ends_with("archive bomb"), "{kind:?}: {error}");
            assert!(reader.given < 1 << 20, "{kind:?} went on to {}", reader.given);
        }
        let noise: Vec<u8> = (0..1_u64 << 18).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
        for (kind, bytes) in packed(&noise) {
            let mut reader = Decompressed { always_fine: 0, ..Decompressed::open(&bytes[..]).unwrap() };
            assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap(), 1 << 18, "{kind:?}");
        }
    }

    #[test]
    fn an_xz_stream_that_wants_too_much_memory_is_refused() {
        let [_, _, (_, mut bytes), _] = packed(b"hello");
        let mut hello = String::new();
        Decompressed::open(&bytes[..]).unwrap().read_to_string(&mut hello).unwrap();
        assert_eq!(hello, "hello");
        // The block's header follows 12 bytes of the stream's: size, flags, filter (0x21: LZMA2), size of its
        // properties, dictionary size, padding, CRC32 (The .xz File Format, 3.1 and 5.3.1).
        assert_eq!(bytes[14..16], [0x21, 1]);
        let end = 12 + (usize::from(bytes[12]) + 1) * 4 - 4;
        bytes[16] = 40; // 4 GiB
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..end]);
        bytes[end..end + 4].copy_from_slice(&crc.sum().to_le_bytes());
        let error = Decompressed::open(&bytes[..]).unwrap().read(&mut [0]).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }

    #[test]
    fn a_failing_source_is_told_from_damaged_bytes() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        for (kind, bytes) in packed(&[7; 100_000]) {
            let half = &bytes[..bytes.len() / 2];
            let mut cut = Decompressed::open(half).unwrap();
            assert!(io::copy(&mut cut, &mut io::sink()).is_err(), "{kind:?}");
            assert!(!cut.source_failed(), "{kind:?}");
            let mut broken = Decompressed::open(half.chain(Broken)).unwrap();
            assert!(io::copy(&mut broken, &mut io::sink()).is_err(), "{kind:?}");
            assert!(broken.source_failed(), "{kind:?}");
        }
    }
}
