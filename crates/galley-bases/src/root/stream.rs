//! Packages decompressed on several threads, handed to the one thread that writes.
//!
//! Decompression is what takes the time; writing is not. Each thread takes one package after the other, the largest first,
//! and sends what it holds in pieces: small files whole, large ones in blocks. Packages come interleaved, each in its own order.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use galley_image::layer_tar::{LayerSink, ReadError, Whiteouts, read};
use galley_image::{Entry, TreePath};
use galley_sandbox::Cancel;

use super::certificates::is_certificate;
use super::deb::with_data;
use super::error::DebProblem;
use super::exclude::Rules;
use crate::DebFile;

/// Files up to this size are sent whole.
const WHOLE: u64 = 1 << 20;
/// Larger ones come in blocks of this size.
const BLOCK: usize = 256 << 10;
/// Pieces that wait to be written: with files of [`WHOLE`] bytes, 32 MB.
const WAITING: usize = 32;
/// Blocks of one large file that wait.
const BLOCKS_WAITING: usize = 8;

/// A piece of a package.
pub enum Piece {
    /// A file, directory, symbolic link or the like.
    Entry(TreePath, Entry, Content),
    /// Another name of a file.
    HardLink(TreePath, TreePath),
    /// The package is through. All that it holds, in its own order, also what is left out.
    End(Vec<TreePath>),
    /// Something is wrong with it.
    Failed(DebProblem),
}

/// The bytes of a file.
pub enum Content {
    /// All of them.
    Whole(io::Cursor<Vec<u8>>),
    /// To come.
    Blocks(Blocks),
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Whole(bytes) => bytes.read(buffer),
            Self::Blocks(blocks) => blocks.read(buffer),
        }
    }
}

/// Blocks of a file that another thread decompresses.
pub struct Blocks {
    blocks: Receiver<Vec<u8>>,
    block: io::Cursor<Vec<u8>>,
    left: u64,
    /// Whether it ended too early; the package's own error follows then.
    broken: Arc<AtomicBool>,
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.block.read(buffer)?;
            if count > 0 || self.left == 0 || buffer.is_empty() {
                self.left -= count as u64;
                return Ok(count);
            }
            match self.blocks.recv() {
                Ok(block) => self.block = io::Cursor::new(block),
                Err(_) => {
                    self.broken.store(true, Ordering::Relaxed);
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its package broke off"));
                }
            }
        }
    }
}

/// What is decompressed, and how.
pub struct Packages<'a> {
    /// All packages.
    pub debs: &'a [DebFile],
    /// Indexes of those that are decompressed.
    pub which: &'a [usize],
    /// What is left out; certificates are handed on all the same.
    pub rules: &'a Rules,
    /// How many threads.
    pub threads: usize,
    /// Ends it early, without an error.
    pub cancel: &'a Cancel,
}

/// Decompresses packages and hands each piece, with the package's index, to `take`.
///
/// # Errors
/// What `take` says; nothing is handed to it afterwards.
pub fn stream<E>(
    packages: &Packages<'_>,
    mut take: impl FnMut(usize, Piece) -> Result<(), E>,
) -> Result<(), E> {
    let Packages { debs, which, rules, threads, cancel } = *packages;
    let mut order: Vec<usize> = which.to_vec();
    order.sort_by_key(|index| std::cmp::Reverse(debs[*index].size));
    let next = AtomicUsize::new(0);
    let (sender, receiver) = bounded(WAITING);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, order.len().max(1)) {
            let (sender, order, next) = (sender.clone(), &order, &next);
            scope.spawn(move || {
                while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if cancel.is_cancelled() || !unpack(&debs[*index], *index, rules, &sender) {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // With the receiver dropped, the threads' next piece is their last.
        let receiver = receiver;
        while let Ok((index, piece)) = receiver.recv() {
            hand(index, piece, &receiver, &mut take)?;
        }
        Ok(())
    })
}

/// Hands on one piece. Where a large file broke off in the middle, its package's own error says why, and comes later.
fn hand<E>(
    index: usize,
    piece: Piece,
    receiver: &Receiver<(usize, Piece)>,
    take: &mut impl FnMut(usize, Piece) -> Result<(), E>,
) -> Result<(), E> {
    let broken = match &piece {
        Piece::Entry(_, _, Content::Blocks(blocks)) => Some(Arc::clone(&blocks.broken)),
        _ => None,
    };
    let Err(effect) = take(index, piece) else { return Ok(()) };
    if broken.is_some_and(|broken| broken.load(Ordering::Relaxed)) {
        let mut failures =
            receiver.iter().filter(|(at, piece)| *at == index && matches!(piece, Piece::Failed(_)));
        if let Some((index, cause)) = failures.next() {
            take(index, cause)?;
        }
    }
    Err(effect)
}

/// Sends one package; `false` where nobody listens any more.
fn unpack(deb: &DebFile, index: usize, rules: &Rules, sender: &Sender<(usize, Piece)>) -> bool {
    let mut sink = Sink { index, sender, rules, names: Vec::new() };
    let result = with_data(&deb.path, |part| -> Result<(), Stop> {
        match read(part, Whiteouts::Literal, &mut sink) {
            Ok(_) => Ok(()),
            Err(ReadError::Archive(error)) => Err(DebProblem::DataArchive(error.to_string()).into()),
            Err(ReadError::Sink(stop)) => Err(stop),
        }
    });
    let last = match result {
        Ok(()) => Piece::End(sink.names),
        Err(Stop::Problem(problem)) => Piece::Failed(*problem),
        Err(Stop::Unheard) => return false,
    };
    sender.send((index, last)).is_ok()
}

/// Why a package is not read on.
enum Stop {
    Problem(Box<DebProblem>),
    /// The writer has given up.
    Unheard,
}

impl<P: Into<DebProblem>> From<P> for Stop {
    fn from(problem: P) -> Self {
        Self::Problem(Box::new(problem.into()))
    }
}

struct Sink<'a> {
    index: usize,
    sender: &'a Sender<(usize, Piece)>,
    rules: &'a Rules,
    names: Vec<TreePath>,
}

impl Sink<'_> {
    fn send(&self, piece: Piece) -> Result<(), Stop> {
        self.sender.send((self.index, piece)).map_err(|_| Stop::Unheard)
    }
}

impl LayerSink for Sink<'_> {
    type Error = Stop;

    fn name(&mut self, written: &[u8]) -> Result<(), Stop> {
        let reason = match written {
            [b'/', ..] => "is absolute",
            _ if written.split(|byte| *byte == b'/').any(|part| part == b"..") => "climbs with `..`",
            _ => return Ok(()),
        };
        Err(DebProblem::Path { path: String::from_utf8_lossy(written).into_owned(), reason }.into())
    }

    fn put(&mut self, path: TreePath, entry: Entry, content: &mut dyn Read) -> Result<(), Stop> {
        self.names.push(path.clone());
        // Directories are sent: what is kept may lie in one that is not.
        if !entry.is_directory() && self.rules.exclude(&path) && !is_certificate(&path) {
            return Ok(());
        }
        let size = entry.file().map_or(0, |file| file.size);
        let broken = |error: io::Error| DebProblem::DataArchive(error.to_string());
        if size <= WHOLE {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            content.read_to_end(&mut bytes).map_err(broken)?;
            return self.send(Piece::Entry(path, entry, Content::Whole(io::Cursor::new(bytes))));
        }
        let (sender, blocks) = bounded(BLOCKS_WAITING);
        let blocks = Blocks { blocks, block: io::Cursor::default(), left: size, broken: Arc::default() };
        self.send(Piece::Entry(path, entry, Content::Blocks(blocks)))?;
        let mut left = size;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
            let mut block = vec![0; length];
            content.read_exact(&mut block).map_err(broken)?;
            left -= length as u64;
            sender.send(block).map_err(|_| Stop::Unheard)?;
        }
        Ok(())
    }

    fn hard_link(&mut self, path: TreePath, target: TreePath) -> Result<(), Stop> {
        self.names.push(path.clone());
        if self.rules.exclude(&path) {
            return Ok(());
        }
        self.send(Piece::HardLink(path, target))
    }

    fn whiteout(&mut self, _: TreePath) -> Result<(), Stop> {
        Ok(())
    }

    fn opaque(&mut self, _: TreePath) -> Result<(), Stop> {
        Ok(())
    }
}
