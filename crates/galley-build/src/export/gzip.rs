//! gzip on several threads, with the same bytes on any number of them.
//!
//! The input is cut into blocks of a fixed size, each is deflated by itself and ended with a sync flush (RFC 1951, an empty stored
//! block), and the pieces make one gzip member (RFC 1952). So the result depends on the input and [`LEVEL`] alone. Blocks do not
//! see the text before them, which costs less than one percent at this size.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Bytes of input in a block. Part of the format: another size gives other bytes.
pub const BLOCK: usize = 512 << 10;
/// The level of compression. Part of the format.
pub const LEVEL: u32 = 6;

/// Magic, deflate, no flags, no time, no hint, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// A last block with nothing in it.
const END: [u8; 2] = [3, 0];

/// A block on its way, and where its compressed form is expected.
struct Job {
    input: Vec<u8>,
    done: SyncSender<io::Result<Piece>>,
}

/// A compressed block.
struct Piece {
    bytes: Vec<u8>,
    crc: Crc,
}

/// Compresses what `produce` writes into `out`, with `threads` threads besides the caller's.
///
/// # Errors
/// What `produce` says, or else what writing to `out` says.
pub fn compress<T, E: From<io::Error>>(
    out: &mut (dyn Write + Send),
    threads: usize,
    produce: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<T, E> {
    let threads = threads.max(1);
    let (jobs, waiting) = sync_channel::<Job>(threads);
    // Bounds what is in memory: so many blocks may be done or worked on before the first of them is written.
    let (order, in_order) = sync_channel::<Receiver<io::Result<Piece>>>(2 * threads);
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&waiting));
        }
        let writer = scope.spawn(move || write(out, &in_order));
        let mut blocks = Blocks { block: Vec::with_capacity(BLOCK), jobs, order };
        let produced = produce(&mut blocks).and_then(|value| {
            blocks.send()?;
            Ok(value)
        });
        drop(blocks);
        let written = writer.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        // Where the output fails, the producer only notices that nobody reads any more.
        match (produced, written) {
            (_, Err(error)) => Err(error.into()),
            (produced, Ok(())) => produced,
        }
    })
}

/// Cuts what is written into blocks.
struct Blocks {
    block: Vec<u8>,
    jobs: SyncSender<Job>,
    order: SyncSender<Receiver<io::Result<Piece>>>,
}

impl Blocks {
    fn send(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let input = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let (done, result) = sync_channel(1);
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.order.send(result).map_err(gone)?;
        self.jobs.send(Job { input, done }).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (now, _) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
        self.block.extend_from_slice(now);
        if self.block.len() == BLOCK {
            self.send()?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { input, done }) = next else { return };
        // Nobody waits for it any more where the output has failed.
        let _ = done.send(deflate(&input));
    }
}

fn deflate(input: &[u8]) -> io::Result<Piece> {
    let mut crc = Crc::new();
    crc.update(input);
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    let mut bytes = Vec::with_capacity(input.len() / 2 + 1024);
    loop {
        let consumed = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let rest = input.get(consumed..).unwrap_or_default();
        let status =
            compress.compress_vec(rest, &mut bytes, FlushCompress::Sync).map_err(io::Error::other)?;
        // A flush is complete when it leaves room in the output (zlib manual, deflate()).
        if compress.total_in() == input.len() as u64 && bytes.len() < bytes.capacity() {
            return Ok(Piece { bytes, crc });
        }
        if status == Status::StreamEnd {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.reserve(input.len() / 2 + 1024);
    }
}

fn write(out: &mut dyn Write, in_order: &Receiver<Receiver<io::Result<Piece>>>) -> io::Result<()> {
    out.write_all(&HEADER)?;
    let mut whole = Crc::new();
    for piece in in_order {
        let piece = piece.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
        out.write_all(&piece.bytes)?;
        whole.combine(&piece.crc);
    }
    out.write_all(&END)?;
    out.write_all(&whole.sum().to_le_bytes())?;
    out.write_all(&whole.amount().to_le_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn gzip(input: &[u8], threads: usize, chunk: usize) -> Vec<u8> {
        let mut out = Vec::new();
        compress::<_, io::Error>(&mut out, threads, |writer| {
            input.chunks(chunk).try_for_each(|part| writer.write_all(part))
        })
        .unwrap();
        out
    }

    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let random = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Half noise, half repetition.
            if state >> 31 == 0 { (state >> 16) as u8 } else { b'x' }
        };
        (0..length).map(random).collect()
    }

    #[test]
    fn the_bytes_do_not_depend_on_threads_or_writes() {
        let input = sample(3 * BLOCK + 12345);
        let expected = gzip(&input, 1, 4096);
        assert_eq!(gzip(&input, 4, 70_001), expected);
        assert_eq!(gzip(&input, 2, input.len()), expected);
    }

    #[test]
    fn it_is_one_gzip_member_with_the_same_content() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK] {
            let input = sample(length);
            let packed = gzip(&input, 2, 10_000);
            let mut back = Vec::new();
            // GzDecoder reads one member only, and checks its sum and length.
            let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
            decoder.read_to_end(&mut back).unwrap();
            assert!(back == input, "{length}");
            assert!(decoder.into_inner().is_empty(), "{length}: bytes behind the member");
        }
    }

    #[test]
    fn a_failing_output_ends_it() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let input = sample(20 * BLOCK);
        let error =
            compress::<_, io::Error>(&mut Full(BLOCK), 2, |writer| writer.write_all(&input)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_failing_producer_is_reported() {
        let mut out = Vec::new();
        let failed: Result<(), io::Error> =
            compress(&mut out, 2, |_| Err(io::Error::from(io::ErrorKind::NotFound)));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
